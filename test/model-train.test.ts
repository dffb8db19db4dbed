/** Metrics against values worked out by hand; training on tiny volumes that a network can and cannot tell apart. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { initialise } from '../src/model/architectures.ts'
import { validateDescription } from '../src/model/description.ts'
import {
  accuracy,
  areaUnderRoc,
  balancedAccuracy,
  confusionMatrix,
  crossEntropyOf,
  softmaxOf,
} from '../src/model/evaluation/metrics.ts'
import { inMemory, type Samples, type TrainOptions, train } from '../src/model/training/train.ts'
import { balancedClassWeights, balancedDraw, batches, shuffled } from '../src/model/training/train-data.ts'
import { makeEvaluator } from '../src/model/training/train-evaluate.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'
import { toyNetwork, toySamples, VOXELS } from './support/training.ts'

const metrics = suite('metrics')

metrics('confusion matrix, accuracy and balanced accuracy', () => {
  const matrix = confusionMatrix([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], 2)
  assert.equal(matrix, [
    [3, 1],
    [1, 1],
  ])
  assert.is(accuracy(matrix), 4 / 6)
  assert.is(balancedAccuracy(matrix), (3 / 4 + 1 / 2) / 2)
  // The third class has no samples and does not count.
  assert.is(balancedAccuracy(confusionMatrix([0, 1], [0, 2], 3)), 0.5)
  const isInputError = (error: unknown) => error instanceof InputError
  assert.throws(() => confusionMatrix([0, 2], [0, 0], 2), isInputError)
  assert.throws(() => confusionMatrix([0], [0, 0], 2), isInputError)
})

metrics('area under the ROC curve, ties counting half', () => {
  // Pairs (positive, negative): 0.8 > 0.1, 0.8 > 0.4, 0.35 > 0.1, 0.35 < 0.4.
  assert.is(areaUnderRoc([false, false, true, true], [0.1, 0.4, 0.35, 0.8]), 0.75)
  // 2 > 1, 2 = 2, 1 = 1, 1 < 2: (1 + 0.5 + 0.5 + 0) / 4.
  assert.is(areaUnderRoc([true, true, false, false], [2, 1, 1, 2]), 0.5)
  assert.is(areaUnderRoc([true, false], [-1, 3]), 0)
  assert.ok(Number.isNaN(areaUnderRoc([true, true], [1, 2])))
})

metrics('cross-entropy with class weights', () => {
  const ln = Math.log
  // softmax([ln 3, 0]) is [3/4, 1/4].
  const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`)
  close(softmaxOf([ln(3), 0])[0]!, 0.75)
  close(crossEntropyOf([[ln(3), 0]], [1]), ln(4))
  const rows = [
    [ln(3), 0],
    [1000, 1000],
  ]
  close(crossEntropyOf(rows, [0, 1], [1, 3]), (ln(4 / 3) + 3 * ln(2)) / 4)
})

metrics.run()

const data = suite('training data')

data('the order is a permutation that depends on seed and epoch', () => {
  const order = shuffled(50, 7, 3)
  assert.equal(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, k) => k),
  )
  assert.equal(shuffled(50, 7, 3), order)
  assert.not.equal(shuffled(50, 7, 4), order)
  assert.not.equal(shuffled(50, 8, 3), order)
})

data('the last batch is filled up from the start of the order, dropped or smaller', () => {
  assert.equal(batches([4, 2, 0, 3, 1], 2), [
    [4, 2],
    [0, 3],
    [1, 4],
  ])
  assert.equal(batches([4, 2, 0, 3, 1], 2, 'drop'), [
    [4, 2],
    [0, 3],
  ])
  assert.equal(batches([4, 2, 0, 3, 1], 2, 'small'), [[4, 2], [0, 3], [1]])
  for (const last of ['fill', 'drop', 'small'] as const) assert.equal(batches([1, 0], 2, last), [[1, 0]])
  assert.equal(batches([1, 0], 5, 'drop'), [[1, 0]])
})

data('a balanced draw has every class as often, with replacement', () => {
  const labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
  const drawn = Array.from({ length: 200 }, (_, epoch) => balancedDraw(labels, 5, epoch)).flat()
  assert.is(drawn.length, 2000)
  const rare = drawn.filter((n) => n === 9).length
  // Half of 2000 draws, standard deviation 22.
  assert.ok(Math.abs(rare - 1000) < 90, `${rare} of 2000`)
  for (let n = 0; n < 9; n++) {
    const share = drawn.filter((own) => own === n).length
    assert.ok(Math.abs(share - 111) < 45, `scan ${n}: ${share}`)
  }
  assert.equal(balancedDraw(labels, 5, 3), balancedDraw(labels, 5, 3))
  assert.not.equal(balancedDraw(labels, 5, 3), balancedDraw(labels, 6, 3))
})

data('balanced class weights', () => {
  assert.equal(balancedClassWeights([0, 0, 0, 1], 2), [4 / 6, 2])
  assert.equal(balancedClassWeights([0, 0], 2), [0.5, 0])
})

data.run()

const tensorsOf = async ({ count, load }: Samples): Promise<Float32Array[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => load(n)))

const OPTIONS: TrainOptions = { epochs: 6, batch: 4, learningRate: 1e-2, seed: 3 }

const training = suite('training')
training.after(closeTestGpu)

training('loss falls, and a class that differs is learned; the network given is not changed', async () => {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  const start = toyNetwork()
  const copy = [...start.weights].map(([name, { data }]) => [name, [...data]])
  const seen: number[] = []
  const result = await train(gpu, start, toySamples(14, 10), {
    ...OPTIONS,
    validation: toySamples(9, 500),
    onEpoch: ({ epoch }) => seen.push(epoch),
  })
  const { history, best } = result
  assert.equal(seen, [1, 2, 3, 4, 5, 6])
  assert.ok(history.at(-1)!.loss < 0.5 * history[0]!.loss, `loss ${history.map((h) => h.loss).join(', ')}`)
  assert.is(best.balancedAccuracy, 1)
  assert.is(best.auc, 1)
  assert.equal(
    [...start.weights].map(([name, { data }]) => [name, [...data]]),
    copy,
  )
  assert.is(best.validationLoss, Math.min(...history.map((h) => h.validationLoss!)))
  assert.is(gpu.counters.bytes, before, 'GPU memory is left over')
})

training('the best network is the one of the best epoch', async () => {
  const gpu = await testGpu()
  const validation = toySamples(8, 500, 0.3)
  const { network: kept, best } = await train(gpu, toyNetwork(), toySamples(8, 10, 0.3), { ...OPTIONS, validation })
  const evaluator = await makeEvaluator(gpu, kept, validation, { batch: 3 })
  const { loss, auc, probabilities } = await evaluator.evaluate()
  evaluator.destroy()
  assert.ok(Math.abs(loss - best.validationLoss!) < 1e-5, `${loss} is not ${best.validationLoss}`)
  assert.is(auc, best.auc)
  assert.is(probabilities.length, 8)
})

training('two runs give the same bits; another seed others', async () => {
  const gpu = await testGpu()
  const run = async (seed: number) => {
    const options = { ...OPTIONS, epochs: 2, seed, validation: toySamples(3, 500) }
    const { network: trained, history } = await train(gpu, toyNetwork(), toySamples(7, 10), options)
    const bits = [...trained.weights].map(([name, { data }]) => [name, [...new Uint32Array(data.slice().buffer)]])
    return { bits, losses: history.map(({ loss, validationLoss }) => [loss, validationLoss]) }
  }
  const first = await run(3)
  assert.equal(await run(3), first)
  assert.not.equal((await run(4)).bits, first.bits)
})

training('running statistics move a tenth of the way to those of the scans', async () => {
  const gpu = await testGpu()
  const layers = [
    { name: 'norm', type: 'batchNorm', momentum: 0.1 },
    { name: 'flatten', type: 'flatten' },
    { name: 'output', type: 'dense', units: 2 },
  ]
  const description = validateDescription({ ...toyNetwork().description, layers })
  const samples = toySamples(4, 10)
  const all = (await tensorsOf(samples)).flatMap((tensor) => [...tensor])
  const mean = all.reduce((a, b) => a + b, 0) / all.length
  const variance = all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (all.length - 1)
  const { network: trained } = await train(gpu, initialise(description, 1), samples, { ...OPTIONS, epochs: 1 })
  assertClose(trained.weights.get('norm.running_mean')!.data, [0.1 * mean], 'mean')
  assertClose(trained.weights.get('norm.running_var')!.data, [0.9 + 0.1 * variance], 'variance')
})

training('stops after `patience` epochs that were no better', async () => {
  const gpu = await testGpu()
  const constantData = toySamples(4, 10, 0)
  const { history, best } = await train(gpu, toyNetwork({ dropout: 0 }), constantData, {
    ...OPTIONS,
    epochs: 30,
    learningRate: 0.05,
    patience: 2,
    validation: { ...constantData, labels: constantData.labels.map((label) => 1 - label) },
  })
  assert.is(history.length, best.epoch + 2)
})

training('what does not fit is refused', async () => {
  const gpu = await testGpu()
  const refused = async (samples: Samples, options: Partial<TrainOptions>, pattern: RegExp) => {
    try {
      await train(gpu, toyNetwork(), samples, { ...OPTIONS, ...options })
    } catch (error) {
      assert.instance(error, InputError)
      return assert.match((error as Error).message, pattern)
    }
    assert.unreachable(`no error for ${pattern}`)
  }
  await refused(inMemory([], []), {}, /at least one/)
  await refused(inMemory([new Float32Array(VOXELS)], [2]), {}, /label 2.*0 to 1/)
  await refused(inMemory([new Float32Array(7)], [0]), {}, /scan 0 has 7 values.*480/)
  await refused({ ...toySamples(2, 1), names: ['only one'] }, {}, /1 names/)
  await refused(toySamples(2, 1), { epochs: 0 }, /epochs is 0/)
  await refused(toySamples(2, 1), { epochs: Number.POSITIVE_INFINITY }, /epochs/)
  await refused(toySamples(2, 1), { batch: 1.5 }, /batch is 1.5/)
  await refused(toySamples(2, 1), { learningRate: Number.NaN }, /learningRate/)
  await refused(toySamples(2, 1), { classWeights: [1] }, /need 2 numbers/)
  await refused(toySamples(2, 1), { optimizer: { kind: 'sgd', nesterov: true } }, /nesterov needs momentum/)
  await refused(toySamples(2, 1), { optimizer: { kind: 'adam', beta1: 1 } }, /beta1 is 1/)
  await refused(toySamples(2, 1), { schedule: { kind: 'step', epochs: 0 } }, /schedule is/)
  await refused(toySamples(2, 1), { accumulate: 0 }, /accumulate is 0/)
  await refused(toySamples(2, 1), { last: 'all' as 'drop' }, /last is "all".*fill, drop, small/)
  await refused(toySamples(2, 1), { metric: 'auc' }, /needs scans for validation/)
  await refused(
    toySamples(2, 1),
    { metric: 'auc', validation: toySamples(1, 3) },
    /scans of the last class and of others/,
  )
  await refused(
    toySamples(2, 1),
    { validation: inMemory([new Float32Array(1)], [3]) },
    /validation: scan 0 has label 3/,
  )
})

training('a segmentation is refused by its name: there are no labels of voxels', async () => {
  const { description } = toyNetwork()
  const layers = [{ name: 'head', type: 'conv3d', channels: 2, kernel: 1 }]
  const json = { ...description, name: 'tissues', layers, output: 'segmentation' }
  const network = initialise(validateDescription(json), 1)
  let text = ''
  await train(await testGpu(), network, toySamples(2, 1), OPTIONS).catch((error) => {
    assert.instance(error, InputError)
    text = (error as Error).message
  })
  assert.match(text, /"tissues" is a segmentation, which cannot be trained/)
})

training.run()
