/** The convolution kernels for hardware GPUs, on whatever adapter there is: against float64, and bit for bit against each other. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import type { Gpu } from '../src/engine/gpu.ts'
import { general, hardwareVariants, tiledPool, tiledUnpool, tiles } from '../src/engine/ops/conv-hardware.ts'
import { type ConvGeometry, type ConvProblem, convProblem } from '../src/engine/ops/conv-problem.ts'
import type { PoolWindows } from '../src/engine/ops/conv-rows.ts'
import { leakyRelu } from '../src/engine/ops/elementwise.ts'
import { maxPool3d, maxPoolGradient } from '../src/engine/ops/pool.ts'
import { apply, type Dispatch, input, type Node, type Operation, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { convCases, triples } from './support/conv-cases.ts'
import { assertClose, closeTestGpu, evaluate, testGpu, values } from './support/evaluate.ts'
import { type ConvCase, convData, convForward, convOutput } from './support/reference/conv.ts'

const test = suite('conv hardware')
test.after(closeTestGpu)

const cases = convCases({ n: 2, inner: 7, outer: 19, height: 11 })

const shapes = (c: ConvCase) => ({
  x: [c.n, c.channels, ...c.size],
  w: [c.outputs, c.channels / c.groups, ...c.kernel],
  y: [c.n, c.outputs, ...convOutput(c)],
})

/** The case as the lowering sees it: forward, or its transpose, from the smaller volume to the larger. */
const problemOf = (c: ConvCase, transposed: boolean, x: Tensor, w: Tensor, y: Tensor): ConvProblem =>
  convProblem(x, w, y, c as unknown as ConvGeometry, transposed)

/** The names of the variants a case can run by. */
function namesOf(c: ConvCase, transposed: boolean): string[] {
  const s = shapes(c)
  const problem = problemOf(c, transposed, input(transposed ? s.y : s.x), input(s.w), input(transposed ? s.x : s.y))
  return Object.keys(hardwareVariants(problem).variants)
}

async function run(gpu: Gpu, c: ConvCase, transposed: boolean, variant: string, fused = false): Promise<Float32Array> {
  const s = shapes(c)
  const [from, to] = transposed ? [s.y, s.x] : [s.x, s.y]
  const build = (x?: Tensor, w?: Tensor) => {
    const lower = (y: Tensor): Dispatch[] => hardwareVariants(problemOf(c, transposed, x!, w!, y)).variants[variant]!()
    const operation: Operation = { name: 'conv', lower: (node) => lower(node.outputs[0]!) }
    const y = apply(operation, [x!, w!], [{ shape: to }]).outputs[0]!
    return fused ? leakyRelu(y, 0.1) : y
  }
  const inputs = [
    { shape: from, data: values(sizeOf(from), 1) },
    { shape: s.w, data: values(sizeOf(s.w), 2) },
  ]
  return (await evaluate(gpu, build, inputs)).outputs[0]!
}

function reference(c: ConvCase, transposed: boolean): Float64Array {
  const s = shapes(c)
  const w = values(sizeOf(s.w), 2)
  return transposed ? convData(c, values(sizeOf(s.y), 1), w) : convForward(c, values(sizeOf(s.x), 1), w)
}

/** Checks the general kernel and one of the tiles; returns the name of the tile. */
async function check(gpu: Gpu, c: ConvCase, transposed: boolean, pick: number): Promise<string | undefined> {
  const expected = reference(c, transposed)
  const names = namesOf(c, transposed).filter((name) => name !== 'general')
  const label = `${transposed ? 'transposed ' : ''}${JSON.stringify(c)}`
  const plain = await run(gpu, c, transposed, 'general')
  assertClose(plain, expected, `general ${label}`)
  const name = names[pick % names.length]
  if (name) {
    const y = await run(gpu, c, transposed, name)
    assertClose(y, expected, `${name} ${label}`)
    sameBits(y, plain, `${name} ${label}`)
  }
  return name
}

function sameBits(a: ArrayLike<number>, b: ArrayLike<number>, label: string): void {
  const differs = Array.from(a).findIndex((v, i) => v !== b[i])
  assert.is(differs, -1, `${label}: element ${differs} differs, ${a[differs]} and ${b[differs]}`)
}

test('forward on random shapes: the tiles and the general kernel give the same bits', async () => {
  const gpu = await testGpu()
  const seen = new Set<string | undefined>()
  let turn = 0
  const property = fc.asyncProperty(cases, async (c) => void seen.add(await check(gpu, c, false, turn++)))
  await fc.assert(property, { numRuns: 6, seed: 11 })
  for (const name of Object.keys(tiles)) assert.ok(seen.has(name), `${name} was tested`)
})

test('transposed convolution on random shapes', async () => {
  const gpu = await testGpu()
  let turn = 1
  const property = fc.asyncProperty(cases, async (c) => void (await check(gpu, c, true, turn++)))
  await fc.assert(property, { numRuns: 5, seed: 12 })
})

const layer: ConvCase = {
  n: 1,
  channels: 1,
  outputs: 1,
  groups: 1,
  size: [9, 9, 9],
  kernel: [3, 3, 3],
  stride: [1, 1, 1],
  dilation: [1, 1, 1],
  front: [1, 1, 1],
  back: [1, 1, 1],
}

test('what is fused onto a convolution is done once to every element', async () => {
  const gpu = await testGpu()
  const c = { ...layer, channels: 3, outputs: 6, size: [4, 9, 10] }
  const expected = reference(c, false).map((v) => (v > 0 ? v : 0.1 * v))
  assertClose(await run(gpu, c, false, 'general', true), expected, 'general')
  assertClose(await run(gpu, c, false, 'gemm_2x4', true), expected, 'gemm_2x4')
})

test('large tiles are for large volumes, small ones for many channels', () => {
  const preferred = (channels: number, outputs: number, size: number[], more: Partial<ConvCase> = {}) => {
    const c = { ...layer, channels, outputs, size, ...more }
    const s = shapes(c)
    return hardwareVariants(problemOf(c, false, input(s.x), input(s.w), input(s.y))).preferred
  }
  assert.is(preferred(1, 8, [121, 145, 121]), 'tiled_8x8')
  assert.is(preferred(64, 128, [8, 10, 8]), 'gemm_2x4')
  assert.is(preferred(1, 8, [60, 60, 60], { kernel: [15, 15, 15] }), 'general')
})

interface PoolCase {
  readonly c: ConvCase
  readonly windows: PoolWindows
}

const poolCases: fc.Arbitrary<PoolCase> = fc
  .record({
    outputs: fc.integer({ min: 1, max: 9 }),
    channels: fc.integer({ min: 1, max: 3 }),
    size: fc.tuple(fc.integer({ min: 4, max: 7 }), fc.integer({ min: 4, max: 11 }), fc.integer({ min: 4, max: 35 })),
    front: triples(0, 1),
    back: triples(0, 1),
    kernel: triples(1, 2),
    zero: fc.boolean(),
  })
  .map(({ outputs, channels, size, kernel, ...windows }) => {
    // No window lies wholly in the padding.
    const wide = kernel.map((k, a) => (windows.front[a] || windows.back[a] ? 2 : k))
    return {
      c: { ...layer, n: 2, outputs, channels, size },
      windows: { ...windows, kernel: wide, stride: [2, 2, 2] } as unknown as PoolWindows,
    }
  })

/** The pool as an operation of its own: what it is over, and its node. */
function pooled(conv: Tensor, { zero, front, back, kernel, stride }: PoolWindows): Node {
  const padValue = zero ? 'zero' : '-infinity'
  return maxPool3d(conv, { kernel, stride, padding: { front, back }, padValue }).node!
}

test('a convolution with its pool, and the gradient through it, give the bits of separate kernels', async () => {
  const gpu = await testGpu()
  const property = fc.asyncProperty(poolCases, async ({ c, windows }) => {
    const s = shapes(c)
    const x = input(s.x)
    const w = input(s.w)
    const conv = (from: Tensor, shape: readonly number[], transposed: boolean) =>
      apply(
        { name: 'conv', lower: (node) => [general(problemOf(c, transposed, from, w, node.outputs[0]!))] },
        [from, w],
        [{ shape }],
      ).outputs[0]!
    const y = conv(x, s.y, false)
    const pool = pooled(leakyRelu(y, 0.1), windows)
    const dy = input(pool.outputs[0]!.shape)
    const dx = conv(maxPoolGradient(pool, dy), s.x, true)
    const stage = leakyRelu(y, 0.1).node!
    const together: Operation = {
      name: 'together',
      lower: ({ outputs }) =>
        tiledPool(problemOf(c, false, x, w, y), windows, outputs[0]!, outputs[1]!, [stage.operation.piece!(stage)])!,
    }
    const shape = dy.shape
    const both = apply(together, [x, w], [{ shape }, { shape, dtype: 'u32' }])
    const index = both.outputs[1]!
    const unpool: Operation = {
      name: 'unpool',
      lower: ({ outputs }) => tiledUnpool(problemOf(c, true, y, w, outputs[0]!), windows, dy, index)!,
    }
    const back = apply(unpool, [dy, index, w], [{ shape: s.x }]).outputs[0]!
    const tensors = { value: pool.outputs[0]!, place: pool.outputs[1]!, dx, both: both.outputs[0]!, index, back }
    const program = await compile(gpu, tensors, { fuse: false })
    program.write(x, values(sizeOf(s.x), 1))
    program.write(w, values(sizeOf(s.w), 2))
    program.write(dy, values(sizeOf(shape), 3))
    program.run()
    const label = JSON.stringify({ c, windows })
    sameBits(await program.read(tensors.both), await program.read(tensors.value), `pool ${label}`)
    sameBits(await program.readIndices(index), await program.readIndices(tensors.place), `index ${label}`)
    sameBits(await program.read(back), await program.read(dx), `gradient ${label}`)
    program.destroy()
  })
  await fc.assert(property, { numRuns: 3, seed: 14 })
})

test.run()
