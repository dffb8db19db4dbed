/** Files that a killed process left half written are known by their names; those of living ones are left alone. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sweepTemporaries, temporaryName } from '../src/io/temporary.node.ts'

const test = suite('temporary files')

test('what is swept, and what is not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'voxplain-temporary-'))
  const own = temporaryName()
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const withPid = (number: number) => `.${number.toString(16).padStart(6, '0')}${own.slice(7, 11)}01234567.tmp`
  const [gone, before] = [withPid(pid), withPid(process.pid)]
  const machine = own.slice(7, 11) === 'ffff' ? '0000' : 'ffff'
  const elsewhere = gone.replace(own.slice(7, 11), machine)
  const names = [own, gone, before, elsewhere, withPid(process.ppid), '.other.tmp', 'map.nii.gz']
  for (const name of names) await writeFile(join(folder, name), 'half')
  // Of a process of our own number, before this machine was started anew.
  await utimes(join(folder, before), 1e9, 1e9)
  await sweepTemporaries(folder)
  assert.equal((await readdir(folder)).sort(), names.filter((name) => name !== gone && name !== before).sort())
  await rm(folder, { recursive: true })
})

test('names: all different, and all alike', () => {
  const names = Array.from({ length: 200 }, temporaryName)
  assert.is(new Set(names).size, 200)
  for (const name of names) assert.match(name, /^\.[0-9a-f]{18}\.tmp$/)
})

test('a folder that is not there', async () => {
  await sweepTemporaries(join(tmpdir(), 'voxplain-nowhere'))
})

test.run()
