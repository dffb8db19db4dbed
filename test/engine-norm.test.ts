/** Batch and instance normalisation, their gradients and running statistics against float64. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { closeGpu } from '../src/engine/gpu.ts'
import { batchNormTraining } from '../src/engine/ops/batch-norm-training.ts'
import { multiply, relu } from '../src/engine/ops/elementwise.ts'
import { batchNorm, instanceNorm } from '../src/engine/ops/norm.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { constant, input, parameter, type Shape, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import {
  assertClose,
  assertGradients,
  closeTestGpu,
  evaluate,
  finiteDifferences,
  gradientWeights,
  testGpu,
  values,
} from './support/evaluate.ts'
import { groupOf, moments, normalised } from './support/reference/norm.ts'

const test = suite('norm')
test.after(closeTestGpu)

const shapes = fc.record({
  shape: fc
    .tuple(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 }),
    )
    .map(([n, c, rest]) => [n, c, ...rest] as Shape),
  seed: fc.integer({ min: 1, max: 1000 }),
})

const EPSILON = 1e-3

test('batchNorm at inference: values and gradients of x, gamma, beta', async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(shapes, async ({ shape, seed }) => {
      const c = shape[1]!
      const mean = values(c, 7)
      const variance = values(c, 8).map((v) => v + 1.2)
      const group = (i: number) => groupOf(i, c, sizeOf(shape.slice(2)), false)
      const reference = (x: Float64Array, gamma: Float64Array, beta: Float64Array) =>
        normalised(x, { mean, variance }, group, gamma, beta, EPSILON)
      const build = (x: Tensor, gamma: Tensor, beta: Tensor) =>
        batchNorm(x, { gamma, beta, mean: constant([c], mean), variance: constant([c], variance), epsilon: EPSILON })
      const inputs = [
        { shape, data: values(sizeOf(shape), seed) },
        { shape: [c], data: values(c, seed + 1) },
        { shape: [c], data: values(c, seed + 2) },
      ]
      const { outputs, gradients } = await evaluate(gpu, build as never, inputs, { gradient: true })
      const data = inputs.map((i) => i.data)
      const exact = reference(...(data.map((d) => Float64Array.from(d)) as [Float64Array, Float64Array, Float64Array]))
      assertClose(outputs[0]!, exact, 'batchNorm')
      assertGradients(gradients, finiteDifferences(reference as never, data, shape), 'batchNorm')
    }),
    { seed: 4, numRuns: 6 },
  )
})

test('batchNorm with constant statistics is one launch that rides on what makes x', async () => {
  const gpu = await testGpu()
  const x = input([2, 3, 4, 4, 4])
  const one = (v: number) => constant([3], new Float32Array(3).fill(v))
  const y = batchNorm(relu(x), { gamma: one(2), beta: one(1), mean: one(0.5), variance: one(4), epsilon: 0 })
  const program = await compile(gpu, { y })
  assert.is(program.launches.length, 1)
  program.write(x, new Float32Array(sizeOf(x.shape)).fill(3))
  program.run()
  assertClose((await program.read(y)).subarray(0, 2), [3.5, 3.5], 'folded')
  program.destroy()
})

for (const [name, perSample] of [
  ['batchNormTraining', false],
  ['instanceNorm', true],
] as const) {
  test(`${name}: values and gradients of x, gamma, beta`, async () => {
    const gpu = await testGpu()
    await fc.assert(
      fc.asyncProperty(shapes, async ({ shape, seed }) => {
        const [n, c] = shape as [number, number]
        const group = (i: number) => groupOf(i, c, sizeOf(shape.slice(2)), perSample)
        const reference = (x: Float64Array, gamma: Float64Array, beta: Float64Array) =>
          normalised(x, moments(x, perSample ? n * c : c, group), group, gamma, beta, EPSILON)
        const build = (x: Tensor, gamma: Tensor, beta: Tensor) => {
          if (perSample) return instanceNorm(x, { gamma, beta, epsilon: EPSILON })
          const running = { runningMean: parameter([c]), runningVariance: parameter([c]) }
          return batchNormTraining(x, { gamma, beta, ...running, epsilon: EPSILON }).y
        }
        const inputs = [
          { shape, data: values(sizeOf(shape), seed).map((v) => 2 * v + 3) },
          { shape: [c], data: values(c, seed + 1) },
          { shape: [c], data: values(c, seed + 2) },
        ]
        const { outputs, gradients } = await evaluate(gpu, build as never, inputs, { gradient: true })
        const data = inputs.map((i) => i.data)
        const exact = reference(
          ...(data.map((d) => Float64Array.from(d)) as [Float64Array, Float64Array, Float64Array]),
        )
        assertClose(outputs[0]!, exact, name)
        assertGradients(gradients, finiteDifferences(reference as never, data, shape), name, {
          relative: 2e-4,
          absolute: 2e-5,
        })
      }),
      { seed: 5, numRuns: 8 },
    )
  })
}

test('running statistics move as in PyTorch, and without gamma and beta y has mean 0 and variance 1', async () => {
  const gpu = await testGpu()
  const shape = [2, 3, 3, 4, 5]
  const x = input(shape)
  const runningMean = parameter([3], Float32Array.of(1, 2, 3))
  const runningVariance = parameter([3], Float32Array.of(1, 1, 2))
  const { y, update } = batchNormTraining(x, { runningMean, runningVariance, momentum: 0.3 })
  const program = await compile(gpu, { y }, { effects: [update] })
  const mean = [1, 2, 3]
  const variance = [1, 1, 2]
  for (const [seed, momentum] of [
    [1, 0.3],
    [2, 0.05],
  ] as const) {
    const data = values(sizeOf(shape), seed).map((v) => v * 4 + 1)
    const batch = moments(data, 3, (i) => groupOf(i, 3, 60, false))
    for (let c = 0; c < 3; c++) {
      mean[c] = (1 - momentum) * mean[c]! + momentum * batch.mean[c]!
      variance[c] = (1 - momentum) * variance[c]! + momentum * batch.variance[c]! * (120 / 119)
    }
    program.write(x, data)
    program.setUniforms(update, { momentum })
    program.run()
    const after = moments(await program.read(y), 3, (i) => groupOf(i, 3, 60, false))
    assertClose(after.mean, [0, 0, 0], 'mean of y')
    assertClose(
      after.variance,
      batch.variance.map((v) => v / (v + 1e-5)),
      'variance of y',
    )
  }
  assertClose(await program.read(runningMean), mean, 'running mean')
  assertClose(await program.read(runningVariance), variance, 'running variance')
  program.destroy()
})

test('many chunks and a mean far from zero keep their digits', async () => {
  const gpu = await testGpu()
  const shape = [2, 2, 17, 25, 31]
  const inner = 17 * 25 * 31
  const data = values(sizeOf(shape), 11).map((v, i) => v + (Math.floor(i / inner) % 2 === 0 ? 1000 : -50))
  const group = (i: number) => groupOf(i, 2, inner, false)
  const build = (x: Tensor) => batchNormTraining(x, { runningMean: parameter([2]), runningVariance: parameter([2]) }).y
  const { outputs, gradients } = await evaluate(gpu, build, [{ shape, data }], { gradient: true })
  const stats = moments(data, 2, group)
  // One unit in the last place of 1000 is 6e-5, a tenth of a thousandth of the deviation 0.58.
  assertClose(outputs[0]!, normalised(data, stats, group, [1, 1], [0, 0], 1e-5), 'values', { relative: 1e-4 })
  const xhat = normalised(data, stats, group, [1, 1], [0, 0], 1e-5)
  const w = gradientWeights(shape)
  const total = [0, 0]
  const along = [0, 0]
  w.forEach((v, i) => {
    total[group(i)]! += v
    along[group(i)]! += v * xhat[i]!
  })
  const n = 2 * inner
  const dx = xhat.map(
    (h, i) => (w[i]! - total[group(i)]! / n - (h * along[group(i)]!) / n) / Math.sqrt(stats.variance[group(i)]! + 1e-5),
  )
  assertClose(gradients[0]!, dx, 'gradient', { relative: 1e-5 })
})

test('statistics are the same bits in every run', async () => {
  const gpu = await testGpu()
  const shape = [1, 2, 20, 20, 20]
  const x = input(shape)
  const gamma = parameter([2], Float32Array.of(1, 2))
  const y = instanceNorm(x, { gamma })
  const [dx, dgamma] = backward(sum(multiply(y, y)), [x, gamma])
  const program = await compile(gpu, { y, dx: dx!, dgamma: dgamma! })
  program.write(x, values(sizeOf(shape), 3))
  const read = async () => [...(await program.read(y)), ...(await program.read(dx!)), ...(await program.read(dgamma!))]
  program.run()
  const before = await read()
  program.run()
  assert.equal(await read(), before)
  program.destroy()
})

test('operands larger than one binding', async () => {
  const gpu = await testGpu({ maxBinding: 1024 })
  const shape = [2, 2, 5, 5, 4]
  const data = values(sizeOf(shape), 6)
  const group = (i: number) => groupOf(i, 2, 100, true)
  const reference = (x: ArrayLike<number>) => normalised(x, moments(x, 4, group), group, [1, 1], [0, 0], EPSILON)
  const build = (x: Tensor) => instanceNorm(x, { epsilon: EPSILON })
  const { outputs, gradients } = await evaluate(gpu, build, [{ shape, data }], { gradient: true })
  assertClose(outputs[0]!, reference(data), 'instanceNorm')
  assertGradients(gradients, finiteDifferences(reference, [data], shape), 'instanceNorm')
  closeGpu(gpu)
})

test('refuses shapes that do not fit', () => {
  const v = (n: number) => parameter([n])
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: Error) => e instanceof ShapeError && message.test(e.message))
  refused(() => batchNorm(input([1, 3, 2, 2, 2]), { mean: v(2), variance: v(3) }), /mean must have 3/)
  refused(() => batchNormTraining(input([1, 3]), { runningMean: v(3), runningVariance: v(3) }), /larger batch/)
  refused(() => instanceNorm(input([4, 3, 1, 1, 1])), /larger batch or volume/)
})

test.run()
