/** Sums and means over random axes, short and long, and their gradients. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShapeError } from '../src/engine/errors.ts'
import { channelSum, mean, sum } from '../src/engine/ops/reduce.ts'
import { input, sizeOf } from '../src/engine/tensor.ts'
import {
  assertClose,
  assertGradients,
  closeTestGpu,
  evaluate,
  finiteDifferences,
  testGpu,
  values,
} from './support/evaluate.ts'
import { sumOver } from './support/reference/elementwise.ts'

const test = suite('reduce')
test.after(closeTestGpu)

const cases = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.boolean()), { minLength: 1, maxLength: 5 })
  .map((axes) => ({ shape: axes.map(([d]) => d), axes: axes.flatMap(([, reduced], k) => (reduced ? [k] : [])) }))

test('sums over any axes', async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, axes }) => {
      const data = values(sizeOf(shape), 7)
      const { outputs, gradients } = await evaluate(gpu, (x) => sum(x!, axes, 0.5), [{ shape, data }], {
        gradient: true,
      })
      const exact = (x: ArrayLike<number>) => sumOver(x, shape, axes).map((s) => 0.5 * s)
      const kept = shape.filter((_, k) => !axes.includes(k))
      assertClose(outputs[0]!, exact(data), `sum of ${shape} over ${axes}`)
      assertGradients(gradients, finiteDifferences(exact, [data], kept), 'sum')
    }),
    { seed: 4, numRuns: 15 },
  )
})

test('long sums: one chunk, several chunks, kept axes before, between and after', async () => {
  const gpu = await testGpu()
  const long: [number[], number[]][] = [
    [[4096], [0]],
    [[4097], [0]],
    [[3, 9001], [1]],
    [[9001, 3], [0]],
    [
      [5, 3, 70, 61],
      [0, 2, 3],
    ],
    [
      [2, 3, 5000, 2],
      [0, 2],
    ],
    [[300007], [0]],
  ]
  for (const [shape, axes] of long) {
    const data = values(sizeOf(shape), 8)
    const { outputs } = await evaluate(gpu, (x) => sum(x!, axes), [{ shape, data }])
    assertClose(outputs[0]!, sumOver(data, shape, axes), `sum of ${shape} over ${axes}`)
  }
})

test('a long sum of equal numbers keeps its digits', async () => {
  const data = new Float32Array(2 ** 20).fill(0.1)
  const { outputs } = await evaluate(await testGpu(), (x) => mean(x!), [{ shape: [2 ** 20], data }])
  assert.ok(Math.abs(outputs[0]![0]! - 0.1) < 1e-7, `mean is ${outputs[0]![0]}`)
})

test('means and channel sums', async () => {
  const gpu = await testGpu()
  const shape = [2, 3, 4, 5]
  const data = values(sizeOf(shape), 9)
  const m = await evaluate(gpu, (x) => mean(x!, [0, 2]), [{ shape, data }], { gradient: true })
  const exactMean = (x: ArrayLike<number>) => sumOver(x, shape, [0, 2]).map((s) => s / 8)
  assertClose(m.outputs[0]!, exactMean(data), 'mean')
  assertGradients(m.gradients, finiteDifferences(exactMean, [data], [3, 5]), 'mean')
  const c = await evaluate(gpu, (x) => channelSum(x!), [{ shape, data }])
  assertClose(c.outputs[0]!, sumOver(data, shape, [0, 2, 3]), 'channelSum')
})

test('the same bits every time', async () => {
  const gpu = await testGpu()
  const x = { shape: [3, 20011], data: values(60033, 10) }
  const [first, second] = [await evaluate(gpu, (t) => sum(t!, [1]), [x]), await evaluate(gpu, (t) => sum(t!, [1]), [x])]
  assert.equal(first.outputs[0], second.outputs[0])
})

test('refuses axes it cannot sum', () => {
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: unknown) => e instanceof ShapeError && message.test(e.message))
  refused(() => sum(input([2, 3]), [2]), /axes \[2\] of a tensor of 2x3/)
  refused(() => sum(input([2, 2, 2, 2, 2, 2, 2, 2]), [0, 2, 4, 6]), /alternate too often/)
})

test.run()
