import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { advance, dropoutSeed } from '../src/engine/ops/dropout.ts'
import { affine } from '../src/engine/ops/elementwise.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { constant, input } from '../src/engine/tensor.ts'
import { InputError } from '../src/io/errors.ts'
import { initialise, posterCnn } from '../src/model/architectures.ts'
import { buildNetwork, networkFromParameters, networkParameters } from '../src/model/build.ts'
import { layerShapes, validateDescription } from '../src/model/description.ts'
import { layerTypes } from '../src/model/layer-rules.ts'
import { trainingLayers } from '../src/model/training/training-layers.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('networks on the graph')
test.after(closeTestGpu)

const SHAPE = [1, 9, 8, 10]
const SIZE = 720
const make = (seed: number) =>
  initialise(posterCnn({ inputShape: SHAPE, channels: [3, 5], hidden: [4], dropout: 0.5 }), seed)

/** A description in which each layer type occurs, with uneven options. */
function everyLayer(inputShape: number[]) {
  const layers = [
    { type: 'pad', front: [0, 1, 0], back: [1, 0, 2], value: 0.5 },
    {
      type: 'conv3d',
      channels: 6,
      kernel: [3, 2, 3],
      stride: [2, 1, 1],
      padding: { front: 1, back: [0, 1, 2] },
      groups: 2,
    },
    { type: 'instanceNorm' },
    { type: 'leakyRelu', slope: 0.2 },
    { type: 'maxPool3d', kernel: 3, stride: 2, padding: 1, ceilMode: true },
    {
      type: 'convTranspose3d',
      channels: 4,
      kernel: [2, 3, 2],
      stride: 2,
      padding: { front: 0, back: 1 },
      outputPadding: [0, 1, 0],
    },
    { type: 'batchNorm' },
    { type: 'prelu', parameters: 4 },
    { type: 'avgPool3d', kernel: 2, stride: 1, ceilMode: true, countIncludePad: false },
    { type: 'gaussianBlur', sigma: 0.7 },
    { type: 'resample3d', size: [5, 6, 7], mode: 'trilinear' },
    { type: 'crop', front: [1, 0, 2], back: [0, 1, 1] },
    { type: 'elu' },
    { type: 'transpose', axes: [0, 1, 4, 2, 3] },
    { type: 'scale', factor: 2, offset: 1 },
    { type: 'clamp', low: -1, high: 3 },
    { type: 'relu', name: 'volume' },
    { type: 'tanh' },
    { type: 'sigmoid' },
    { type: 'add', inputs: ['volume', 'sigmoid'] },
    { type: 'multiply', inputs: ['volume', 'add', 'tanh'] },
    { type: 'gather', axis: 3, indices: [1, 0, 0, 2] },
    { type: 'groupNorm', groups: 2 },
    { type: 'layerNorm', axes: 1 },
    { type: 'softplus' },
    { type: 'log' },
    { type: 'abs' },
    { type: 'sqrt' },
    { type: 'exp' },
    { type: 'constant', shape: [1, 1, 1, 1] },
    { type: 'divide', inputs: ['exp', 'constant'] },
    { type: 'step', inputs: ['layerNorm'] },
    { type: 'add', name: 'stepped', inputs: ['divide', 'step'] },
    { type: 'globalMaxPool' },
    { type: 'globalAvgPool', inputs: ['volume'] },
    { type: 'flatten', inputs: ['volume'] },
    { type: 'dropout', rate: 0.5 },
    { type: 'concat', inputs: ['globalMaxPool', 'globalAvgPool', 'dropout'] },
    { type: 'dense', units: 12 },
    { type: 'reshape', shape: [3, 4, 1, 1] },
    { type: 'logSoftmax' },
    { type: 'flatten', name: 'end' },
    { type: 'softmax' },
  ]
  return validateDescription({
    format: 'voxplain-network',
    version: 1,
    name: 'every layer',
    input: inputShape,
    layers: layers.map((l) => ({ name: l.type, ...l })),
    output: 'probabilities',
  })
}

test('a batch gives what its scans give one by one, and a computed input works', async () => {
  const gpu = await testGpu()
  const network = make(1)
  const scans = values(2 * SIZE, 5)
  const pair = buildNetwork(network, { batch: 2 })
  assert.equal(
    [pair.input.shape, pair.logits.shape],
    [
      [2, ...SHAPE],
      [2, 2],
    ],
  )
  const both = await compile(gpu, { p: pair.probabilities, l: pair.logits })
  both.write(pair.input, scans)
  both.run()
  const together = await both.read(pair.probabilities)
  // The single network sees 2 (x / 2): an input that is itself computed.
  const half = input([1, ...SHAPE])
  const single = buildNetwork(network, { input: affine(half, 2) })
  const one = await compile(gpu, { p: single.probabilities }, { frozen: true })
  for (const k of [0, 1]) {
    one.write(
      half,
      scans.slice(k * SIZE, (k + 1) * SIZE).map((v) => v / 2),
    )
    one.run()
    assertClose(await one.read(single.probabilities), together.slice(2 * k, 2 * k + 2), `scan ${k}`)
  }
  const logits = await both.read(pair.logits)
  const [a, b] = [Math.exp(logits[0]!), Math.exp(logits[1]!)]
  assertClose(together.slice(0, 2), [a / (a + b), b / (a + b)], 'softmax of the logits')
  for (const program of [both, one]) program.destroy()
  release(gpu, [...networkParameters(network).values()])
})

test('training and evaluation share parameters; running statistics move to the batch', async () => {
  const gpu = await testGpu()
  const network = make(2)
  const seed = dropoutSeed(11)
  const training = buildNetwork(network, { batch: 3, training: trainingLayers(seed) })
  const evaluation = buildNetwork(network)
  assert.is(training.parameters, evaluation.parameters)
  assert.is(training.effects.length, 2)
  assert.is(evaluation.effects.length, 0)
  assert.is(training.trainable.size, training.parameters.size - 4)
  const weights = [...training.trainable.values()]
  const gradients = backward(sum(training.logits), weights)
  const outputs = Object.fromEntries([training.logits, ...gradients].map((t, k) => [String(k), t]))
  const program = await compile(gpu, outputs, { effects: [...training.effects, advance(seed)] })
  const scans = values(3 * SIZE, 6)
  program.write(training.input, scans)
  const mean = training.parameters.get('norm1.running_mean')!
  program.run()
  const first = await program.read(training.logits)
  const moved = await program.read(mean)
  program.run()
  assert.not.equal(await program.read(training.logits), first, 'dropout draws new numbers')
  const further = await program.read(mean)
  moved.forEach((m, k) => {
    // running = 0.9 running + 0.1 batch, from zero: 0.1 b, then 0.19 b.
    assert.ok(Math.abs(further[k]! - 1.9 * m) < 1e-6 && m !== 0)
  })
  for (const g of gradients) assert.ok((await program.read(g)).every(Number.isFinite))
  const check = await compile(gpu, { p: evaluation.probabilities })
  check.write(evaluation.input, scans.slice(0, SIZE))
  check.run()
  const seen = await check.read(evaluation.probabilities)
  const saved = await networkFromParameters(network, (t) => check.read(t))
  assert.equal(saved.weights.get('norm1.running_mean')!.data, further)
  const rebuilt = buildNetwork(saved)
  assert.is.not(rebuilt.parameters, training.parameters)
  const fresh = await compile(gpu, { p: rebuilt.probabilities })
  fresh.write(rebuilt.input, scans.slice(0, SIZE))
  fresh.run()
  assert.equal(await fresh.read(rebuilt.probabilities), seen)
  for (const p of [program, check, fresh]) p.destroy()
  release(gpu, [seed, ...training.parameters.values(), ...rebuilt.parameters.values()])
})

test('every layer type builds with the shape that the description predicts', () => {
  const used = new Set<string>()
  fc.assert(
    fc.property(fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 6, max: 11 }))), ([d, h, w]) => {
      const network = initialise(everyLayer([2, d!, h!, w!]), 1)
      const { layers } = buildNetwork(network, { batch: 3 })
      const training = buildNetwork(network, { batch: 3, training: trainingLayers(dropoutSeed(1)) })
      for (const { layer, shape } of layerShapes(network.description)) {
        used.add(layer.type)
        assert.equal(layers.get(layer.name)!.shape, [3, ...shape], layer.name)
        assert.equal(training.layers.get(layer.name)!.shape, [3, ...shape], layer.name)
      }
    }),
    { seed: 6, numRuns: 10 },
  )
  assert.equal([...used].sort(), layerTypes)
})

test('an input that does not fit is refused', () => {
  const wrong = constant([1, 1, 9, 8, 11], new Float32Array(792))
  assert.throws(
    () => buildNetwork(make(1), { input: wrong }),
    (error: Error) =>
      error instanceof InputError && /takes \[N, 1, 9, 8, 10\], got \[1, 1, 9, 8, 11\]/.test(error.message),
  )
})

test.run()
