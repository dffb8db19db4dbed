/** 30 steps of every optimizer, and of accumulated gradients, against PyTorch (test/reference/torch_training.py). */
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { type Gpu, release } from '../src/engine/gpu.ts'
import { buildNetwork } from '../src/model/build.ts'
import { type Network, validateDescription, weightShapes } from '../src/model/description.ts'
import { product } from '../src/model/layer-rules.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { inMemory, type Samples, type StepOptions } from '../src/model/training/train.ts'
import { shuffled } from '../src/model/training/train-data.ts'
import { checkOptions } from '../src/model/training/train-options.ts'
import { makeTrainer, weightsOf } from '../src/model/training/train-run.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'

interface Case {
  losses: number[]
  weights: Record<string, string>
  logits: string
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/model/torch-training.json', import.meta.url), 'utf8')) as {
  cases: Record<string, Case>
}

const SHAPE = [1, 8, 6, 10]
const BATCH = 4
const STEPS = 30
const SCANS = 12

function decode(text: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer)
}

function network(): Network {
  const pool = { type: 'maxPool3d', kernel: 2, stride: 2 }
  const description = validateDescription({
    format: 'voxplain-network',
    version: 1,
    name: 'torch',
    input: SHAPE,
    layers: [
      { name: 'conv1', type: 'conv3d', channels: 3, kernel: 3, padding: 1, bias: false },
      { name: 'norm1', type: 'batchNorm' },
      { name: 'relu1', type: 'leakyRelu', slope: 0.01 },
      { name: 'pool1', ...pool },
      { name: 'conv2', type: 'conv3d', channels: 4, kernel: 3, padding: 1 },
      { name: 'relu2', type: 'leakyRelu', slope: 0.01 },
      { name: 'norm2', type: 'batchNorm' },
      { name: 'pool2', ...pool },
      { name: 'flatten', type: 'flatten' },
      { name: 'output', type: 'dense', units: 2 },
    ],
    output: 'logits',
    recipe: plainRecipe(2),
  })
  let count = 0
  const weights = [...weightShapes(description)].map(([name, shape]) => {
    const size = product(shape)
    const still = /running_(mean|var)$/.exec(name)
    if (still) return [name, { shape, data: new Float32Array(size).fill(still[1] === 'var' ? 1 : 0) }] as const
    const norm = name.startsWith('norm')
    const offset = norm && name.endsWith('weight') ? 1 : 0
    const data = values(size, 1000 + count++).map((v) => v * Math.fround(norm ? 0.1 : 0.4) + offset)
    return [name, { shape, data }] as const
  })
  return { description, weights: new Map(weights) }
}

function data(): Samples {
  const labels = Array.from({ length: SCANS }, (_, n) => n % 2)
  const scans = labels.map((label, n) =>
    values(product(SHAPE), 10 + n).map((v, k) => 0.5 * v + (k % 10 < 4 ? 0.3 * label : 0)),
  )
  return inMemory(scans, labels)
}

/** Of the largest of the expected values. */
function difference(found: ArrayLike<number>, expected: Float32Array): number {
  let largest = 0
  let most = 0
  expected.forEach((value, k) => {
    largest = Math.max(largest, Math.abs(value))
    most = Math.max(most, Math.abs(found[k]! - value))
  })
  return most / largest
}

/** Of all scans, in evaluation mode. */
async function logitsOf(gpu: Gpu, own: Network, samples: Samples): Promise<Float32Array> {
  const { input, logits, parameters } = buildNetwork(own, { batch: SCANS })
  const program = await compile(gpu, { logits })
  const scans = await Promise.all(samples.labels.map((_, n) => samples.load(n)))
  program.write(input, Float32Array.from(scans.flatMap((scan) => [...scan])))
  program.run()
  const found = await program.read(logits)
  program.destroy()
  release(gpu, parameters.values())
  return found
}

const OPTIONS: Record<string, StepOptions & { learningRate: number; weightDecay: number }> = {
  adam: { optimizer: 'adam', learningRate: 1e-2, weightDecay: 1e-2 },
  amsgrad: { optimizer: { kind: 'adam', amsgrad: true }, learningRate: 1e-2, weightDecay: 1e-2 },
  adamw: { optimizer: 'adamw', learningRate: 1e-2, weightDecay: 0.1 },
  sgd: { optimizer: { kind: 'sgd', momentum: 0.9 }, learningRate: 2e-2, weightDecay: 1e-2 },
  nesterov: { optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true }, learningRate: 1e-2, weightDecay: 0 },
  dampening: { optimizer: { kind: 'sgd', momentum: 0.8, dampening: 0.3 }, learningRate: 5e-2, weightDecay: 0 },
  accumulate: { optimizer: 'adam', learningRate: 1e-2, weightDecay: 1e-2, accumulate: 3 },
}

const test = suite('training as in PyTorch')
test.after(closeTestGpu)

for (const [name, expected] of Object.entries(fixture.cases)) {
  test(name, async () => {
    const gpu = await testGpu()
    const own = network()
    const { accumulate = 1 } = OPTIONS[name]!
    const samples = data()
    // One long epoch in which the place of a scan in the shuffled order says which of the twelve it is.
    const count = STEPS * accumulate * BATCH
    const classWeights = [0.8, 1.5]
    const options = { epochs: 1, batch: BATCH, classWeights, ...OPTIONS[name] }
    const place = new Array<number>(count)
    shuffled(count, 1, 1).forEach((n, k) => {
      place[n] = k % SCANS
    })
    const long: Samples = { count, labels: place.map((k) => samples.labels[k]!), load: (n) => samples.load(place[n]!) }
    const settings = checkOptions(own, long, options)
    const trainer = await makeTrainer(gpu, own, long, settings, undefined)
    assert.is(trainer.steps, STEPS)
    for (let step = 0; step < STEPS; step++) await trainer.step(1, step)
    const losses = await trainer.losses(1, STEPS)
    const worst = Math.max(...expected.losses.map((loss, k) => Math.abs(losses[k]! - loss) / loss))
    const trained = weightsOf(await trainer.capture())
    const weights = Object.entries(expected.weights).map(([key, text]) => {
      return [key, difference(trained.get(key)!.data, decode(text))] as const
    })
    const heaviest = weights.reduce((a, b) => (b[1] > a[1] ? b : a))
    trainer.destroy()
    const theirs = new Map(
      [...trained].map(([key, { shape }]) => [key, { shape, data: decode(expected.weights[key]!) }]),
    )
    const evaluated = difference(await logitsOf(gpu, { ...own, weights: theirs }, samples), decode(expected.logits))
    const both = difference(await logitsOf(gpu, { ...own, weights: trained }, samples), decode(expected.logits))
    assert.is(weights.length, trained.size)
    assert.ok(worst < 1e-4, `losses differ by ${worst}`)
    assert.ok(heaviest[1] < 1e-3, `${heaviest[0]} differs by ${heaviest[1]}`)
    assert.ok(evaluated < 1e-5, `logits of PyTorch's weights differ by ${evaluated}`)
    assert.ok(both < 1e-3, `logits of the weights trained here differ by ${both}`)
  })
}

test.run()
