/** Dropout: what is dropped, how often, and that the gradient drops the same. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { advance, dropout, dropoutSeed } from '../src/engine/ops/dropout.ts'
import { affine, fill } from '../src/engine/ops/elementwise.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { input, type Tensor } from '../src/engine/tensor.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('dropout')
test.after(closeTestGpu)

const COUNT = 64 * 1024

/** Runs dropout on ones for some steps; the masks (1 kept, 0 dropped), one a step, and the gradients. */
async function masks(seed: Tensor, rate: number, { steps = 1, stream = 0 } = {}) {
  const gpu = await testGpu()
  const x = input([2, 4, 32, 16, 16])
  const y = dropout(affine(x, 1), { rate, seed, stream })
  const [dx] = backward(sum(y), [x])
  const program = await compile(gpu, { y, dx: dx! }, { effects: [advance(seed)] })
  program.write(x, new Float32Array(COUNT).fill(1))
  const found: Float32Array[] = []
  for (let k = 0; k < steps; k++) {
    program.run()
    found.push(await program.read(y))
    assert.equal(await program.read(dx!), found[k], 'the gradient drops and scales the same elements')
  }
  program.destroy()
  return found
}

const kept = (mask: Float32Array) => mask.reduce((n, v) => n + (v === 0 ? 0 : 1), 0) / mask.length

test('elements are dropped at the rate and the rest scaled by 1 / (1 - rate)', async () => {
  for (const rate of [0.1, 0.5, 0.9]) {
    const [mask] = await masks(dropoutSeed(5), rate)
    const scale = Math.fround(1 / (1 - rate))
    assert.ok(mask!.every((v) => v === 0 || Math.abs(v - scale) < 1e-6 * scale))
    // Five standard deviations of a binomial.
    assert.ok(Math.abs(kept(mask!) - (1 - rate)) < 5 * Math.sqrt((rate * (1 - rate)) / COUNT), `kept ${kept(mask!)}`)
  }
})

/** Share of elements where two masks agree; one half for independent masks at rate one half. */
const agreement = (a: Float32Array, b: Float32Array) => a.reduce((n, v, i) => n + (v === b[i] ? 1 : 0), 0) / a.length
const independent = (a: Float32Array, b: Float32Array) => Math.abs(agreement(a, b) - 0.5) < 5 * Math.sqrt(0.25 / COUNT)

test('the same seed gives the same bits; seeds, steps and streams are independent', async () => {
  const first = await masks(dropoutSeed(7), 0.5, { steps: 3 })
  const again = await masks(dropoutSeed(7), 0.5, { steps: 3 })
  assert.equal(again, first)
  const [other] = await masks(dropoutSeed(8), 0.5)
  const [stream] = await masks(dropoutSeed(7), 0.5, { stream: 1 })
  for (const mask of [first[1]!, first[2]!, other!, stream!]) assert.ok(independent(first[0]!, mask))
})

test('neighbours along every axis are independent', async () => {
  const [mask] = await masks(dropoutSeed(1), 0.5)
  for (const distance of [1, 2, 16, 256, 8192]) {
    assert.ok(
      independent(
        mask!,
        Float32Array.from(mask!, (_, i) => mask![(i + distance) % COUNT]!),
      ),
      `distance ${distance}`,
    )
  }
})

test('a frozen program still draws new numbers each step', async () => {
  const gpu = await testGpu()
  const seed = dropoutSeed(3)
  const y = dropout(fill([1024], 1), { rate: 0.5, seed })
  const program = await compile(gpu, { y }, { frozen: true, effects: [advance(seed)] })
  program.run()
  const before = await program.read(y)
  program.run()
  assert.not.equal(await program.read(y), before)
  program.destroy()
})

test('rate 0 is x itself; other rates and seeds are refused', () => {
  const x = input([3])
  const seed = dropoutSeed(1)
  assert.is(dropout(x, { rate: 0, seed }), x)
  for (const rate of [1, -0.1, Number.NaN])
    assert.throws(
      () => dropout(x, { rate, seed }),
      (e: Error) => e instanceof ShapeError,
    )
  assert.throws(
    () => dropout(x, { rate: 0.5, seed: input([2]) }),
    (e: Error) => e instanceof ShapeError,
  )
  assert.throws(
    () => advance(input([3], 'seed', 'u32')),
    (e: Error) => e instanceof ShapeError,
  )
})

test.run()
