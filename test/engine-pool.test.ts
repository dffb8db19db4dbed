/** Poolings and their gradients against float64 over random shapes, strides, paddings and dilations. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { closeGpu } from '../src/engine/gpu.ts'
import { affine, relu } from '../src/engine/ops/elementwise.ts'
import { avgPool3d, globalAvgPool, globalMaxPool, maxPool3d, poolOutputSize } from '../src/engine/ops/pool.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { input, type Shape, sizeOf, type Tensor } from '../src/engine/tensor.ts'
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
import { avgPoolReference, maxPoolReference, type PoolReference, poolShape } from './support/reference/pool.ts'

const test = suite('pool')
test.after(closeTestGpu)

const triple = (min: number, max: number) => fc.array(fc.integer({ min, max }), { minLength: 3, maxLength: 3 })

/** Shapes and options whose windows all fit and hold a voxel of x. */
const cases = (dilated: boolean) =>
  fc
    .record({
      batch: fc.integer({ min: 1, max: 2 }),
      channels: fc.integer({ min: 1, max: 3 }),
      volume: triple(3, 8),
      kernel: triple(1, 3),
      stride: triple(1, 3),
      dilation: dilated ? triple(1, 2) : fc.constant([1, 1, 1]),
      front: triple(0, 2),
      back: triple(0, 2),
      ceilMode: fc.boolean(),
      zeros: fc.boolean(),
      countIncludePad: fc.boolean(),
      seed: fc.integer({ min: 1, max: 1000 }),
    })
    .map(({ batch, channels, volume, ...o }) => {
      const limit = (pads: number[]) => pads.map((p, k) => Math.min(p, o.kernel[k]! - 1))
      return { ...o, front: limit(o.front), back: limit(o.back), shape: [batch, channels, ...volume] as Shape }
    })
    .filter((o) => poolShape(o.shape, o).every((d) => d > 0))
    .filter(
      (o) =>
        !avgPoolReference(new Float64Array(sizeOf(o.shape)), o.shape, { ...o, countIncludePad: false }).some(
          Number.isNaN,
        ),
    )

const padding = ({ front, back }: PoolReference) => ({ front, back })

test('maxPool3d: values, winners and gradient, padding of -infinity and zeros', async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(cases(true), async (o) => {
      // Few distinct values, zero among them, make ties with each other and with the padding.
      const data = values(sizeOf(o.shape), o.seed).map((v) => Math.round(4 * v - 2) / 2)
      const expected = maxPoolReference(data, o.shape, o)
      const x = input(o.shape)
      const y = maxPool3d(x, { ...o, padding: padding(o), padValue: o.zeros ? 'zero' : '-infinity' })
      assert.equal(y.shape, poolShape(o.shape, o))
      const program = await compile(gpu, { y, index: y.node!.outputs[1]! })
      program.write(x, data)
      program.run()
      assert.equal([...(await program.read(y))], [...expected.y])
      assert.equal(await program.readIndices(y.node!.outputs[1]!), expected.index)
      program.destroy()

      const build = (t: Tensor) => maxPool3d(t, { ...o, padding: padding(o), padValue: o.zeros ? 'zero' : '-infinity' })
      const { gradients } = await evaluate(gpu, build, [{ shape: o.shape, data }], { gradient: true })
      const plane = sizeOf(o.shape.slice(2))
      const perPlane = expected.y.length / (o.shape[0]! * o.shape[1]!)
      const dx = new Float64Array(data.length)
      gradientWeights(y.shape).forEach((w, i) => {
        if (expected.index[i] !== 0xffffffff) dx[Math.floor(i / perPlane) * plane + expected.index[i]!]! += w
      })
      assertClose(gradients[0]!, dx, 'gradient', { relative: 1e-6 })
    }),
    { seed: 2, numRuns: 18 },
  )
})

test('avgPool3d: values and gradient, both divisors', async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(cases(true), async (o) => {
      const data = values(sizeOf(o.shape), o.seed)
      const build = (x: Tensor) => avgPool3d(x, { ...o, padding: padding(o) })
      const reference = (x: ArrayLike<number>) => avgPoolReference(x, o.shape, o)
      const { outputs, gradients } = await evaluate(gpu, build, [{ shape: o.shape, data }], { gradient: true })
      assertClose(outputs[0]!, reference(data), 'avgPool3d')
      assertGradients(gradients, finiteDifferences(reference, [data], poolShape(o.shape, o)), 'avgPool3d')
    }),
    { seed: 3, numRuns: 15 },
  )
})

test('global poolings', async () => {
  const gpu = await testGpu()
  const shape = [2, 3, 5, 4, 7]
  const plane = 5 * 4 * 7
  const data = values(sizeOf(shape), 5).map((v) => Math.round(20 * v))
  const planes = Array.from({ length: 6 }, (_, p) => data.subarray(p * plane, (p + 1) * plane))
  const weights = gradientWeights([2, 3, 1, 1, 1])

  const highest = await evaluate(gpu, globalMaxPool, [{ shape, data }], { gradient: true })
  assert.equal(
    [...highest.outputs[0]!],
    planes.map((p) => Math.max(...p)),
  )
  // Ties: the first in scan order receives everything.
  const first = planes.flatMap((p, k) => [...p].map((_, i) => (i === p.indexOf(Math.max(...p)) ? weights[k]! : 0)))
  assert.equal([...highest.gradients[0]!], first)

  const average = await evaluate(gpu, globalAvgPool, [{ shape, data }], { gradient: true })
  assertClose(
    average.outputs[0]!,
    planes.map((p) => p.reduce((a, b) => a + b, 0) / plane),
    'mean',
  )
  assertClose(
    average.gradients[0]!,
    planes.flatMap((p, k) => [...p].map(() => weights[k]! / plane)),
    'gradient of the mean',
  )
})

test('what follows a max pooling rides on it, and the winners stay right', async () => {
  const gpu = await testGpu()
  const shape = [1, 2, 4, 4, 6]
  const data = values(sizeOf(shape), 9)
  const x = input(shape)
  const pooled = maxPool3d(x, { kernel: 2 })
  const y = relu(affine(pooled, -2))
  const alone = await compile(gpu, { y })
  assert.is(alone.launches.length, 1)
  const [dx] = backward(sum(y), [x])
  const program = await compile(gpu, { y, dx: dx! })
  program.write(x, data)
  program.run()
  const o = {
    kernel: [2, 2, 2],
    stride: [2, 2, 2],
    dilation: [1, 1, 1],
    front: [0, 0, 0],
    back: [0, 0, 0],
    ceilMode: false,
  }
  const reference = (v: ArrayLike<number>) => maxPoolReference(v, shape, o).y.map((m) => Math.max(-2 * m, 0))
  assertClose(await program.read(y), reference(data), 'values')
  const { index, y: best } = maxPoolReference(data, shape, o)
  const expected = new Float64Array(data.length)
  best.forEach((m, i) => {
    if (m < 0) expected[Math.floor(i / 12) * 96 + index[i]!] = -2
  })
  assertClose(await program.read(dx!), expected, 'gradient')
  alone.destroy()
  program.destroy()
})

test('NaN wins, as in PyTorch, and values of -infinity are not lost', async () => {
  const gpu = await testGpu()
  const data = Float32Array.of(1, Number.NaN, 3, 2, -Infinity, -Infinity, -Infinity, -Infinity)
  const x = input([1, 2, 1, 2, 2])
  const y = maxPool3d(x, { kernel: [1, 2, 2] })
  const program = await compile(gpu, { y, index: y.node!.outputs[1]! })
  program.write(x, data)
  program.run()
  const result = await program.read(y)
  assert.ok(Number.isNaN(result[0]))
  assert.is(result[1], -Infinity)
  assert.equal([...(await program.readIndices(y.node!.outputs[1]!))], [1, 0])
  program.destroy()
})

test("ClinicaDL's PadMaxPool3d: output ceil(size / 2), and zeros win over negatives", async () => {
  const gpu = await testGpu()
  const front = [121, 145, 121].map((d) => d % 2)
  assert.equal(
    maxPool3d(input([1, 8, 121, 145, 121]), { kernel: 2, padding: { front, back: 0 } }).shape,
    [1, 8, 61, 73, 61],
  )
  const data = Float32Array.of(-1, -2, -3)
  const pool = { kernel: [1, 1, 2], padding: { front: [0, 0, 1], back: 0 } } as const
  const shape = [1, 1, 1, 1, 3]
  const zeros = await evaluate(gpu, (x) => maxPool3d(x, { ...pool, padValue: 'zero' }), [{ shape, data }])
  const ignored = await evaluate(gpu, (x) => maxPool3d(x, pool), [{ shape, data }])
  assert.equal([...zeros.outputs[0]!], [0, -2])
  assert.equal([...ignored.outputs[0]!], [-1, -2])
})

test('poolOutputSize follows PyTorch', () => {
  assert.is(poolOutputSize(5, { kernel: 2, stride: 2 }), 2)
  assert.is(poolOutputSize(5, { kernel: 2, stride: 2, ceilMode: true }), 3)
  // The third window would start at 4, in the back padding (size + front = 4): dropped.
  assert.is(poolOutputSize(3, { kernel: 2, stride: 2, front: 1, back: 1, ceilMode: true }), 2)
  assert.is(poolOutputSize(7, { kernel: 3, stride: 1, dilation: 3 }), 1)
})

test('operands larger than one binding', async () => {
  const gpu = await testGpu({ maxBinding: 1024 })
  const shape = [1, 2, 5, 6, 8]
  const data = values(sizeOf(shape), 1)
  const o = {
    kernel: [2, 2, 2],
    stride: [2, 2, 2],
    dilation: [1, 1, 1],
    front: [1, 0, 0],
    back: [0, 0, 0],
    ceilMode: false,
    countIncludePad: true,
  }
  for (const [pool, reference] of [
    [maxPool3d, (x: ArrayLike<number>) => maxPoolReference(x, shape, o).y],
    [avgPool3d, (x: ArrayLike<number>) => avgPoolReference(x, shape, o)],
  ] as const) {
    const build = (x: Tensor) => pool(x, { ...o, padding: padding(o) })
    const { outputs, gradients } = await evaluate(gpu, build, [{ shape, data }], { gradient: true })
    assertClose(outputs[0]!, reference(data), pool.name)
    assertGradients(gradients, finiteDifferences(reference, [data], poolShape(shape, o)), pool.name)
  }
  closeGpu(gpu)
})

test('refuses what has no meaning', () => {
  const x = input([1, 1, 4, 4, 4])
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: Error) => e instanceof ShapeError && message.test(e.message))
  refused(() => maxPool3d(x, { kernel: 5 }), /kernel|window of 5/)
  refused(() => maxPool3d(x, { kernel: 2, padding: 2 }), /less padding/)
  refused(() => avgPool3d(x, { kernel: 2, padding: 2 }), /less padding/)
  refused(() => maxPool3d(x, { kernel: 0 }), /kernel/)
  refused(() => maxPool3d(x, { kernel: [2, 2] }), /kernel/)
  refused(() => maxPool3d(x, { kernel: 2, stride: 0 }), /stride/)
  refused(() => maxPool3d(input([4, 4, 4]), { kernel: 2 }), /N, C, D, H, W/)
})

test.run()
