/** Networks that give a volume a class: what they say of a scan, scores of some voxels, and that explanations go through. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { slice } from '../src/engine/ops/shape.ts'
import type { Tensor } from '../src/engine/tensor.ts'
import { InputError } from '../src/io/errors.ts'
import { initialise } from '../src/model/architectures.ts'
import { type BuiltNetwork, buildNetwork } from '../src/model/build.ts'
import { classCount, type Network, validateDescription } from '../src/model/description.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { importOnnx } from '../src/model/formats/onnx.ts'
import { exportOnnx } from '../src/model/formats/onnx-export.ts'
import { scoreVoxels } from '../src/model/segmentation.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { buildOnnx, floats } from './support/onnx-build.ts'

const test = suite('segmentation')
test.after(closeTestGpu)

const SIZE = [4, 5, 6] as const
const VOXELS = 120

function segmenter(last: 'logits' | 'softmax'): Network {
  const layers = [
    { name: 'down', type: 'conv3d', channels: 3, kernel: 3, padding: 1 },
    { name: 'relu', type: 'relu' },
    { name: 'joined', type: 'concat', inputs: ['input', 'relu'] },
    { name: 'head', type: 'conv3d', channels: 3, kernel: 1 },
    ...(last === 'softmax' ? [{ name: 'classes', type: 'softmax' }] : []),
  ]
  const json = {
    format: 'voxplain-network',
    version: 1,
    name: 'unet',
    input: [1, ...SIZE],
    layers,
    output: 'segmentation',
  }
  return initialise(validateDescription(json), 3)
}

async function run(
  network: Network,
  pick: (built: BuiltNetwork) => Record<string, Tensor>,
): Promise<Record<string, Float32Array>> {
  const gpu = await testGpu()
  const built = buildNetwork(network)
  const tensors = pick(built)
  const program = await compile(gpu, tensors, { frozen: true })
  program.write(built.input, values(VOXELS, 7))
  program.run()
  const found: Record<string, Float32Array> = {}
  for (const [name, tensor] of Object.entries(tensors)) found[name] = await program.read(tensor)
  program.destroy()
  release(gpu, [...built.parameters.values()])
  return found
}

const outputs = ({ logits, probabilities, voxels }: BuiltNetwork) => ({ logits, probabilities, voxels: voxels! })

/** What the network says of each voxel, and the means of it. */
function summary(voxels: Float32Array, weights: (v: number) => number) {
  const classes = [0, 1, 2]
  const at = (c: number, v: number) => voxels[c * VOXELS + v]!
  const share = (c: number, v: number) => Math.exp(at(c, v)) / classes.reduce((sum, k) => sum + Math.exp(at(k, v)), 0)
  const over = (f: (c: number, v: number) => number) =>
    classes.map((c) => Array.from({ length: VOXELS }, (_, v) => f(c, v)).reduce((a, b) => a + b, 0))
  return { score: over((c, v) => weights(v) * at(c, v)), probabilities: over((c, v) => share(c, v) / VOXELS) }
}

test('the score of a class is the mean of its logit, its probability the mean of its voxels', async () => {
  const plain = await run(segmenter('logits'), outputs)
  const { score, probabilities } = summary(plain.voxels!, () => 1 / VOXELS)
  assertClose(plain.logits!, score, 'logits')
  assertClose(plain.probabilities!, probabilities, 'probabilities')
  const soft = await run(segmenter('softmax'), outputs)
  for (const name of ['logits', 'probabilities', 'voxels']) assertClose(soft[name]!, plain[name]!, name)
})

test('chosen voxels make a classifier, and its gradient is theirs', async () => {
  const weights = Float32Array.from({ length: VOXELS }, (_, v) => (v === 17 || v === 61 ? 1 : 0))
  for (const last of ['logits', 'softmax'] as const) {
    const network = segmenter(last)
    const { voxels } = await run(network, outputs)
    const scored = scoreVoxels(network, weights)
    assert.is(scored.description.output, 'logits')
    assert.is(classCount(scored.description), 3)
    const { logits, dx } = await run(scored, (built) => {
      const score = slice(built.logits, [0, 1], [1, 1])
      return { logits: built.logits, dx: backward(score, [built.input])[0]! }
    })
    assertClose(logits!, summary(voxels!, (v) => weights[v]!).score, 'score')
    // Nothing outside of the two voxels' neighbourhoods matters to them.
    const near = (v: number, w: number) => {
      const place = (p: number) => [Math.floor(p / 30), Math.floor(p / 6) % 5, p % 6]
      return place(v).every((p, k) => Math.abs(p - place(w)[k]!) <= 1)
    }
    dx!.forEach((d, v) => {
      if (!near(v, 17) && !near(v, 61)) assert.is(d, 0)
    })
    assert.ok(dx![17] !== 0 && dx![61] !== 0)
  }
})

test('segmentations survive our own format and ONNX', async () => {
  for (const last of ['logits', 'softmax'] as const) {
    const network = segmenter(last)
    assert.equal(loadNetwork(saveNetwork(network)), network)
    const again = importOnnx(exportOnnx(network))
    assert.is(again.description.output, 'segmentation')
    assertClose((await run(again, outputs)).voxels!, (await run(network, outputs)).voxels!, last, { relative: 1e-6 })
  }
})

const head = (channels: number, op: string, more = {}) =>
  buildOnnx({
    input: [1, 1, ...SIZE],
    nodes: [
      { op: 'Conv', in: ['x', 'w'], out: 'z' },
      { op, in: ['z'], out: 'y', ...more },
    ],
    tensors: { w: floats([channels, 1, 1, 1, 1], [0.5, -2, 1].slice(0, channels)) },
  })

test('from ONNX: one sigmoid or logit a voxel is two classes, an ArgMax is left out', async () => {
  const sigmoid = importOnnx(head(1, 'Sigmoid'))
  const { voxels } = await run(sigmoid, outputs)
  assertClose(voxels!, [...new Float32Array(VOXELS), ...values(VOXELS, 7).map((v) => v / 2)], 'two classes')
  assert.throws(() => importOnnx(head(1, 'Neg')), /one number a voxel without a sigmoid.*"binary"/)
  assert.is(classCount(importOnnx(head(1, 'Neg'), { binary: true }).description), 2)
  const chosen = importOnnx(head(3, 'ArgMax', { with: { axis: 1 } })).description
  assert.equal([chosen.output, chosen.layers.at(-1)!.type], ['segmentation', 'conv3d'])
  assert.throws(() => importOnnx(head(3, 'ArgMax', { with: { axis: 2 } })), /ArgMax is along axis 2/)
})

test('what is no segmentation is refused', () => {
  const { description } = segmenter('logits')
  const refused = (f: () => unknown, message: RegExp) =>
    assert.throws(f, (e: Error) => e instanceof InputError && message.test(e.message))
  refused(() => validateDescription({ ...description, output: 'logits' }), /gives \[3, 4, 5, 6\]; one number for each/)
  const flat = [...description.layers, { name: 'end', type: 'globalAvgPool' }]
  refused(() => validateDescription({ ...description, layers: flat }), /gives \[3\]; a segmentation needs a volume/)
  refused(
    () => scoreVoxels(segmenter('logits'), new Float32Array(7)),
    /7 weights are given; the network has 120 voxels/,
  )
  const classifier = { ...description, layers: flat, output: 'logits' }
  refused(
    () => scoreVoxels(initialise(validateDescription(classifier), 1), new Float32Array(120)),
    /one number a class already/,
  )
})

test.run()
