/** Softmax, cross-entropy and class selection with their gradients against float64. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { crossEntropy } from '../src/engine/ops/loss.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { select } from '../src/engine/ops/select.ts'
import { logSoftmax, softmax } from '../src/engine/ops/softmax.ts'
import { constant, input, type Shape, sizeOf } from '../src/engine/tensor.ts'
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
import { crossEntropyReference, logSoftmaxReference } from './support/reference/softmax.ts'

const test = suite('softmax')
test.after(closeTestGpu)

const size = (max: number) => fc.integer({ min: 1, max })

for (const [name, build, finish] of [
  ['softmax', softmax, Math.exp],
  ['logSoftmax', logSoftmax, (v: number) => v],
] as const) {
  test(`${name}: values and gradient over [N, K] and [N, K, ...]`, async () => {
    const gpu = await testGpu()
    const shapes = fc
      .tuple(size(4), size(7), fc.array(size(4), { maxLength: 3 }))
      .map(([n, k, rest]) => [n, k, ...rest] as Shape)
    await fc.assert(
      fc.asyncProperty(shapes, size(1000), async (shape, seed) => {
        const data = values(sizeOf(shape), seed).map((v) => 6 * v)
        const reference = (x: ArrayLike<number>) =>
          logSoftmaxReference(x, shape[0]!, shape[1]!, sizeOf(shape.slice(2))).map(finish)
        const { outputs, gradients } = await evaluate(gpu, build, [{ shape, data }], { gradient: true })
        assertClose(outputs[0]!, reference(data), name)
        assertGradients(gradients, finiteDifferences(reference, [data], shape), name)
      }),
      { seed: 6, numRuns: 8 },
    )
  })
}

test('softmax of huge logits neither overflows nor divides by zero', async () => {
  const gpu = await testGpu()
  const data = Float32Array.of(1e30, -1e30, 1e30, 300, 200, -3e38)
  const { outputs } = await evaluate(gpu, softmax, [{ shape: [2, 3], data }])
  assertClose(outputs[0]!, [0.5, 0, 0.5, 1, Math.exp(-100), 0], 'softmax')
})

const losses = fc
  .record({
    rows: size(70),
    classes: fc.integer({ min: 2, max: 5 }),
    seed: size(1000),
    reduction: fc.constantFrom('mean', 'sum'),
  })
  .chain((o) =>
    fc
      .array(fc.integer({ min: -1, max: o.classes }), { minLength: o.rows, maxLength: o.rows })
      .map((labels) => ({ ...o, labels })),
  )

test('crossEntropy: weighted mean and sum, labels as f32 and u32, those that are no class ignored', async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(
      losses,
      fc.boolean(),
      fc.boolean(),
      async ({ rows, classes, seed, reduction, labels }, floats, weighted) => {
        const data = values(rows * classes, seed).map((v) => 5 * v)
        const w = weighted ? values(classes, seed + 1).map((v) => v + 1.1) : new Float32Array(classes).fill(1)
        const held = floats ? Float32Array.from(labels) : Uint32Array.from(labels)
        const options = {
          reduction: reduction as 'mean' | 'sum',
          ...(weighted ? { weights: constant([classes], w) } : {}),
        }
        const shape = [rows, classes]
        const x = input(shape)
        const y = input([rows], 'labels', floats ? 'f32' : 'u32')
        const loss = crossEntropy(x, y, options)
        const [dx] = backward(loss, [x])
        const program = await compile(gpu, { loss, dx: dx! })
        program.write(x, data)
        program.write(y, held)
        program.run()
        const reference = (z: ArrayLike<number>) => crossEntropyReference(z, labels, w, options.reduction)
        assertClose(await program.read(loss), [reference(data)], 'loss')
        const scale = gradientWeights([])[0]!
        const differences = finiteDifferences((z) => Float64Array.of(reference(z)), [data], [])
        const scaled = differences.map((list) =>
          list.map(({ index, derivative }) => ({ index, derivative: derivative / scale })),
        )
        assertGradients([await program.read(dx!)], scaled, 'gradient of the loss')
        program.destroy()
      },
    ),
    { seed: 7, numRuns: 10 },
  )
})

test('crossEntropy: bad labels never crash; without any label the loss and its gradient are 0', async () => {
  const gpu = await testGpu()
  const x = input([4, 2])
  const labels = input([4], 'labels')
  const loss = crossEntropy(x, labels)
  const [dx] = backward(loss, [x])
  const program = await compile(gpu, { loss, dx: dx! })
  program.write(x, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8))
  program.write(labels, Float32Array.of(Number.NaN, 1e30, -100, Infinity))
  program.run()
  assert.equal([...(await program.read(loss))], [0])
  assert.equal([...(await program.read(dx!))], new Array(8).fill(0))
  program.write(labels, Float32Array.of(Number.NaN, 1, -0.5, 2))
  program.run()
  assertClose(await program.read(loss), [Math.log(1 + Math.exp(-1))], 'one label left')
  program.destroy()
})

test('crossEntropy of a sure and a wrong prediction is finite and exact', async () => {
  const gpu = await testGpu()
  const data = Float32Array.of(200, -200, -300, 300)
  const build = (x: ReturnType<typeof input>) =>
    crossEntropy(x, constant([2], Uint32Array.of(0, 0)), { reduction: 'sum' })
  const { outputs } = await evaluate(gpu, build, [{ shape: [2, 2], data }])
  assertClose(outputs[0]!, [600], 'loss')
})

test('select: one class for all rows, or one a row that changes between runs', async () => {
  const gpu = await testGpu()
  const shape = [3, 4]
  const data = values(12, 1)
  const fixed = await evaluate(gpu, (x) => select(x, 2), [{ shape, data }], { gradient: true })
  assert.equal([...fixed.outputs[0]!], [data[2], data[6], data[10]])
  const w = gradientWeights([3])
  assert.equal([...fixed.gradients[0]!], [0, 0, w[0], 0, 0, 0, w[1], 0, 0, 0, w[2], 0])

  const x = input(shape)
  const target = input([3], 'target', 'u32')
  const y = select(x, target)
  const [dx] = backward(sum(y), [x])
  const program = await compile(gpu, { y, dx: dx! })
  program.write(x, data)
  for (const classes of [
    [0, 3, 1],
    [2, 2, 9],
  ]) {
    program.write(target, Uint32Array.from(classes))
    program.run()
    assert.equal(
      [...(await program.read(y))],
      classes.map((k, n) => (k < 4 ? data[4 * n + k] : 0)),
    )
    assert.equal(
      [...(await program.read(dx!))],
      classes.flatMap((k) => [0, 1, 2, 3].map((j) => (j === k ? 1 : 0))),
    )
  }
  program.destroy()
})

test('refuses what does not fit', () => {
  const x = input([3, 4])
  const weights = input([4])
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: Error) => e instanceof ShapeError && message.test(e.message))
  refused(() => select(x, 4), /class 4/)
  refused(() => crossEntropy(x, input([2])), /3 labels/)
  refused(() => crossEntropy(x, input([3]), { weights: input([3]) }), /4 weights/)
  refused(() => softmax(input([3])), /N, K/)
  refused(() => backward(crossEntropy(x, input([3]), { weights }), [weights]), /logits only/)
})

test.run()
