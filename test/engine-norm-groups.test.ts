/** Group and layer normalisation against their definitions in float64, and their gradients by differences. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShapeError } from '../src/engine/errors.ts'
import { groupNorm, layerNorm } from '../src/engine/ops/norm.ts'
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

const test = suite('group and layer norms')
test.after(closeTestGpu)

const EPSILON = 1e-3

/** Runs of `count` values by their own mean and variance; then gamma and beta at index(k). */
function normalised(
  x: Float64Array,
  gamma: Float64Array,
  beta: Float64Array,
  count: number,
  index: (k: number) => number,
) {
  const y = new Float64Array(x.length)
  for (let start = 0; start < x.length; start += count) {
    const run = x.subarray(start, start + count)
    const mean = run.reduce((a, b) => a + b, 0) / count
    const variance = run.reduce((a, b) => a + (b - mean) ** 2, 0) / count
    run.forEach((v, k) => {
      const at = index(start + k)
      y[start + k] = ((v - mean) / Math.sqrt(variance + EPSILON)) * gamma[at]! + beta[at]!
    })
  }
  return y
}

async function check(
  shape: number[],
  weights: number[],
  build: (x: Parameters<typeof groupNorm>[0], gamma: typeof x, beta: typeof x) => typeof x,
  exact: (x: Float64Array, gamma: Float64Array, beta: Float64Array) => Float64Array,
): Promise<void> {
  const size = (s: number[]) => s.reduce((a, b) => a * b, 1)
  const inputs = [shape, weights, weights].map((s, k) => ({ shape: s, data: values(size(s), 20 + k) }))
  const { outputs, gradients } = await evaluate(await testGpu(), (x, a, b) => build(x!, a!, b!), inputs, {
    gradient: true,
  })
  const reference = exact as (...arrays: Float64Array[]) => Float64Array
  assertClose(outputs[0]!, reference(...inputs.map((i) => Float64Array.from(i.data))), 'values', { relative: 1e-5 })
  const differences = finiteDifferences(
    reference,
    inputs.map((i) => i.data),
    shape,
  )
  assertGradients(gradients, differences, 'gradients', { relative: 3e-4, absolute: 3e-5 })
}

test('groupNorm', () =>
  check(
    [2, 6, 2, 3, 4],
    [6],
    (x, gamma, beta) => groupNorm(x, { groups: 3, gamma, beta, epsilon: EPSILON }),
    (x, gamma, beta) => normalised(x, gamma, beta, 48, (k) => Math.floor(k / 24) % 6),
  ))

test('layerNorm over the last two axes', () =>
  check(
    [2, 3, 4, 5],
    [4, 5],
    (x, gamma, beta) => layerNorm(x, { axes: 2, gamma, beta, epsilon: EPSILON }),
    (x, gamma, beta) => normalised(x, gamma, beta, 20, (k) => k % 20),
  ))

test('what does not fit is refused', () => {
  const [x, four, six] = [input([1, 4, 6]), input([4]), input([6])]
  const refused = (f: () => unknown, message: RegExp) =>
    assert.throws(f, (e: Error) => e instanceof ShapeError && message.test(e.message))
  refused(() => groupNorm(x, { groups: 3, gamma: four, beta: four }), /3 groups do not divide 4 channels/)
  refused(() => groupNorm(input([1, 4]), { groups: 4, gamma: four, beta: four }), /one value for each mean/)
  refused(() => layerNorm(x, { axes: 1, gamma: four, beta: four }), /layerNorm: 1 axes of 1x4x6/)
  refused(() => layerNorm(x, { axes: 3, gamma: six, beta: six }), /layerNorm: 3 axes/)
})

test.run()
