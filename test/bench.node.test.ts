/** The bench runs and writes JSON that a script can read. What it measures is never asserted. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Timing } from '../bench/measure.ts'
import { comparedWith, ratioTo } from '../bench/reference.ts'

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

test('kernels: another run is compared with what was recorded, and keeps what it did not measure', () => {
  const before = results().kernels.rows
  const printed = run('run.ts', '--suite', 'map', '--layer', '1->8')
  assert.match(printed, /\| x reference \| +vs recorded +\|/)
  assert.match(printed, /\| map +\| relu \| 1->8 @8x8x8 \|.* \| +[-+]\d+ %( SLOWER| faster)? +\|\n/)
  assert.match(printed, /\n[01] of 1 are notably slower than recorded\n/)
  const after = results().kernels.rows
  const names = (rows: { suite: string; pass: string }[]) => rows.map(({ suite, pass }) => `${suite} ${pass}`).sort()
  assert.equal(names(after), names(before))
  for (const { ratio } of after) assert.ok(ratio > 0)
})

test('ratios are of paired samples, and a change of more than 15 % is marked', () => {
  const timing = (samples: number[], cpuSamples: number[]): Timing => ({
    milliseconds: 0,
    cpuMilliseconds: 0,
    samples,
    cpuSamples,
  })
  const reference = timing([1, 2, 4], [1, 1, 1])
  const kernel = timing([3, 6, 20], [2, 8, 3])
  assert.is(ratioTo(reference, kernel, false), 3)
  assert.is(ratioTo(reference, kernel, true), 3)
  assert.is(comparedWith(undefined, 2), '-')
  assert.is(comparedWith(2, 2.2), '+10 %')
  assert.is(comparedWith(2, 2.4), '+20 % SLOWER')
  assert.is(comparedWith(2, 1.8), '-10 %')
  assert.is(comparedWith(2, 1.6), '-20 % faster')
})

test('a suite that does not exist is refused by name', () => {
  const command = ['--import', 'tsx', join('bench', 'run.ts'), '--suite', 'sorting']
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  assert.is.not(status, 0)
  assert.match(stderr, /"sorting" is none of conv, pool/)
})

test.run()
