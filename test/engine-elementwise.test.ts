/** Every elementwise operation and its gradient against float64, over random shapes. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShapeError } from '../src/engine/errors.ts'
import * as ops from '../src/engine/ops/elementwise.ts'
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
import { binary, combine, perChannel, unary } from './support/reference/elementwise.ts'

const test = suite('elementwise')
test.after(closeTestGpu)

const shapes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 0, maxLength: 5 })

const unaryCases: [string, (x: Tensor) => Tensor, (v: number) => number][] = [
  ['relu', ops.relu, unary.relu],
  ['leakyRelu', (x) => ops.leakyRelu(x, 0.2), (v) => unary.leakyRelu(v, 0.2)],
  ['elu', (x) => ops.elu(x, 0.7), (v) => unary.elu(v, 0.7)],
  ['sigmoid', ops.sigmoid, unary.sigmoid],
  ['tanh', ops.tanh, unary.tanh],
  ['absolute', ops.absolute, unary.absolute],
  ['clamp', (x) => ops.clamp(x, -0.3, 0.6), (v) => unary.clamp(v, -0.3, 0.6)],
  ['affine', (x) => ops.affine(x, -1.7, 0.3), (v) => unary.affine(v, -1.7, 0.3)],
  ['inverseSqrt', (x) => ops.inverseSqrt(ops.multiply(x, x), 0.1), (v) => unary.inverseSqrt(v * v, 0.1)],
]

for (const [name, build, reference] of unaryCases) {
  test(name, async () => {
    const gpu = await testGpu()
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 1, max: 1000 }), async (shape, seed) => {
        const data = values(sizeOf(shape), seed).map((v) => 3 * v)
        const { outputs, gradients } = await evaluate(gpu, build, [{ shape, data }], { gradient: true })
        const exact = (x: Float64Array) => x.map(reference)
        assertClose(outputs[0]!, exact(Float64Array.from(data)), name)
        assertGradients(gradients, finiteDifferences(exact, [data], shape), name)
      }),
      { seed: 1, numRuns: 4 },
    )
  })
}

const pairs = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom('both', 'a', 'b')), { minLength: 1, maxLength: 5 })
  .chain((axes) => {
    const full = axes.map(([d]) => d)
    const a = axes.map(([d, who]) => (who === 'b' ? 1 : d))
    const b = axes.map(([d, who]) => (who === 'a' ? 1 : d))
    const missing = fc.nat({ max: axes.length })
    return missing.map((n) => ({
      shape: full.map((_, k) => Math.max(a[k]!, k < n ? 1 : b[k]!)),
      a: a as Shape,
      b: b.slice(n) as Shape,
    }))
  })
  .filter(({ a }) => alternations(a) < 5)

/** How often an axis of size 1 follows a larger one or the reverse: sums take at most three alternations of each. */
function alternations(shape: Shape): number {
  return shape.filter((d, k) => k > 0 && (d === 1) !== (shape[k - 1] === 1)).length
}

const binaryCases: [string, (a: Tensor, b: Tensor) => Tensor, (a: number, b: number) => number][] = [
  ['add', ops.add, binary.add],
  ['subtract', ops.subtract, binary.subtract],
  ['multiply', ops.multiply, binary.multiply],
  ['divide', ops.divide, binary.divide],
]

for (const [name, build, reference] of binaryCases) {
  test(`${name} with broadcasting`, async () => {
    const gpu = await testGpu()
    await fc.assert(
      fc.asyncProperty(pairs, async ({ shape, a, b }) => {
        const p = { shape: a, data: values(sizeOf(a), 1) }
        const away = (v: number) => (v < 0 ? v - 0.5 : v + 0.5)
        const q = { shape: b, data: values(sizeOf(b), 2).map(away) }
        const { outputs, gradients } = await evaluate(gpu, (s, t) => build(s!, t!), [p, q], { gradient: true })
        const exact = (s: ArrayLike<number>, t: ArrayLike<number>) =>
          combine(reference, { shape: a, data: s }, { shape: b, data: t }, shape)
        assertClose(outputs[0]!, exact(p.data, q.data), name)
        assertGradients(gradients, finiteDifferences(exact, [p.data, q.data], shape), name)
      }),
      { seed: 2, numRuns: 6 },
    )
  })
}

const channelCases: [string, (...t: Tensor[]) => Tensor, (v: number, ...vectors: number[]) => number, number][] = [
  ['channelScale', (x, s) => ops.channelScale(x!, s!), (v, s) => v * s!, 1],
  ['channelShift', (x, s) => ops.channelShift(x!, s!), (v, s) => v + s!, 1],
  ['channelAffine', (x, s, t) => ops.channelAffine(x!, s!, t!), (v, s, t) => v * s! + t!, 2],
  ['prelu', (x, s) => ops.prelu(x!, s!), (v, s) => (v > 0 ? v : s! * v), 1],
]

for (const [name, build, reference, vectors] of channelCases) {
  test(name, async () => {
    const gpu = await testGpu()
    const ranks = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(ranks, async (shape) => {
        const x = { shape, data: values(sizeOf(shape), 3) }
        const others = Array.from({ length: vectors }, (_, k) => ({
          shape: [shape[1]!],
          data: values(shape[1]!, 4 + k),
        }))
        const { outputs, gradients } = await evaluate(gpu, build, [x, ...others], { gradient: true })
        const exact = (v: ArrayLike<number>, ...rest: ArrayLike<number>[]) => perChannel(reference, v, shape, ...rest)
        const data = [x, ...others].map((t) => t.data)
        assertClose(outputs[0]!, exact(data[0]!, ...data.slice(1)), name)
        assertGradients(gradients, finiteDifferences(exact, data, shape), name)
      }),
      { seed: 3, numRuns: 5 },
    )
  })
}

test('prelu with one slope for all channels', async () => {
  const gpu = await testGpu()
  const x = { shape: [2, 3, 5], data: values(30) }
  const slope = { shape: [1], data: Float32Array.of(0.3) }
  const { outputs, gradients } = await evaluate(gpu, (v, s) => ops.prelu(v!, s!), [x, slope], { gradient: true })
  const exact = (v: Float64Array, s: Float64Array) => v.map((e) => (e > 0 ? e : s[0]! * e))
  assertClose(outputs[0]!, exact(Float64Array.from(x.data), Float64Array.of(0.3)), 'prelu')
  assertGradients(gradients, finiteDifferences(exact, [x.data, slope.data], x.shape), 'prelu')
})

test('fill', async () => {
  const { outputs } = await evaluate(await testGpu(), () => ops.fill([3, 5], -2.5), [])
  assert.equal([...outputs[0]!], new Array(15).fill(-2.5))
})

test('large arguments stay finite and reach the limits', async () => {
  const gpu = await testGpu()
  const data = Float32Array.of(-1e30, -1000, -100, 0, 100, 1000, 1e30)
  const run = async (build: (x: Tensor) => Tensor) =>
    (await evaluate(gpu, (x) => build(x!), [{ shape: [7], data }])).outputs[0]!
  assertClose(await run(ops.sigmoid), [0, 0, 0, 0.5, 1, 1, 1], 'sigmoid', { relative: 1e-6 })
  assertClose(await run(ops.tanh), [-1, -1, -1, 0, 1, 1, 1], 'tanh', { relative: 1e-6 })
  assertClose((await run((x) => ops.elu(x, 2))).subarray(0, 4), [-2, -2, -2, 0], 'elu', { relative: 1e-6 })
})

test('tanh keeps its digits near zero', async () => {
  const data = Float32Array.from({ length: 64 }, (_, k) => 10 ** (-k / 8))
  const { outputs } = await evaluate(await testGpu(), (x) => ops.tanh(x!), [{ shape: [64], data }])
  data.forEach((v, k) => {
    assert.ok(Math.abs(outputs[0]![k]! / Math.tanh(v) - 1) < 1e-5, `tanh(${v}) is ${outputs[0]![k]}`)
  })
})

test('gradients at the corners: 0 for relu and absolute at 0, 1 for clamp at its bounds', async () => {
  const gpu = await testGpu()
  const at = async (build: (x: Tensor) => Tensor, data: Float32Array) => {
    const { gradients } = await evaluate(gpu, (x) => build(x!), [{ shape: [data.length], data }], { gradient: true })
    const arriving = gradientWeights([data.length])
    return [...gradients[0]!].map((g, k) => Math.abs(g / arriving[k]!))
  }
  assert.equal(await at(ops.relu, Float32Array.of(0, 1)), [0, 1])
  assert.equal(await at(ops.absolute, Float32Array.of(0, -1)), [0, 1])
  assert.equal(await at((x) => ops.clamp(x, 0, 1), Float32Array.of(-0.5, 0, 1, 1.5)), [0, 1, 1, 0])
})

test('refuses what does not fit', () => {
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: unknown) => e instanceof ShapeError && message.test(e.message))
  refused(() => ops.add(input([2, 3]), input([2, 4])), /2x3 and 2x4 do not broadcast/)
  refused(() => ops.leakyRelu(input([1]), -0.1), /slope must not be negative, got -0.1/)
  refused(() => ops.elu(input([1]), -1), /alpha must not be negative/)
  refused(() => ops.channelScale(input([1, 4, 2]), input([3])), /4 channels but a vector of 3/)
  refused(() => input([2, 0]), /positive integer, got \[2,0\]/)
})

test.run()
