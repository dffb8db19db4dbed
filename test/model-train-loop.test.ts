/** What surrounds the steps: learning rates, the best epochs, feeding, memory plans, and a loss that stops being a number. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { affine } from '../src/engine/ops/elementwise.ts'
import { InputError } from '../src/io/errors.ts'
import { conv5Fc3, initialise } from '../src/model/architectures.ts'
import { NonFiniteLossError, type Samples, type TrainOptions, train } from '../src/model/training/train.ts'
import { makePace } from '../src/model/training/train-feed.ts'
import { largestBatch, planTraining } from '../src/model/training/train-memory.ts'
import { bestEpochs, type EpochReport, isOver } from '../src/model/training/train-progress.ts'
import { rateAt, readSchedule, type ScheduleOption } from '../src/model/training/train-schedule.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'
import { toyNetwork, toySamples, VOXELS } from './support/training.ts'

const OPTIONS: TrainOptions = { epochs: 2, batch: 4, learningRate: 1e-2, seed: 3 }

const rates = suite('learning rate')

/** Of every step of every epoch. */
function ratesOf(schedule: ScheduleOption, warmUp: number, epochs: number, steps: number): number[] {
  const settings = { learningRate: 2, schedule: readSchedule(schedule), warmUp, epochs }
  return Array.from({ length: epochs * steps }, (_, k) => rateAt(settings, 1 + Math.floor(k / steps), k % steps, steps))
}

function assertRates(found: readonly number[], expected: readonly number[]): void {
  assert.is(found.length, expected.length)
  found.forEach((rate, k) => {
    assert.ok(Math.abs(rate - expected[k]!) < 1e-12, `step ${k}: ${rate}, expected ${expected[k]}`)
  })
}

rates('constant, step, cosine as torch.optim.lr_scheduler has them, and a warm-up', () => {
  assertRates(ratesOf('constant', 0, 2, 2), [2, 2, 2, 2])
  assertRates(ratesOf({ kind: 'step', epochs: 2, factor: 0.1 }, 0, 5, 1), [2, 2, 0.2, 0.2, 0.02])
  assertRates(ratesOf('cosine', 0, 4, 1), [2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2])
  assertRates(ratesOf({ kind: 'cosine', lowest: 0.5 }, 0, 2, 2), [2, 2, 1.5, 1.5])
  assertRates(ratesOf('constant', 1.5, 2, 2), [2 / 3, 4 / 3, 2, 2])
})

rates.run()

const progress = suite('progress')

function entry(epoch: number, validationLoss: number, balancedAccuracy = 0.5, auc = Number.NaN): EpochReport {
  const rest = { learningRate: 1, seconds: epoch, waited: 0, scansPerSecond: 1 }
  return { epoch, loss: 9, validationLoss, balancedAccuracy, auc, ...rest }
}

progress('the best epoch by each metric, the first of several; AUC that is not known is none', () => {
  const history = [entry(1, 3, 0.6), entry(2, 2, 0.7), entry(3, 2, 0.9), entry(4, 4, 0.9)]
  const epochs = Object.entries(bestEpochs(history)).map(([metric, { epoch }]) => [metric, epoch])
  assert.equal(epochs, [
    ['loss', 2],
    ['balancedAccuracy', 3],
  ])
  const { validationLoss, balancedAccuracy, auc, ...plain } = entry(1, 3)
  assert.equal(bestEpochs([plain]), { loss: plain })
})

progress('patience counts epochs that were not better by more than the tolerance', () => {
  const history = [entry(1, 3), entry(2, 2.95), entry(3, 2.9)]
  const over = (tolerance: number, patience: number) => isOver(history, { metric: 'loss', tolerance, patience })
  assert.not(over(0, 1))
  assert.ok(over(0.2, 2))
  // 2.9 is better than 3 by more than 0.08, though not than 2.95.
  assert.not(over(0.08, 1))
  assert.not(over(0.2, 3))
  assert.not(over(0.2, 0))
  assert.ok(isOver(history, { metric: 'balancedAccuracy', tolerance: 0, patience: 2 }))
})

progress.run()

const feeding = suite('feeding')
feeding.after(closeTestGpu)

feeding('scans are loaded a batch ahead while the GPU works, no more, and each once an epoch', async () => {
  const gpu = await testGpu()
  const samples = toySamples(16, 10)
  const loads = new Array<number>(16).fill(0)
  let running = 0
  let most = 0
  const slow: Samples = {
    ...samples,
    async load(n) {
      loads[n]!++
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running--
      return samples.load(n)
    },
  }
  const { history } = await train(gpu, toyNetwork(), slow, { ...OPTIONS })
  assert.equal(loads, new Array(16).fill(2))
  assert.is(most, 4)
  for (const { waited, scansPerSecond } of history) {
    assert.ok(waited >= 0 && waited <= 1, `waited ${waited}`)
    assert.ok(scansPerSecond > 0)
  }
  const memory = await train(gpu, toyNetwork(), samples, { ...OPTIONS })
  assert.equal(
    memory.history.map(({ loss }) => loss),
    history.map(({ loss }) => loss),
  )
})

feeding('the share of time without work: all of it where data are slow', async () => {
  const gpu = await testGpu()
  const samples = toySamples(4, 10)
  const late = {
    ...samples,
    load: (n: number) =>
      new Promise<Float32Array>((resolve) => setTimeout(() => resolve(samples.load(n) as Float32Array), 400)),
  }
  const { history } = await train(gpu, toyNetwork(), late, { ...OPTIONS, epochs: 2, batch: 2 })
  for (const { waited } of history) assert.ok(waited > 0.5, `waited ${waited}`)
})

feeding('the pace: time between runs counts, time that is excused does not', async () => {
  const pace = makePace(4)
  const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))
  pace.excuse()
  pace.submitted(pause(20))
  await pause(80)
  pace.submitted(pause(20))
  const idle = pace.idle()
  assert.ok(idle > 30 && idle < 150, `${idle} ms`)
  await pause(60)
  pace.excuse()
  pace.submitted(Promise.resolve())
  assert.ok(pace.idle() - idle < 20, `${pace.idle()} ms after ${idle}`)
})

feeding('a scan of another size, or one that cannot be loaded, ends the training with its name', async () => {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  const samples = toySamples(6, 10)
  const names = samples.labels.map((_, n) => `sub-${n}.nii`)
  const attempt = async (load: Samples['load']) =>
    train(gpu, toyNetwork(), { ...samples, names, load }, OPTIONS).then(
      () => 'no error',
      (error) => error.message,
    )
  const short = (n: number) => (n === 4 ? new Float32Array(7) : samples.load(n))
  assert.match(await attempt(short), /^sub-4\.nii has 7 values, the network takes 480/)
  const missing = (n: number) => (n === 2 ? Promise.reject(new InputError('no such file')) : samples.load(n))
  assert.is(await attempt(missing), 'no such file')
  assert.is(gpu.counters.bytes, before)
})

feeding.run()

const broken = suite('a loss that is no number')
broken.after(closeTestGpu)

async function failure(samples: Samples, options: Partial<TrainOptions>): Promise<NonFiniteLossError> {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  try {
    await train(gpu, toyNetwork(), samples, { ...OPTIONS, ...options })
  } catch (error) {
    assert.instance(error, NonFiniteLossError)
    assert.instance(error, InputError)
    assert.is(gpu.counters.bytes, before, 'GPU memory is left over')
    return error as NonFiniteLossError
  }
  return assert.unreachable('no error') as never
}

for (const accumulate of [1, 2]) {
  broken(`a scan with NaN is named (${accumulate} batches a step)`, async () => {
    const samples = toySamples(8, 10)
    const names = samples.labels.map((_, n) => `sub-${n}.nii`)
    const bad = Float32Array.from(await samples.load(5))
    bad[17] = Number.NaN
    const load = (n: number) => (n === 5 ? bad : samples.load(n))
    const error = await failure({ ...samples, names, load }, { accumulate, batch: 2 })
    assert.equal(error.scans, ['sub-5.nii'])
    assert.is(error.layer, 'input')
    assert.is(error.epoch, 1)
    assert.match(error.message, /is NaN in epoch 1, step \d of \d: sub-5\.nii has values that are not finite; correct/)
  })

  broken(`the first layer is named where numbers grow too large (${accumulate} batches a step)`, async () => {
    const error = await failure(toySamples(8, 10), { accumulate, batch: 2, learningRate: 1e30 })
    assert.is(error.epoch, 1)
    assert.is(error.step, 2)
    assert.is(error.scans.length, 2)
    // Weights of about 1e30: products of two of them overflow in the second convolution.
    assert.is(error.layer, 'conv2')
    assert.match(
      error.message,
      /step 2 of \d: layer "conv2" \(conv3d\) gives.*for scan \d, scan \d; lower the learning/,
    )
  })
}

broken('weights that are no longer finite, and what scans are prepared to', async () => {
  const network = toyNetwork()
  network.weights.get('conv2.bias')!.data[1] = Number.POSITIVE_INFINITY
  const gpu = await testGpu()
  const weights = await train(gpu, network, toySamples(8, 10), OPTIONS).catch((error) => error)
  assert.is(weights.layer, 'conv2')
  assert.match(weights.message, /weights of layer "conv2" are no longer finite \(conv2\.bias\)/)
  const prepare: TrainOptions['prepare'] = (x) => affine(affine(x, 1e30), 1e30)
  const prepared = await failure(toySamples(8, 10), { prepare })
  assert.is(prepared.layer, 'input')
  assert.match(prepared.message, /what the scans are prepared to is not finite/)
})

broken('a validation scan with NaN is named', async () => {
  const bad = new Float32Array(VOXELS).fill(Number.NaN)
  const good = toySamples(2, 500)
  const validation = { ...good, load: (n: number) => (n === 1 ? bad : good.load(n)) }
  const error = await failure(toySamples(8, 10), { validation })
  assert.equal(error.scans, ['scan 1'])
  assert.match(error.message, /validation loss is NaN after epoch 1: scan 1 has values/)
})

broken.run()

const memory = suite('memory of a training')
memory.after(closeTestGpu)

memory('the plan is what the training then takes, and the largest batch fits while the next does not', async () => {
  const gpu = await testGpu()
  for (const options of [{}, { accumulate: 2, optimizer: { kind: 'sgd', momentum: 0.9 } as const }]) {
    const plan = planTraining(gpu, toyNetwork(), options, 4)
    const samples = toySamples(8, 10)
    const { memory } = await train(gpu, toyNetwork(), samples, { ...OPTIONS, ...options, validation: samples })
    // The traces of losses and logits are as long as an epoch.
    assert.ok(memory.total >= plan.total && memory.total - plan.total < 256, `${memory.total}, planned ${plan.total}`)
    const most = largestBatch(gpu, toyNetwork(), options, 1e6)
    assert.ok(planTraining(gpu, toyNetwork(), options, most).total <= 1e6)
    assert.ok(planTraining(gpu, toyNetwork(), options, most + 1).total > 1e6)
  }
  assert.is(largestBatch(gpu, toyNetwork(), {}, 1000), 0)
  assert.is(largestBatch(gpu, toyNetwork(), {}, 1e9, 6), 6)
})

memory('what does not fit is refused with the batch that would', async () => {
  const gpu = await testGpu()
  const attempt = (memoryLimit: number) =>
    train(gpu, toyNetwork(), toySamples(8, 10), { ...OPTIONS, batch: 8, memoryLimit }).catch((error) => error.message)
  const { total } = planTraining(gpu, toyNetwork(), {}, 3)
  assert.match(await attempt(total), /batches of 8 needs .* of GPU memory, more than the .* allowed; batches of 3 fit/)
  assert.match(await attempt(1000), /not even batches of one scan fit/)
})

memory('a full-size step fits in 4 GB: Conv5_FC3 at 121x145x121, batch 4', async () => {
  const gpu = await testGpu()
  const network = initialise(conv5Fc3({ inputShape: [1, 121, 145, 121] }), 1)
  const { total } = planTraining(gpu, network, {}, 4)
  assert.ok(total < 4e9, `${total} bytes`)
  assert.ok(largestBatch(gpu, network, {}, 4e9, 8) >= 4)
})

memory.run()
