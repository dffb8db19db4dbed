/** Matrix products and dense layers against float64, with gradients. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShapeError } from '../src/engine/errors.ts'
import { dense, matmul } from '../src/engine/ops/dense.ts'
import { input } from '../src/engine/tensor.ts'
import {
  assertClose,
  assertGradients,
  closeTestGpu,
  evaluate,
  finiteDifferences,
  testGpu,
  values,
} from './support/evaluate.ts'

const test = suite('dense')
test.after(closeTestGpu)

function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  p: number,
  q: number,
  r: number,
  ta: boolean,
  tb: boolean,
): Float64Array {
  const y = new Float64Array(p * r)
  for (let i = 0; i < p; i++)
    for (let j = 0; j < r; j++)
      for (let k = 0; k < q; k++) y[i * r + j]! += a[ta ? k * p + i : i * q + k]! * b[tb ? j * q + k : k * r + j]!
  return y
}

test('products and gradients for every transposition', async () => {
  const gpu = await testGpu()
  const sizes = fc.record({
    p: fc.integer({ min: 1, max: 9 }),
    q: fc.integer({ min: 1, max: 150 }),
    r: fc.integer({ min: 1, max: 70 }),
  })
  const property = fc.asyncProperty(sizes, fc.boolean(), fc.boolean(), async ({ p, q, r }, ta, tb) => {
    const a = { shape: ta ? [q, p] : [p, q], data: values(p * q, 1) }
    const b = { shape: tb ? [r, q] : [q, r], data: values(q * r, 2) }
    const run = await evaluate(gpu, (m, n) => matmul(m!, n!, { transposeA: ta, transposeB: tb }), [a, b], {
      gradient: true,
    })
    const label = JSON.stringify({ p, q, r, ta, tb })
    assertClose(run.outputs[0]!, product(a.data, b.data, p, q, r, ta, tb), label)
    const differences = finiteDifferences((m, n) => product(m!, n!, p, q, r, ta, tb), [a.data, b.data], [p, r])
    assertGradients(run.gradients, differences, label)
  })
  await fc.assert(property, { numRuns: 15, seed: 3 })
})

test('a dense layer of a flattened volume, with bias', async () => {
  const gpu = await testGpu()
  const [n, k, m] = [3, 1237, 50]
  const inputs = [
    { shape: [n, k], data: values(n * k, 1) },
    { shape: [m, k], data: values(m * k, 2) },
    { shape: [m], data: values(m, 3) },
  ]
  const run = await evaluate(gpu, (x, w, bias) => dense(x!, w!, bias), inputs)
  const expected = product(inputs[0]!.data, inputs[1]!.data, n, k, m, false, true).map(
    (v, i) => v + inputs[2]!.data[i % m]!,
  )
  assertClose(run.outputs[0]!, expected, 'dense')
})

test('sizes that do not fit are refused', () => {
  assert.throws(
    () => matmul(input([2, 3]), input([4, 5])),
    (e: Error) => e instanceof ShapeError && /3 and 4/.test(e.message),
  )
  assert.throws(() => matmul(input([2, 3, 1]), input([3, 5])), /two matrices/)
})

test.run()
