/** Claims of work: one owner at a time, those of dead processes are superseded; shards divide evenly. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Claims, openClaims } from '../src/cli/bids-claims.ts'
import { shardOf, shardOption } from '../src/cli/shard.ts'

const test = suite('claims')
let folder: string
let claims: Claims[]
test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voxplain-claims-'))
  claims = await Promise.all(Array.from({ length: 4 }, () => openClaims(folder)))
})
test.after.each(async () => {
  for (const one of claims) one.close()
  await rm(folder, { recursive: true })
})

const take = (name: string) => claims.map((one) => one.take(name))
/** What stands in the claim of this process, with something else in its place. */
async function leave(name: string, change: object): Promise<void> {
  claims[0]!.take('own')
  const own = claims[0]!.list().find((one) => one.name === 'own')!.owner
  claims[0]!.release('own')
  await writeFile(join(folder, name), JSON.stringify({ ...own, ...change }))
}
/** A number that no process has any more. */
const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid

test('one owner, and after it another; nothing stays behind', async () => {
  assert.equal(take('sub-01'), [true, false, false, false])
  assert.ok(claims[0]!.take('sub-01'), 'a claim that one has is taken again')
  assert.ok(claims[2]!.take('sub-02'))
  assert.equal(
    claims[3]!
      .list()
      .map(({ name, stale }) => [name, stale])
      .sort(),
    [
      ['sub-01', false],
      ['sub-02', false],
    ],
  )
  claims[0]!.release('sub-01')
  assert.equal(take('sub-01'), [true, false, false, false])
  for (const one of claims) one.close()
  assert.equal(await readdir(folder), [])
})

test("a dead process has no claim, nor one whose number is now another one's; the next has it alone", async () => {
  for (const change of [{ pid: deadPid() }, { began: '1' }]) {
    await leave('sub-01.1', change)
    assert.ok(claims[0]!.list()[0]!.stale)
    assert.equal(take('sub-01'), [true, false, false, false])
    claims[0]!.release('sub-01')
    assert.equal(await readdir(folder), [])
  }
})

test('a claim of another machine holds while it is touched', async () => {
  await leave('sub-01.1', { host: `not-${hostname()}`, pid: deadPid() })
  assert.equal(take('sub-01'), [false, false, false, false])
  const old = new Date(Date.now() - 700_000)
  await utimes(join(folder, 'sub-01.1'), old, old)
  assert.equal(take('sub-01'), [true, false, false, false])
})

test('a claim that was cut off when it was written holds for some seconds', async () => {
  await writeFile(join(folder, 'sub-01.1'), '')
  assert.equal(take('sub-01'), [false, false, false, false])
  const old = new Date(Date.now() - 6_000)
  await utimes(join(folder, 'sub-01.1'), old, old)
  assert.equal(take('sub-01'), [true, false, false, false])
})

test('shards: everything once, evenly, whatever the order', () => {
  const names = Array.from({ length: 11 }, (_, k) => `sub-${k}`)
  const parts = [1, 2, 3, 4].map((index) => shardOf(names, (name) => name, { index, of: 4 }))
  assert.equal(
    parts.map(({ length }) => length),
    [3, 3, 3, 2],
  )
  assert.equal(parts.flat().sort(), [...names].sort())
  assert.equal(
    shardOf([...names].reverse(), (name) => name, { index: 2, of: 4 }),
    parts[1],
  )
  assert.equal(shardOption('2/8'), { index: 2, of: 8 })
  for (const wrong of ['0/4', '5/4', '1', '1/0', 'a/b', '-1/4'])
    assert.throws(() => shardOption(wrong), /counted from 1/)
})

test.run()
