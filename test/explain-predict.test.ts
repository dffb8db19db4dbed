/** Predictions: what they are, that calls may overlap, and what is refused. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { GpuError } from '../src/engine/errors.ts'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { classify, makePredictor } from '../src/explain/predict.ts'
import { InputError } from '../src/io/errors.ts'
import type { Volume } from '../src/io/volume.ts'
import { architectures, initialise } from '../src/model/architectures.ts'
import { type Network, validateDescription } from '../src/model/description.ts'
import { applyRecipe } from '../src/model/recipe/recipe.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('predict')
test.after(closeTestGpu)

const SIZE = [9, 11, 10] as const
const network = initialise(architectures.smallCnn({ inputShape: [1, ...SIZE] }), 3)

function scan(seed: number, shape: readonly [number, number, number] = SIZE): Volume {
  const data = values(shape[0] * shape[1] * shape[2], seed)
  return { shape, data, affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] }
}

async function rejects(promise: Promise<unknown>, kind: typeof InputError | typeof GpuError, text: RegExp) {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  assert.instance(error, kind)
  assert.match(error!.message, text)
}

test('probabilities are the softmax of the logits; a trailing softmax changes neither', async () => {
  const gpu = await testGpu()
  const { description, weights } = network
  const softmax = { name: 'softmax', type: 'softmax' }
  const layers = [...description.layers, softmax]
  const ending: Network = {
    description: validateDescription({ ...description, layers, output: 'probabilities' }),
    weights,
  }
  const [plain, ended] = [await makePredictor(gpu, network), await makePredictor(gpu, ending)]
  const a = await plain.predict(scan(1))
  const exp = a.logits.map(Math.exp)
  const sum = exp.reduce((x, y) => x + y, 0)
  const expected = exp.map((value) => value / sum)
  assertClose(Float32Array.from(a.probabilities), expected, 'softmax', { relative: 1e-5, absolute: 0 })
  const b = await ended.predict(scan(1))
  assert.equal([b.logits, b.probabilities], [a.logits, a.probabilities])
  const { recipe, input } = description
  const [direct] = await classify(gpu, network, [applyRecipe(recipe, scan(1), input).tensor])
  assert.equal(direct!.logits, a.logits)
  plain.destroy()
  ended.destroy()
})

test('calls that overlap take turns and give what they give alone; a failing one harms no other', async () => {
  const predictor = await makePredictor(await testGpu(), network)
  const alone = []
  for (const seed of [1, 2, 3]) alone.push((await predictor.predict(scan(seed))).logits)
  const wrong = predictor.predict(scan(9, [9, 9, 9]))
  const together = Promise.all([1, 2, 3].map((seed) => predictor.predict(scan(seed))))
  await rejects(wrong, InputError, /9 x 9 x 9/)
  assert.equal(
    (await together).map(({ logits }) => logits),
    alone,
  )
  assert.not.equal(alone[0], alone[1])
  predictor.destroy()
})

test('a predictor allocates nothing after its first scan, and frees what it made', async () => {
  const gpu = await testGpu()
  ;(await makePredictor(gpu, network)).destroy()
  const before = gpu.counters.bytes
  const predictor = await makePredictor(gpu, network)
  await predictor.predict(scan(1))
  const { buffers } = gpu.counters
  await predictor.predict(scan(2))
  assert.is(gpu.counters.buffers, buffers)
  predictor.destroy()
  assert.is(gpu.counters.bytes, before)
})

test('too little memory is refused with the numbers, a lost device is told', async () => {
  const gpu = await openGpu()
  await rejects(makePredictor(gpu, network, { memoryLimit: 20000 }), GpuError, /needs .*kB.* 20\.0 kB allowed/)
  const predictor = await makePredictor(gpu, network)
  closeGpu(gpu)
  await rejects(predictor.predict(scan(1)), GpuError, /lost/)
})

test.run()
