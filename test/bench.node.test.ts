/** The bench runs and writes JSON that a script can read. What it measures is never asserted. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))
const test = suite('bench')
const folder = mkdtempSync(join(tmpdir(), 'voxplain-bench-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

function run(script: string, ...args: string[]): string {
  const command = ['--import', 'tsx', join('bench', script), '--quick', '--out', folder, ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return stdout
}

function results() {
  const files = readdirSync(folder)
  assert.is(files.length, 1, `one file an adapter, nothing half-written: ${files}`)
  return JSON.parse(readFileSync(join(folder, files[0]!), 'utf8'))
}

test('kernels: a table and a section of JSON', () => {
  const printed = run('run.ts', '--suite', 'conv,pool,map,mask', '--layer', '1->8')
  assert.match(printed, /\| conv +\| weight gradient +\| 1->8 @8x8x8 /)
  const { adapter, kernels } = results()
  assert.type(adapter, 'string')
  assert.equal(
    kernels.rows.map((row: { suite: string; pass: string }) => `${row.suite} ${row.pass}`),
    [
      'conv forward',
      'conv data gradient',
      'conv weight gradient',
      'conv forward + norm + leaky',
      'pool forward',
      'pool backward',
      'map relu',
      'mask step',
    ],
  )
  for (const { milliseconds, bytes, kernels: names, gigabytesPerSecond } of kernels.rows) {
    assert.ok(milliseconds > 0 && bytes > 0 && gigabytesPerSecond > 0 && names.length > 0)
  }
  assert.is(kernels.rows[0].flops, 2 * 8 * 27 * 8 ** 3)
})

test('peers: a second section beside the first, results compared', () => {
  run('peers.ts', '--layer', '1->8')
  const { kernels, peers } = results()
  assert.ok(kernels.rows.length > 0)
  assert.equal(
    peers.rows.map((row: { pass: string }) => row.pass),
    ['forward', 'data gradient', 'weight gradient'],
  )
  for (const { ratio, difference } of peers.rows) assert.ok(ratio > 0 && difference < 1e-4)
})

test('a suite that does not exist is refused by name', () => {
  const command = ['--import', 'tsx', join('bench', 'run.ts'), '--suite', 'sorting']
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  assert.is.not(status, 0)
  assert.match(stderr, /"sorting" is none of conv, pool/)
})

test.run()
