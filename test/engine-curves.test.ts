/** exp, log, sqrt, softplus, step and gathers against their definitions, and their gradients by differences. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShapeError } from '../src/engine/errors.ts'
import { exponential, logarithm, softplus, squareRoot, step } from '../src/engine/ops/elementwise.ts'
import { gather } from '../src/engine/ops/gather.ts'
import { input, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import {
  assertClose,
  assertGradients,
  closeTestGpu,
  evaluate,
  finiteDifferences,
  testGpu,
  values,
} from './support/evaluate.ts'

const test = suite('curves and gathers')
test.after(closeTestGpu)

const exactSoftplus = (v: number) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
const curves: [string, (x: Tensor) => Tensor, (v: number) => number, (v: number) => number][] = [
  ['exp', exponential, Math.exp, (v) => 5 * v],
  ['log', logarithm, Math.log, (v) => 3 + 2.9 * v],
  ['sqrt', squareRoot, Math.sqrt, (v) => 3 + 2.9 * v],
  ['softplus', softplus, exactSoftplus, (v) => 9 * v],
]

for (const [name, build, exact, place] of curves) {
  test(name, async () => {
    const data = values(300, 4).map(place)
    const reference = (x: ArrayLike<number>) => Float64Array.from(x, exact)
    const { outputs, gradients } = await evaluate(await testGpu(), (x) => build(x!), [{ shape: [3, 100], data }], {
      gradient: true,
    })
    // Element by element: softplus is small far below zero.
    const found = outputs[0]!.map((v, k) => v / exact(data[k]!))
    if (name !== 'log') assertClose(found, new Float32Array(300).fill(1), name, { relative: 1e-5, absolute: 0 })
    assertClose(outputs[0]!, reference(data), name)
    assertGradients(gradients, finiteDifferences(reference, [data], [3, 100]), name)
  })
}

test('softplus at its ends, and the slope of a root at zero', async () => {
  const gpu = await testGpu()
  const far = Float32Array.of(-100, -30, -4, 0, 30, 100)
  const { outputs } = await evaluate(gpu, (x) => softplus(x!), [{ shape: [6], data: far }])
  assertClose(outputs[0]!, [0, Math.exp(-30), exactSoftplus(-4), Math.LN2, 30, 100], 'softplus', {
    relative: 0,
    absolute: 1e-5,
  })
  const zero = await evaluate(gpu, (x) => squareRoot(x!), [{ shape: [1], data: Float32Array.of(0) }], {
    gradient: true,
  })
  assert.equal([zero.outputs[0]![0], zero.gradients[0]![0]], [0, 0])
})

test('step has values and no gradient', async () => {
  const build = (x: Tensor) => [step(x)]
  const { outputs } = await evaluate(await testGpu(), (x) => build(x!), [
    { shape: [4], data: Float32Array.of(-1, 0, 1e-9, 3) },
  ])
  assert.equal([...outputs[0]!], [0, 0, 1, 1])
})

test('gathers along any axis; what is picked twice gets both gradients', async () => {
  const gpu = await testGpu()
  const cases = fc
    .array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 5 })
    .chain((shape) =>
      fc
        .nat({ max: shape.length - 1 })
        .chain((axis) =>
          fc
            .array(fc.nat({ max: shape[axis]! - 1 }), { minLength: 1, maxLength: 8 })
            .map((indices) => ({ shape, axis, indices })),
        ),
    )
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, axis, indices }) => {
      const data = values(sizeOf(shape), 8)
      const to = shape.with(axis, indices.length)
      const inner = sizeOf(shape.slice(axis + 1))
      const exact = (x: ArrayLike<number>) =>
        Float64Array.from({ length: sizeOf(to) }, (_, k) => {
          const outer = Math.floor(k / (inner * indices.length))
          return x[(outer * shape[axis]! + indices[Math.floor(k / inner) % indices.length]!) * inner + (k % inner)]!
        })
      const { outputs, gradients } = await evaluate(gpu, (x) => gather(x!, axis, indices), [{ shape, data }], {
        gradient: true,
      })
      assertClose(outputs[0]!, exact(data), 'gather', { relative: 0, absolute: 0 })
      assertGradients(gradients, finiteDifferences(exact, [data], to), 'gather')
    }),
    { seed: 6, numRuns: 10 },
  )
  assert.throws(
    () => gather(input([2, 3]), 1, [0, 3]),
    (e: Error) => e instanceof ShapeError && /within the axis/.test(e.message),
  )
  assert.throws(
    () => gather(input([2, 3]), 2, [0]),
    (e: Error) => e instanceof ShapeError,
  )
})

test.run()
