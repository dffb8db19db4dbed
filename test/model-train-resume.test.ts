/** Trainings that are broken off anywhere and go on from a checkpoint give the bits of one that was not. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { dropout } from '../src/engine/ops/dropout.ts'
import { InputError } from '../src/io/errors.ts'
import { inMemory, type TrainOptions, type TrainResult, train } from '../src/model/training/train.ts'
import { reportHash } from './support/data.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'
import { bitsOf, RESUMABLE, toyNetwork, toySamples, VOXELS } from './support/training.ts'

const test = suite('training again')
test.after(closeTestGpu)

const DATA = toySamples(11, 10)
const VALIDATION = toySamples(5, 500)

async function run(options: Partial<TrainOptions> = {}): Promise<TrainResult> {
  return train(await testGpu(), toyNetwork(), DATA, { ...RESUMABLE, validation: VALIDATION, ...options })
}

/** Ends a training after some steps, by its signal, and returns the last checkpoint. */
async function broken(steps: number, options: Partial<TrainOptions> = {}): Promise<Uint8Array> {
  const stop = new AbortController()
  let last: Uint8Array | undefined
  let loaded = 0
  // The loop looks at the signal after each step; a step is over when the scans of the next are asked for.
  const data = {
    ...DATA,
    load: (n: number) => {
      if (loaded++ >= steps * RESUMABLE.batch!) stop.abort(new Error('stopped'))
      return DATA.load(n)
    },
  }
  const onCheckpoint = (bytes: Uint8Array) => {
    last = bytes
  }
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  await train(gpu, toyNetwork(), data, {
    ...RESUMABLE,
    validation: VALIDATION,
    ...options,
    onCheckpoint,
    signal: stop.signal,
  }).then(
    () => assert.unreachable('it was not stopped'),
    (error) => assert.is(error.message, 'stopped'),
  )
  assert.is(gpu.counters.bytes, before, 'GPU memory is left over')
  return last!
}

const kinds: Record<string, Partial<TrainOptions>> = {
  'adam, augmented': { prepare: (x, seed) => dropout(x, { rate: 0.1, seed, stream: 1000 }) },
  'sums of gradients, momentum, balanced draw': {
    accumulate: 2,
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true },
    sampler: 'balanced',
  },
  'amsgrad, best by balanced accuracy, patience': {
    optimizer: { kind: 'adamw', amsgrad: true },
    metric: 'balancedAccuracy',
    patience: 1,
  },
}

for (const [name, options] of Object.entries(kinds)) {
  test(`${name}: broken off at several steps, the same bits`, async () => {
    const whole = bitsOf(await run(options))
    for (const steps of [1, 4, 6]) {
      const resume = await broken(steps, options)
      assert.equal(bitsOf(await run({ ...options, resume })), whole, `broken off after about ${steps} steps`)
    }
  })
}

test('checkpoints in the middle of an epoch and after it; going on twice; after the end nothing is done', async () => {
  const checkpoints: Uint8Array[] = []
  const keep = (bytes: Uint8Array) => {
    checkpoints.push(bytes)
  }
  const whole = bitsOf(await run({ onCheckpoint: keep, checkpointSteps: 3 }))
  // Four steps an epoch: one checkpoint after three of them, one after the epoch.
  assert.is(checkpoints.length, 8)
  const again: Uint8Array[] = []
  await run({ resume: checkpoints[0]!, epochs: 2, onCheckpoint: (bytes) => void again.push(bytes) })
  assert.is(again.length, 2)
  assert.equal(bitsOf(await run({ resume: again[1]! })), whole, 'after a part with fewer epochs')
  const epochs: number[] = []
  const { history, ...rest } = await run({ resume: checkpoints[7]!, onEpoch: ({ epoch }) => epochs.push(epoch) })
  assert.equal(epochs, [])
  assert.equal(bitsOf({ history, ...rest }), whole)
  assert.ok(history.every((entry, k) => k === 0 || entry.seconds > history[k - 1]!.seconds))
})

test('a checkpoint of other data, options or network is refused with what differs', async () => {
  let bytes: Uint8Array | undefined
  const onCheckpoint = (own: Uint8Array) => {
    bytes = own
  }
  const first = { epochs: 1, about: { smoothing: 8 } }
  await run({ ...first, onCheckpoint })
  const refused = async (attempt: Promise<unknown>, pattern: RegExp) => {
    const message = await attempt.then(
      () => 'no error',
      (error) => (error instanceof InputError ? error.message : String(error)),
    )
    assert.match(message, pattern)
  }
  const resume = bytes!
  await refused(
    run({ ...first, resume, learningRate: 0.02 }),
    /another training: learningRate was 0.01 and is 0.02; use/,
  )
  await refused(run({ ...first, resume, seed: 4, last: 'drop' }), /last was "small" and is "drop"; seed was 3 and is 4/)
  await refused(run({ ...first, resume, about: {} }), /about smoothing was 8 and is not given/)
  await refused(run({ ...first, resume, validation: undefined }), /validation scans was "5 \(.*is "none"/)
  const gpu = await testGpu()
  const other = { ...DATA, names: DATA.labels.map((_, n) => `sub-${n}`) }
  const options = { ...RESUMABLE, ...first, validation: VALIDATION, resume }
  await refused(train(gpu, toyNetwork(), other, options), /training scans was "11 \(/)
  await refused(train(gpu, toyNetwork({ dropout: 0.3 }), DATA, options), /network was/)
  await refused(run({ ...first, resume: resume.slice(0, -4) }), /truncated/)
  await refused(run({ ...first, resume: new Uint8Array(3) }), /3 bytes/)
})

test('the first ten losses, here and elsewhere', async () => {
  const gpu = await testGpu()
  const { history, last } = await train(gpu, toyNetwork(), inMemory(await all(), [0, 1, 0, 1]), {
    epochs: 10,
    batch: 4,
    learningRate: 1e-2,
    seed: 3,
  })
  const losses = Float32Array.from(history, ({ loss }) => loss)
  assert.ok(losses.every(Number.isFinite))
  const weights = [...last.weights.values()].map(({ data }) => data)
  for (const [name, list] of [
    ['losses', [losses]],
    ['weights', weights],
  ] as const) {
    const bytes = new Uint8Array(await new Blob(list.map((part) => part.slice())).arrayBuffer())
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    reportHash(`training-10-steps-${name}`, [...digest].map((v) => v.toString(16).padStart(2, '0')).join(''))
  }
})

async function all(): Promise<Float32Array[]> {
  const scans = await Promise.all([0, 1, 2, 3].map((n) => DATA.load(n)))
  assert.ok(scans.every(({ length }) => length === VOXELS))
  return scans
}

test.run()
