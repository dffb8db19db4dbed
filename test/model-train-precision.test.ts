/** Mixed precision: training where activations and gradients are stored as f16. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { GpuError } from '../src/engine/errors.ts'
import type { Gpu } from '../src/engine/gpu.ts'
import { release } from '../src/engine/gpu.ts'
import { InputError } from '../src/io/errors.ts'
import { conv5Fc3, initialise } from '../src/model/architectures.ts'
import { networkParameters } from '../src/model/build.ts'
import { type TrainOptions, train } from '../src/model/training/train.ts'
import { planTraining } from '../src/model/training/train-memory.ts'
import { batchGraph, makeShared, residentsOf } from '../src/model/training/train-step.ts'
import { skip } from './support/data.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'
import { bitsOf, RESUMABLE, toyNetwork, toySamples } from './support/training.ts'

const test = suite('training precision')
test.after(closeTestGpu)

const DATA = toySamples(12, 10)
const VALIDATION = toySamples(6, 500)

async function run(options: Partial<TrainOptions> = {}) {
  return train(await testGpu(), toyNetwork(), DATA, { ...RESUMABLE, validation: VALIDATION, ...options })
}

test('an adapter without f16 is refused by name, and so is a precision that nobody knows', async () => {
  const gpu = await testGpu()
  const message = (attempt: Promise<unknown>) =>
    attempt.then(
      () => 'no error',
      (error) => (error instanceof GpuError || error instanceof InputError ? error.message : String(error)),
    )
  assert.match(await message(run({ precision: 'f8' as 'f16' })), /precision is "f8", need one of f32, f16/)
  const without: Gpu = { ...gpu, features: new Set([...gpu.features].filter((name) => name !== 'shader-f16')) }
  const before = gpu.counters.bytes
  const refused = train(without, toyNetwork(), DATA, { ...RESUMABLE, precision: 'f16' })
  assert.match(await message(refused), /has no f16 \(the WebGPU feature shader-f16\): use precision f32/)
  assert.is(gpu.counters.bytes, before)
})

test('the scale leaves the gradients as they are: scaled in f32, the steps of f32', async () => {
  const gpu = await testGpu()
  const settings = { learningRate: 0.01, weightDecay: 1e-3, seed: 3, classWeights: [1, 2] }
  const weightsAfter = async (precision: 'f32' | 'f16') => {
    const network = toyNetwork()
    const shared = makeShared(network, { ...settings, precision }, 4)
    const graph = batchGraph(network, shared, { ...settings, precision }, 6)
    // Planned as f32 in both cases, so that only the scale differs.
    const program = await compile(gpu, {}, { effects: graph.effects })
    for (let step = 0; step < 4; step++) {
      const chosen = [0, 1, 2, 3, 4, 5].map((k) => (k + step) % DATA.count)
      const scans = await Promise.all(chosen.map((n) => DATA.load(n)))
      program.write(graph.input, Float32Array.from(scans.flatMap((scan) => [...scan])))
      program.write(
        graph.labels,
        Uint32Array.from(chosen, (n) => DATA.labels[n]!),
      )
      program.run()
    }
    const tally = shared.scaling && (await program.read(shared.scaling.tally))
    const all = await Promise.all([...networkParameters(network).values()].map((t) => program.read(t)))
    program.destroy()
    release(gpu, [...residentsOf([graph]), shared.seed])
    return { tally, weights: all.flatMap((data) => [...data]) }
  }
  const [plain, scaled] = [await weightsAfter('f32'), await weightsAfter('f16')]
  // A power of two rounds nothing, so that even the last bits agree.
  assert.equal(scaled.weights, plain.weights)
  assert.equal([...scaled.tally!], [4, 0])
})

test('half the memory, and the losses of f32 but for rounding', async () => {
  const gpu = await testGpu()
  if (!gpu.features.has('shader-f16')) return skip(`${gpu.name} has no shader-f16`)
  for (const options of [{}, { accumulate: 2, optimizer: { kind: 'sgd', momentum: 0.9 } as const }]) {
    const [full, half] = [await run(options), await run({ ...options, precision: 'f16' })]
    const off = half.history.map(({ loss }, k) => Math.abs(loss / full.history[k]!.loss - 1))
    assert.ok(Math.max(...off) < 0.02, `losses differ by ${off}`)
    assert.is.not(JSON.stringify(bitsOf(half)), JSON.stringify(bitsOf(full)), 'nothing was stored as f16')
    const { lossScale, skipped } = half.history.at(-1)!
    assert.is(skipped, 0)
    assert.is(lossScale, 2 ** 16)
    assert.is(full.history[0]!.skipped, undefined)
  }
  const large = initialise(conv5Fc3({ inputShape: [1, 48, 56, 48] }), 1)
  const plans = (['f32', 'f16'] as const).map((precision) => planTraining(gpu, large, { precision }, 4))
  assert.ok(plans[1]!.temporaries < 0.65 * plans[0]!.temporaries, `${plans.map(({ temporaries }) => temporaries)}`)
})

test('steps whose gradients do not fit are skipped until the scale has found its place', async () => {
  const gpu = await testGpu()
  if (!gpu.features.has('shader-f16')) return skip(`${gpu.name} has no shader-f16`)
  // Head weights this large make gradients that 2^16 carries over the end of f16.
  const network = toyNetwork({ dropout: 0 })
  const steep = new Map(
    [...network.weights].map(([name, { shape, data }]) => [
      name,
      name === 'output.weight' ? { shape, data: data.map((v) => 300 * v) } : { shape, data },
    ]),
  )
  const options = { epochs: 6, batch: 6, learningRate: 1e-3, precision: 'f16' } as const
  const { history, last } = await train(gpu, { ...network, weights: steep }, DATA, options)
  const { skipped, lossScale } = history.at(-1)!
  assert.ok(skipped! > 0 && skipped! < 10, `${skipped} steps were skipped`)
  assert.is(lossScale, 2 ** (16 - skipped!))
  assert.ok(history.every(({ loss }) => Number.isFinite(loss)))
  const moved = [...last.weights].some(([name, { data }]) => data.some((v, k) => v !== steep.get(name)!.data[k]))
  assert.ok(moved, 'no step was taken')
})

test('resumed in the middle, the bits of a whole run', async () => {
  const gpu = await testGpu()
  if (!gpu.features.has('shader-f16')) return skip(`${gpu.name} has no shader-f16`)
  const checkpoints: Uint8Array[] = []
  const options = {
    precision: 'f16',
    checkpointSteps: 3,
    onCheckpoint: (b: Uint8Array) => void checkpoints.push(b),
  } as const
  const whole = bitsOf(await run(options))
  assert.equal(bitsOf(await run({ precision: 'f16', resume: checkpoints[2] })), whole)
  const other = await run({ resume: checkpoints[2] }).then(String, (error) => error.message)
  assert.match(other, /precision was "f16" and is "f32"/)
})

test.run()
