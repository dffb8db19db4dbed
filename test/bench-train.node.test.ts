/** The training bench runs, finds the same losses as TensorFlow.js, and writes what a script can read. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))
const test = suite('bench train')
const folder = mkdtempSync(join(tmpdir(), 'voxplain-bench-train-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('an epoch from files, and the step beside TensorFlow.js; a Python that is not there is not measured', () => {
  const env = { ...process.env, VOXPLAIN_PYTHON: join(folder, 'no-python') }
  const command = ['--import', 'tsx', join('bench', 'train.ts'), '--quick', '--out', folder]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, env, encoding: 'utf8' })
  assert.is(status, 0, stderr)
  const [file] = readdirSync(folder)
  const found = JSON.parse(readFileSync(join(folder, file!), 'utf8'))
  const [epoch] = found['train-epoch'].epochs
  assert.ok(epoch.scansPerSecond > 0 && epoch.waited >= 0 && epoch.waited < 1 && epoch.scans === 4)
  const { steps, notMeasured } = found['train-step']
  assert.is(steps.length, 1)
  const [step] = steps
  assert.match(step.peer, /tensorflow.js/)
  assert.ok(step.difference < 2e-3 && step.ratio > 0 && step.cpuRatio > 0)
  assert.equal(
    notMeasured.map(({ peer }: { peer: string }) => peer),
    ['torch'],
  )
  assert.match(stdout, /\| small_cnn @9x10x8, batch 2 \| tensorflow.js webgpu \|/)
})

test.run()
