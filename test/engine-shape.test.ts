/** Reshape, concat, slice, pad, transpose and flip against their definitions, with gradients and with fused epilogues. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShapeError } from '../src/engine/errors.ts'
import { broadcastTo } from '../src/engine/ops/broadcast.ts'
import { leakyRelu } from '../src/engine/ops/elementwise.ts'
import { concat, flatten, flip, pad, reshape, slice, transpose } from '../src/engine/ops/shape.ts'
import { input, type Shape, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import {
  assertClose,
  assertGradients,
  closeTestGpu,
  evaluate,
  finiteDifferences,
  testGpu,
  values,
} from './support/evaluate.ts'
import { broadcast } from './support/reference/elementwise.ts'
import * as reference from './support/reference/shape.ts'

const test = suite('shape')
test.after(closeTestGpu)

const seed = 11
const shapes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }).filter((s) => sizeOf(s) <= 2000)

/** Compares values bit by bit and gradients with finite differences, and checks that an activation may ride on it. */
async function check(
  label: string,
  build: (...x: Tensor[]) => Tensor,
  exact: (...x: ArrayLike<number>[]) => Float64Array,
  inputShapes: readonly Shape[],
  shape: Shape,
): Promise<void> {
  const gpu = await testGpu()
  const inputs = inputShapes.map((s, k) => ({ shape: s, data: values(sizeOf(s), 20 + k) }))
  const data = inputs.map((x) => x.data)
  const { outputs, gradients } = await evaluate(gpu, build, inputs, { gradient: true })
  assert.equal(outputs[0], Float32Array.from(exact(...data)), label)
  assertGradients(gradients, finiteDifferences(exact, data, shape), label)
  const active = await evaluate(gpu, (...x) => leakyRelu(build(...x), 0.5), inputs)
  assert.equal(
    active.outputs[0],
    outputs[0]!.map((v) => (v > 0 ? v : 0.5 * v)),
    `${label} with an activation`,
  )
}

test('concat', async () => {
  const cases = fc
    .tuple(shapes, fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 4 }))
    .chain(([shape, sizes]) => fc.nat({ max: shape.length - 1 }).map((axis) => ({ shape, sizes, axis })))
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, sizes, axis }) => {
      const parts = sizes.map((size) => shape.map((d, k) => (k === axis ? size : d)))
      const total = shape.map((d, k) => (k === axis ? sizes.reduce((a, b) => a + b) : d))
      const exact = (...x: ArrayLike<number>[]) =>
        reference.concat(
          x.map((data, k) => ({ shape: parts[k]!, data })),
          axis,
        )
      await check(`concat ${parts.join(' ')} along ${axis}`, (...x) => concat(x, axis), exact, parts, total)
    }),
    { seed, numRuns: 8 },
  )
})

test('slice with steps', async () => {
  const axis = fc
    .record({
      start: fc.nat(3),
      size: fc.integer({ min: 1, max: 4 }),
      step: fc.integer({ min: 1, max: 3 }),
      rest: fc.nat(2),
    })
    .map(({ start, size, step, rest }) => ({ start, size, step, whole: start + (size - 1) * step + 1 + rest }))
  await fc.assert(
    fc.asyncProperty(fc.array(axis, { minLength: 1, maxLength: 4 }), async (axes) => {
      const shape = axes.map((a) => a.whole)
      const starts = axes.map((a) => a.start)
      const sizes = axes.map((a) => a.size)
      const steps = axes.map((a) => a.step)
      const exact = (x: ArrayLike<number>) => reference.slice({ shape, data: x }, starts, sizes, steps)
      await check(`slice ${shape}`, (x) => slice(x!, starts, sizes, steps), exact, [shape], sizes)
    }),
    { seed, numRuns: 8 },
  )
})

test('pad', async () => {
  const axis = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(2), fc.nat(2))
  await fc.assert(
    fc.asyncProperty(fc.array(axis, { minLength: 1, maxLength: 5 }), fc.constantFrom(0, -0.5), async (axes, value) => {
      const shape = axes.map(([d]) => d)
      const front = axes.map(([, f]) => f)
      const back = axes.map(([, , b]) => b)
      const exact = (x: ArrayLike<number>) => reference.pad({ shape, data: x }, front, back, value)
      const padded = shape.map((d, k) => d + front[k]! + back[k]!)
      await check(`pad ${shape}`, (x) => pad(x!, { front, back, value }), exact, [shape], padded)
    }),
    { seed, numRuns: 8 },
  )
})

test('transpose and flip', async () => {
  const cases = shapes.chain((shape) => {
    const axes = shape.map((_, k) => k)
    const order = fc.shuffledSubarray(axes, { minLength: shape.length })
    return fc.tuple(order, fc.subarray(axes)).map(([order, flipped]) => ({ shape, order, flipped }))
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ shape, order, flipped }) => {
      const exactOrder = (x: ArrayLike<number>) => reference.transpose({ shape, data: x }, order)
      const moved = order.map((a) => shape[a]!)
      await check(`transpose ${shape} to ${order}`, (x) => transpose(x!, order), exactOrder, [shape], moved)
      const exactFlip = (x: ArrayLike<number>) => reference.flip({ shape, data: x }, flipped)
      await check(`flip ${shape} at ${flipped}`, (x) => flip(x!, flipped), exactFlip, [shape], shape)
    }),
    { seed, numRuns: 6 },
  )
})

test('broadcast, reshape and flatten', async () => {
  const to = [2, 3, 2, 4]
  const exact = (x: ArrayLike<number>) => broadcast(x, [3, 1, 4], to)
  await check('broadcast', (x) => broadcastTo(x!, to), exact, [[3, 1, 4]], to)
  const same = (x: ArrayLike<number>) => Float64Array.from(x)
  await check('flatten', (x) => flatten(reshape(x!, [3, 2, 4])), same, [[4, 6]], [3, 8])
})

test('a chain of moves has the gradient of the whole', async () => {
  const shape = [2, 3, 4, 5]
  const moved = (x: Tensor) =>
    concat(
      [
        transpose(slice(x, [0, 1, 0, 0], [2, 2, 4, 5]), [3, 1, 2, 0]),
        flip(pad(reshape(x, [5, 3, 4, 2]), { front: [0, 0, 0, 0], back: [0, 1, 0, 0] }), [0]),
      ],
      1,
    )
  const exact = (x: ArrayLike<number>) => {
    const cut = {
      shape: [2, 2, 4, 5],
      data: reference.slice({ shape, data: x }, [0, 1, 0, 0], [2, 2, 4, 5], [1, 1, 1, 1]),
    }
    const a = { shape: [5, 2, 4, 2], data: reference.transpose(cut, [3, 1, 2, 0]) }
    const padded = {
      shape: [5, 4, 4, 2],
      data: reference.pad({ shape: [5, 3, 4, 2], data: x }, [0, 0, 0, 0], [0, 1, 0, 0], 0),
    }
    return reference.concat([a, { shape: padded.shape, data: reference.flip(padded, [0]) }], 1)
  }
  const data = values(120, 5)
  const { outputs, gradients } = await evaluate(await testGpu(), (x) => moved(x!), [{ shape, data }], {
    gradient: true,
  })
  assertClose(outputs[0]!, exact(data), 'chain')
  assertGradients(gradients, finiteDifferences(exact, [data], [5, 6, 4, 2]), 'chain')
})

test('moves that change nothing are the tensor itself', () => {
  const x = input([2, 3])
  for (const same of [
    reshape(x, [2, 3]),
    concat([x], 0),
    slice(x, [0, 0], [2, 3]),
    transpose(x, [0, 1]),
    flip(x, []),
  ]) {
    assert.is(same, x)
  }
  assert.is(pad(x, { front: [0, 0], back: [0, 0] }), x)
})

test('refuses what does not fit', () => {
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: unknown) => e instanceof ShapeError && message.test(e.message), `${message}`)
  const x = input([2, 3])
  refused(() => reshape(x, [7]), /cannot reshape 2x3 to 7/)
  refused(() => concat([], 0), /no tensors/)
  refused(() => concat([x, input([3, 3])], 1), /2x3 and 3x3 differ outside axis 1/)
  refused(() => concat([x, x], 2), /axis 2 of a tensor of 2x3/)
  refused(() => slice(x, [0, 1], [2, 3]), /starts \[0,1\], sizes \[2,3\], steps \[1,1\] do not fit a tensor of 2x3/)
  refused(() => slice(x, [0], [2]), /do not fit/)
  refused(() => slice(x, [0, 0], [2, 2], [1, 0]), /do not fit/)
  refused(() => pad(x, { front: [-1, 0], back: [0, 0] }), /not negative/)
  refused(() => transpose(x, [0, 0]), /\[0,0\] is no order of the axes of 2x3/)
  refused(() => flip(x, [-1]), /axes \[-1\]/)
  refused(() => transpose(input([1, 1, 1, 1, 1, 1, 1]), [6, 5, 4, 3, 2, 1, 0]), /at most 6 axes/)
  refused(() => broadcastTo(x, [3]), /cannot broadcast 2x3 to 3/)
  refused(() => flip(input([2], 'index', 'u32'), [0]), /must be f32, got u32/)
})

test.run()
