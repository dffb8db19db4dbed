/** Random search: what is drawn, what is refused before it starts, what is kept, and going on after a break. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { layerShapes } from '../src/model/description.ts'
import {
  bestTrial,
  defaultSpace,
  drawTrial,
  readSpace,
  search,
  type TrialChoice,
  type TrialOutcome,
  trialNetwork,
} from '../src/model/search/search.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'
import { memoryStore, searchOptions, TINY_SPACE } from './support/search.ts'
import { toySamples } from './support/training.ts'

const test = suite('random search')
test.after(closeTestGpu)

const DATA = toySamples(12, 10)
const draws = (space = defaultSpace, seed = 1) => Array.from({ length: 400 }, (_, t) => drawTrial(space, seed, t))

test('draws follow their distributions, and depend on seed and trial alone', () => {
  const all = draws()
  assert.equal(all, draws())
  assert.is.not(JSON.stringify(all[0]), JSON.stringify(drawTrial(defaultSpace, 2, 0)))
  const counts = <T>(values: readonly T[]) => {
    const found = new Map<T, number>()
    for (const value of values) found.set(value, (found.get(value) ?? 0) + 1)
    return found
  }
  for (const [key, wanted] of [
    ['blocks', [3, 4, 5]],
    ['firstWidth', [4, 8, 16, 32]],
    ['norm', ['batch', 'instance', 'none']],
    ['reduction', ['pool', 'padded-pool', 'stride']],
    ['denseLayers', [1, 2, 3]],
  ] as const) {
    const found = counts<string | number>(all.map((choice) => choice[key]))
    assert.equal([...found.keys()].sort(), [...wanted].sort(), key)
    // Of 400, each within four standard deviations of an even share.
    const share = 400 / wanted.length
    for (const [value, count] of found) {
      assert.ok(Math.abs(count - share) < 4 * Math.sqrt(share), `${key} ${value}: ${count} of 400`)
    }
  }
  const exponents = all.map(({ learningRate }) => -Math.log10(learningRate))
  assert.ok(exponents.every((u) => u >= 3 - 1e-4 && u <= 5 + 1e-4))
  const mean = exponents.reduce((a, b) => a + b, 0) / 400
  assert.ok(Math.abs(mean - 4) < 0.12, `mean exponent ${mean}`)
  assert.ok(all.every(({ dropout }) => dropout >= 0 && dropout <= 0.9))
  assert.ok(all.every(({ convolutions, blocks }) => convolutions.length === blocks))
  assert.ok(
    all.some(({ convolutions }) => new Set(convolutions).size > 1),
    'blocks of one network never differ',
  )
})

test('what one field draws does not depend on the others', () => {
  const other = readSpace('{ "blocks": 4, "norm": "batch" }')
  const [own, its] = [draws(), draws(other)]
  assert.ok(its.every(({ blocks, norm }) => blocks === 4 && norm === 'batch'))
  own.forEach((choice, t) => {
    for (const key of ['firstWidth', 'dropout', 'learningRate', 'weightDecay', 'denseLayers'] as const) {
      assert.is(its[t]![key], choice[key])
    }
  })
})

test('the network of a trial: widths double up to the limit, dense layers narrow geometrically, LeakyReLU', () => {
  const choice: TrialChoice = {
    ...drawTrial(defaultSpace, 1, 0),
    ...{ blocks: 4, convolutions: [1, 2, 1, 1], firstWidth: 8, widthLimit: 32, denseLayers: 3, slope: 0.02 },
    ...{ reduction: 'padded-pool', norm: 'batch', dropout: 0.3 },
  }
  const shapes = layerShapes(trialNetwork(choice, { inputShape: [1, 33, 40, 32], classes: 3 }))
  const widths = shapes.filter(({ layer }) => layer.type === 'conv3d').map(({ shape }) => shape[0])
  assert.equal(widths, [8, 16, 16, 32, 32])
  const dense = shapes.filter(({ layer }) => layer.type === 'dense').map(({ shape }) => shape[0])
  // 32 x 3 x 3 x 2 = 576 values to 3 classes in three steps.
  assert.equal(dense, [Math.round(576 * (3 / 576) ** (1 / 3)), Math.round(576 * (3 / 576) ** (2 / 3)), 3])
  const slopes = shapes.flatMap(({ layer }) => (layer.type === 'leakyRelu' ? [layer.slope] : []))
  assert.equal([...new Set(slopes)], [0.02])
})

test('spaces that are none are refused by the field', () => {
  assert.equal(readSpace('{}'), defaultSpace)
  assert.equal(readSpace(JSON.stringify(defaultSpace)), defaultSpace)
  const refused = (json: string, pattern: RegExp) =>
    assert.throws(
      () => readSpace(json, 'space.json'),
      (error: unknown) => error instanceof InputError && pattern.test(error.message),
    )
  refused('{', /space.json is no search space: .*JSON/)
  refused('[]', /it must be an object/)
  refused('{ "depth": 3 }', /"depth" is none of blocks, firstWidth/)
  refused('{ "blocks": { "randint": [5, 3] } }', /blocks.randint goes from 5 to 3/)
  refused('{ "blocks": { "randint": [1.5, 3] } }', /blocks.randint needs whole numbers/)
  refused('{ "blocks": { "uniform": [1, 3] } }', /blocks counts something/)
  refused('{ "blocks": 0 }', /blocks must be/)
  refused('{ "norm": { "choice": ["batch", "layer"] } }', /norm.choice\[1\] must be "batch" or .*got "layer"/)
  refused('{ "norm": { "choice": [] } }', /norm.choice is empty/)
  refused('{ "norm": { "uniform": [0, 1] } }', /norm.uniform must be/)
  refused('{ "dropout": { "uniform": [0, 1] } }', /dropout.uniform must be a number from 0 to 0.99, got 1/)
  refused('{ "dropout": { "normal": [0, 1] } }', /dropout must be a value or an object with one of choice/)
  refused('{ "learningRate": { "exponent": [-3, 5] } }', /learningRate.exponent must be a number from 0 to 10/)
})

test('a search ends with the best of its trials, twice the same', async () => {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  const store = memoryStore()
  const told: number[] = []
  const result = await search(
    gpu,
    DATA,
    searchOptions(store, { metric: 'balancedAccuracy', onTrial: ({ trial }) => told.push(trial) }),
  )
  assert.is(gpu.counters.bytes, before, 'GPU memory is left over')
  assert.equal(told, [0, 1, 2, 3])
  assert.ok(result.outcomes.every(({ status, epochs }) => status === 'done' && epochs === 2))
  const scores = result.outcomes.map(({ best }) => best!.balancedAccuracy!)
  assert.is(result.best!.outcome.trial, scores.indexOf(Math.max(...scores)))
  assert.is(result.best!.network, store.networks.get(result.best!.outcome.trial))
  assert.is(new Set(result.outcomes.map(({ parameters }) => parameters)).size > 1, true, 'all networks are alike')
  const again = await search(gpu, DATA, searchOptions(memoryStore(), { metric: 'balancedAccuracy' }))
  assert.equal(again.outcomes, result.outcomes)
  // More trials change nothing in those before.
  const more = await search(gpu, DATA, searchOptions(store, { trials: 5, metric: 'balancedAccuracy' }))
  assert.equal(more.outcomes.slice(0, 4), result.outcomes)
  assert.is(store.bests.length, 4 + 5)
})

test('broken off in a trial and gone on with, the same end', async () => {
  const gpu = await testGpu()
  const whole = await search(gpu, DATA, searchOptions(memoryStore(), { trials: 3 }))
  const store = memoryStore()
  const stop = new AbortController()
  const training = { epochs: 2, signal: stop.signal }
  const onEpoch = (_: unknown, trial: number) => {
    if (trial === 1) stop.abort(new Error('stopped'))
  }
  await search(gpu, DATA, searchOptions(store, { trials: 3, training, onEpoch })).then(
    () => assert.unreachable('it was not stopped'),
    (error) => assert.is(error.message, 'stopped'),
  )
  assert.equal([...store.outcomes.keys()], [0])
  assert.ok(store.checkpoints.has(1), 'the trial left no checkpoint')
  const epochs: number[][] = []
  const count = ({ epoch }: { epoch: number }, trial: number) => void epochs.push([trial, epoch])
  const again = await search(gpu, DATA, searchOptions(store, { trials: 3, onEpoch: count }))
  assert.equal(
    epochs,
    [
      [1, 2],
      [2, 1],
      [2, 2],
    ],
    'an epoch was done again',
  )
  assert.equal(again.outcomes, whole.outcomes)
  assert.equal(again.best!.network.weights, whole.best!.network.weights)
})

test('networks that cannot be are logged and not started', async () => {
  const gpu = await testGpu()
  const only = async (json: object, more: Partial<Parameters<typeof search>[2]> = {}): Promise<TrialOutcome> => {
    const space = { ...TINY_SPACE, ...readSpace(JSON.stringify({ blocks: 2, firstWidth: 3, batch: 4, ...json })) }
    const onEpoch = () => assert.unreachable('it was started')
    const before = gpu.counters.bytes
    const result = await search(gpu, DATA, searchOptions(memoryStore(), { space, trials: 1, onEpoch, ...more }))
    assert.is(gpu.counters.bytes, before)
    assert.is(result.best, undefined)
    assert.is(result.outcomes[0]!.status, 'rejected')
    return result.outcomes[0]!
  }
  const memory = await only({}, { limits: { memory: 50e3 } })
  assert.match(memory.reason!, /training needs [\d.]+ .B.*more than the .* allowed/)
  assert.ok(memory.memory! > 50e3)
  const many = await only({ denseLayers: 2 }, { limits: { parameters: 100 } })
  assert.match(many.reason!, /^\d+ parameters, more than the 100 allowed$/)
  assert.match((await only({ blocks: 4, reduction: 'pool' })).reason!, /too small for 4 halvings/)
  // Its 416 million weights would not fit with their moments: refused before they are made.
  const huge = await only(
    { blocks: 1, firstWidth: 32, denseLayers: 2, reduction: 'pool', convolutions: 1 },
    { network: { inputShape: [1, 48, 48, 48] }, limits: { memory: 4e9 } },
  )
  assert.match(huge.reason!, /weights and their moments alone need/)
})

test('a trial that diverges is logged, and the others go on', async () => {
  const gpu = await testGpu()
  const space = { ...TINY_SPACE, learningRate: { choice: [1e-2, 10] }, norm: 'none', batch: 4 } as const
  const training = { epochs: 12, optimizer: 'sgd' } as const
  const { outcomes, best } = await search(gpu, DATA, searchOptions(memoryStore(), { space, training, trials: 6 }))
  const diverged = outcomes.filter(({ status }) => status === 'diverged')
  assert.ok(diverged.length > 0 && diverged.length < 6, `${diverged.length} of 6`)
  assert.ok(diverged.every(({ choice }) => choice.learningRate === 10))
  assert.match(diverged[0]!.reason!, /loss is .* in epoch|after epoch/)
  assert.is(best!.outcome.status, 'done')
})

test('the best by each metric; the first of equals; those without a number are none', () => {
  const outcome = (trial: number, validationLoss: number, balancedAccuracy: number, auc: number): TrialOutcome => ({
    trial,
    status: 'done',
    choice: drawTrial(defaultSpace, 1, trial),
    best: {
      epoch: 1,
      loss: 1,
      validationLoss,
      balancedAccuracy,
      auc,
      learningRate: 1,
    },
  })
  const all = [outcome(0, 0.5, 0.7, Number.NaN), outcome(1, 0.6, 0.8, 0.6), outcome(2, 0.7, 0.8, 0.9)]
  assert.is(bestTrial(all, 'loss')!.trial, 0)
  assert.is(bestTrial(all, 'balancedAccuracy')!.trial, 1)
  assert.is(bestTrial(all, 'auc')!.trial, 2)
  assert.is(bestTrial([{ ...all[0]!, best: undefined }], 'loss'), undefined)
})

test.run()
