/** Resampling and blurring against direct 3D sums, and their gradients as exact adjoints. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { applyBand, type Band, transposeBand } from '../src/engine/ops/band.ts'
import { blurBand, gaussianBlur } from '../src/engine/ops/blur.ts'
import { leakyRelu } from '../src/engine/ops/elementwise.ts'
import { type ResampleMode, type ResampleOptions, resample3d, resampleBand } from '../src/engine/ops/resample.ts'
import { input, sizeOf, type Tensor } from '../src/engine/tensor.ts'
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
import { gaussian, nearest, trilinear } from './support/reference/resample.ts'

const test = suite('resample')
test.after(closeTestGpu)

const length = fc.integer({ min: 1, max: 9 })
const volume = fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 }), length, length, length)
const size = fc.tuple(length, length, length)
const aligned = (corners: boolean): ResampleOptions => (corners ? { coordinates: 'align_corners' } : {})
const kinds: [ResampleMode, boolean][] = [
  ['trilinear', false],
  ['trilinear', true],
  ['nearest', false],
]

for (const [mode, corners] of kinds) {
  test(`${mode}${corners ? ' with aligned corners' : ''}, larger and smaller`, async () => {
    const gpu = await testGpu()
    await fc.assert(
      fc.asyncProperty(volume, size, async (shape, to) => {
        const data = values(sizeOf(shape), 30)
        const exact = (x: ArrayLike<number>) =>
          mode === 'nearest' ? nearest(x, shape, to) : trilinear(x, shape, to, corners)
        const build = (x: Tensor) => resample3d(x, to, mode, aligned(corners))
        const { outputs, gradients } = await evaluate(gpu, (x) => build(x!), [{ shape, data }], { gradient: true })
        assertClose(outputs[0]!, exact(data), `${shape} to ${to}`)
        const differences = finiteDifferences(exact, [data], [shape[0], shape[1], ...to], { probes: 12 })
        assertGradients(gradients, differences, `${shape} to ${to}`)
      }),
      { seed: 12, numRuns: 8 },
    )
  })
}

test('the numbers of the ONNX Resize documentation', async () => {
  const gpu = await testGpu()
  const x = { shape: [1, 1, 1, 2, 2], data: Float32Array.of(1, 2, 3, 4) }
  const run = async (mode: ResampleMode, corners: boolean) =>
    (await evaluate(gpu, (t) => resample3d(t!, [1, 4, 4], mode, aligned(corners)), [x])).outputs[0]!
  const half = [1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4]
  assert.equal([...(await run('trilinear', false))], half)
  const third = [0, 1, 2, 3].flatMap((h) => [0, 1, 2, 3].map((w) => 1 + (2 * h + w) / 3))
  assertClose(await run('trilinear', true), third, 'aligned corners')
  assert.equal([...(await run('nearest', false))], [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])
})

/** Whole numbers, so that sums of products with weights that are fractions of a power of two are exact in float32. */
const whole = (count: number, seed: number) => values(count, seed).map((v) => Math.round(8 * v))
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((s, v, k) => s + v * b[k]!, 0)

test("<Ax, y> = <x, A'y> to the last bit where the weights are exact", async () => {
  const gpu = await testGpu()
  const shape = [2, 3, 3, 4, 2]
  const cases: ((x: Tensor) => Tensor)[] = [
    (x) => resample3d(x, [6, 8, 4]),
    (x) => resample3d(x, [12, 4, 8]),
    (x) => resample3d(x, [5, 7, 3], 'nearest'),
    (x) => resample3d(x, [5, 7, 3], 'trilinear', aligned(true)),
  ]
  for (const build of cases) {
    const to = build(input(shape)).shape
    const x = whole(sizeOf(shape), 31)
    const y = whole(sizeOf(to), 32)
    const forward = await evaluate(gpu, (t) => build(t!), [{ shape, data: x }])
    const adjoint = await evaluate(gpu, (t) => adjointOf(build, shape, t!), [{ shape: to, data: y }])
    assert.is(dot(forward.outputs[0]!, y), dot(x, adjoint.outputs[0]!))
  }
})

/** A'y, through the engine's own backward. */
function adjointOf(build: (x: Tensor) => Tensor, shape: readonly number[], y: Tensor): Tensor {
  const x = input(shape)
  return backward(build(x), [x], { seed: y })[0]!
}

test("<Ax, y> = <x, A'y> for random sizes and blurs", async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(volume, size, fc.double({ min: 0.4, max: 2, noNaN: true }), async (shape, to, sigma) => {
      const data = values(sizeOf(shape), 33)
      for (const boundary of ['zero', 'nearest'] as const) {
        const build = (x: Tensor) => gaussianBlur(resample3d(x, to), sigma, { boundary })
        const { outputs, gradients } = await evaluate(gpu, (x) => build(x!), [{ shape, data }], { gradient: true })
        const y = gradientWeights([shape[0], shape[1], ...to])
        const [left, right] = [dot(outputs[0]!, y), dot(data, gradients[0]!)]
        const scale = Math.sqrt(dot(data, data) * dot(y, y))
        assert.ok(Math.abs(left - right) < 1e-6 * scale, `${left} and ${right}`)
      }
    }),
    { seed: 13, numRuns: 6 },
  )
})

test('the transposed band is the transposed matrix', () => {
  const dense = ({ columns, taps, first, weights }: Band) =>
    Array.from(first, (start, r) =>
      Array.from({ length: columns }, (_, c) => (c >= start && c < start + taps ? weights[r * taps + c - start]! : 0)),
    )
  const bands = fc.oneof(
    fc
      .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.constantFrom(...kinds))
      .map(([from, to, [mode, corners]]) => resampleBand(from, to, mode, aligned(corners))),
    fc
      .tuple(
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0.1, max: 5, noNaN: true }),
        fc.constantFrom('zero' as const, 'nearest' as const),
      )
      .map(([n, sigma, boundary]) => blurBand(n, sigma, 4, boundary)),
  )
  fc.assert(
    fc.property(bands, (band) => {
      const columns = Array.from({ length: band.columns }, (_, c) => dense(band).map((row) => row[c]!))
      assert.equal(dense(transposeBand(band)), columns)
      for (const start of band.first) assert.ok(start + band.taps <= band.columns)
    }),
    { seed: 14, numRuns: 200 },
  )
})

test('Gaussian blur', async () => {
  const gpu = await testGpu()
  const sigmas = fc.tuple(fc.constantFrom(0, 0.5, 1.2), fc.constantFrom(0.3, 0.9), fc.constantFrom(0, 0.7))
  await fc.assert(
    fc.asyncProperty(
      volume,
      sigmas,
      fc.constantFrom('zero' as const, 'nearest' as const),
      async (shape, sigma, boundary) => {
        const data = values(sizeOf(shape), 34)
        const exact = (x: ArrayLike<number>) => gaussian(x, shape, sigma, 3, boundary)
        const build = (x: Tensor) => gaussianBlur(x, sigma, { truncate: 3, boundary })
        const { outputs, gradients } = await evaluate(gpu, (x) => build(x!), [{ shape, data }], { gradient: true })
        assertClose(outputs[0]!, exact(data), `blur ${shape} by ${sigma}`)
        assertGradients(gradients, finiteDifferences(exact, [data], shape, { probes: 4 }), `blur ${shape} by ${sigma}`)
      },
    ),
    { seed: 15, numRuns: 8 },
  )
})

test('a blur keeps a constant volume, and its sum where nothing reaches the edge', async () => {
  const gpu = await testGpu()
  const shape = [1, 1, 13, 12, 11]
  const flat = new Float32Array(sizeOf(shape)).fill(0.75)
  const kept = await evaluate(gpu, (x) => gaussianBlur(x!, 1.5), [{ shape, data: flat }])
  assertClose(kept.outputs[0]!, flat, 'constant', { relative: 1e-6 })
  const point = new Float32Array(sizeOf(shape))
  point[(6 * 12 + 6) * 11 + 5] = 1
  const spread = await evaluate(gpu, (x) => gaussianBlur(x!, [1, 1, 1], { boundary: 'zero' }), [{ shape, data: point }])
  assert.ok(Math.abs(spread.outputs[0]!.reduce((a, b) => a + b) - 1) < 1e-6)
})

test('an activation rides on the last pass', async () => {
  const gpu = await testGpu()
  const x = { shape: [1, 2, 3, 4, 5], data: values(120, 35) }
  const build = (t: Tensor) => leakyRelu(resample3d(t, [5, 6, 7]), 0.1)
  const fused = await evaluate(gpu, (t) => build(t!), [x])
  const apart = await evaluate(gpu, (t) => build(t!), [x], { fuse: false })
  assert.equal(fused.outputs[0], apart.outputs[0])
})

test('refuses what does not fit', () => {
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: unknown) => e instanceof ShapeError && message.test(e.message), `${message}`)
  const x = input([1, 1, 2, 3, 4])
  refused(() => resample3d(input([2, 3, 4]), [2, 2, 2]), /must be \[N, C, D, H, W\], got 2x3x4/)
  refused(() => resample3d(x, [2, 0, 2]), /three positive integers, got \[2,0,2\]/)
  refused(() => gaussianBlur(x, -1), /sigma \[-1,-1,-1\]/)
  refused(() => gaussianBlur(x, [1, Number.NaN, 1]), /finite/)
  refused(() => gaussianBlur(input([4]), 1), /got 4/)
  refused(() => applyBand(x, 4, resampleBand(3, 5, 'nearest')), /3 columns along axis 4 of 1x1x2x3x4/)
})

test.run()
