/** The comparison with other libraries runs, finds the same results, and says what it could not measure. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { convFlops, layers } from '../bench/layers.ts'
import { onnxModel } from '../bench/onnx.ts'
import { measureInTurns } from '../bench/peer-measure.ts'
import { type Comparison, medians } from '../bench/peer-report.ts'
import { startSides } from '../bench/peer-sides.ts'
import { difference, type Outcome, type Peer, type Work } from '../bench/peer-work.ts'
import { chromiumPackage } from '../src/engine/unpack.node.ts'
import { readOnnxModel } from './support/onnx.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const test = suite('bench peers')
const folder = mkdtempSync(join(tmpdir(), 'voxplain-peers-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

interface Results {
  readonly adapter: string
  readonly kernels: object
  readonly peers: {
    readonly rows: readonly Comparison[]
    readonly notMeasured: readonly { readonly peer: string; readonly reason: string }[]
    readonly medians: readonly { readonly peer: string; readonly pass: string }[]
  }
}

function run(...args: string[]): { printed: string; results: Results } {
  const command = ['--import', 'tsx', join('bench', 'peers.ts'), '--quick', '--layer', '1->8', '--out', folder, ...args]
  const env = { ...process.env, VOXPLAIN_PYTHON: join(folder, 'no-python') }
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, env, encoding: 'utf8' })
  assert.is(status, 0, stderr)
  const files = readdirSync(folder)
  assert.is(files.length, 1, `one file an adapter, nothing half-written: ${files}`)
  return { printed: stdout, results: JSON.parse(readFileSync(join(folder, files[0]!), 'utf8')) }
}

const passes = (rows: readonly Comparison[]) =>
  rows.map(({ peer, work }) => `${peer}: ${work.kind === 'conv' ? work.pass : work.kind}`)

test('TensorFlow.js takes the same steps; a Python that is not there is not measured', () => {
  const { results, printed } = run('--peers', 'tfjs,torch')
  const { rows, notMeasured } = results.peers
  const kinds = ['forward', 'data gradient', 'weight gradient', 'network', 'mask']
  assert.equal(
    passes(rows),
    kinds.map((kind) => `tensorflow.js webgpu: ${kind}`),
  )
  for (const { ratio, cpuRatio, ours, theirs } of rows) {
    assert.ok(ratio > 0 && cpuRatio > 0 && ours.samples.length === 1 && theirs.samples.length === 1)
  }
  for (const { work, difference } of rows) assert.ok(difference < (work.kind === 'mask' ? 1e-3 : 1e-4))
  assert.is(rows[0]!.flops, convFlops({ ...layers[0]!, size: [4, 4, 4] }))
  assert.equal(
    notMeasured.map(({ peer }) => peer),
    ['torch'],
  )
  assert.match(printed, /^torch: not measured: .*no-python/m)
})

test('onnxruntime-web and jax-js in a page; other sections are left alone', () => {
  const file = join(folder, readdirSync(folder)[0]!)
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), kernels: { rows: [] } }))
  const { results } = run('--peers', 'onnxruntime,jax', '--pass', 'forward,weight gradient')
  assert.equal(results.kernels, { rows: [] })
  const { rows, notMeasured } = results.peers
  if (!chromiumPackage()) {
    assert.equal(
      notMeasured.map(({ peer }) => peer),
      ['onnxruntime', 'jax'],
    )
    return
  }
  assert.equal(passes(rows), [
    'onnxruntime-web webgpu: forward',
    'jax-js webgpu: forward',
    'jax-js webgpu: weight gradient',
  ])
  for (const { ratio, difference } of rows) assert.ok(ratio > 0 && difference < 1e-4)
  assert.equal(notMeasured, [])
})

test('what cannot be asked for is refused by name', () => {
  const command = ['--import', 'tsx', join('bench', 'peers.ts'), '--peers', 'tfjs,caffe']
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  assert.is.not(status, 0)
  assert.match(stderr, /"caffe" is none of tfjs, torch, onnxruntime, jax/)
})

test('a result that is not ours is not timed', async () => {
  const peer = (name: string, outcome: Outcome): Peer => ({
    name,
    version: '1',
    does: () => true,
    start: async () => [
      { name, tolerance: 1e-4, run: async () => undefined, read: async () => outcome, dispose: () => undefined },
    ],
    close: () => undefined,
  })
  const broken = { ...peer('broken', {}), start: () => Promise.reject(new Error('no\nkernel')) }
  const ours = { result: Float32Array.of(1, -2) }
  const peers = [
    peer('ours', ours),
    peer('same', { result: Float32Array.of(1, -2.0001) }),
    peer('other', { result: Float32Array.of(1, 2) }),
    peer('short', { result: Float32Array.of(1) }),
    peer('none', { result: Float32Array.of(1, Number.NaN) }),
    broken,
  ]
  const sides = await startSides(peers, { kind: 'network', size: [1, 1, 1] })
  assert.equal(
    sides.ready.map(({ name }) => name),
    ['ours', 'same'],
  )
  assert.equal(sides.notTimed, [
    { name: 'other', reason: 'results differ by 2.0e+0', failed: true },
    { name: 'short', reason: 'results differ by Infinity', failed: true },
    { name: 'none', reason: 'results differ by Infinity', failed: true },
    { name: 'broken', reason: 'no' },
  ])
})

test('ONNX models say what they were made of', () => {
  const weights = {
    w: { shape: [2, 1, 200], data: Float32Array.from({ length: 400 }, (_, k) => k / 7) },
    pads: { shape: [2], data: BigInt64Array.of(0n, 1n) },
  }
  const convolve = { operator: 'Conv', inputs: ['x', 'w'], output: 'a', attributes: { pads: [1, 0, 300], group: 1 } }
  const bytes = onnxModel({
    nodes: [convolve, { operator: 'Pad', inputs: ['a', 'pads'], output: 'y' }],
    inputs: { x: [1, 1, 121] },
    outputs: { y: [1, 2, 300] },
    weights,
  })
  const { nodes, initializers, inputs, outputs } = readOnnxModel(bytes)
  assert.equal(nodes, [
    { type: 'Conv', inputs: ['x', 'w'], outputs: ['a'], attributes: convolve.attributes },
    { type: 'Pad', inputs: ['a', 'pads'], outputs: ['y'], attributes: {} },
  ])
  assert.equal(initializers, [
    { name: 'w', shape: [2, 1, 200], data: Float64Array.from(weights.w.data) },
    { name: 'pads', shape: [2], data: Float64Array.of(0, 1) },
  ])
  assert.equal([inputs, outputs], [['x'], ['y']])
})

test('relevance differs by mean squares, everything else by the furthest value', () => {
  const values = Float32Array.of(3, 4, 0, 0)
  const one = Float32Array.of(3, 4, 0, 0.5)
  assert.is(difference({ result: values }, { result: one }), 0.125)
  assert.is(difference({ relevance: values }, { relevance: one }), 0.5 / Math.sqrt(25.25))
  assert.is(difference({ result: values }, { relevance: one }), Number.POSITIVE_INFINITY)
})

test('sides take turns, and what they say they have spent counts', async () => {
  const turns: string[] = []
  const side = (name: string, milliseconds: number) => async (times: number) => {
    turns.push(`${name}${times}`)
    return { milliseconds: times * milliseconds, cpuMilliseconds: 2 * times * milliseconds }
  }
  const [a, b] = await measureInTurns([side('a', 40), side('b', 400)], 2, 60)
  assert.equal(turns, ['a1', 'b1', 'a3', 'b1', 'a3', 'b1'])
  assert.equal(a, { milliseconds: 40, cpuMilliseconds: 80, samples: [40, 40] })
  assert.is(b!.milliseconds, 400)
})

test('the opponent is the best configuration of each piece of work', () => {
  const works: Work[] = layers.slice(0, 2).map((layer) => ({ kind: 'conv', pass: 'forward', layer }))
  const timing = (milliseconds: number) => ({ milliseconds, cpuMilliseconds: 1, samples: [milliseconds] })
  const row = (peer: string, work: Work, milliseconds: number): Comparison => {
    const [ours, theirs] = [timing(1), timing(milliseconds)]
    return { place: '', peer, work, flops: 1, difference: 0, ours, theirs, ratio: milliseconds, cpuRatio: 1 }
  }
  const rows = [
    row('torch, a', works[0]!, 4),
    row('torch, b', works[0]!, 6),
    row('torch, a', works[1]!, 8),
    row('torch, b', works[1]!, 2),
  ]
  assert.equal(
    medians(rows).map(({ peer, shapes, ratio }) => [peer, shapes, ratio]),
    [
      ['torch, a', 2, 6],
      ['torch, b', 2, 4],
      ['torch, the best of each', 2, 3],
    ],
  )
})

test.run()
