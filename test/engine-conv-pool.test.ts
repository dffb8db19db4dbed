/** A convolution and the max-pool over it as one kernel, forward and back, against the same graph kernel by kernel. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { type CompileOptions, compile } from '../src/engine/compile.ts'
import { closeGpu, type Gpu, openGpu, release } from '../src/engine/gpu.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import { channelShift, clamp, elu, leakyRelu, relu, tanh } from '../src/engine/ops/elementwise.ts'
import { maxPool3d } from '../src/engine/ops/pool.ts'
import { constant, input, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('conv-pool')
test.after(closeTestGpu)

type Triple = [number, number, number]

const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  none: (x) => x,
  relu,
  leaky: (x) => leakyRelu(x, 0.1),
  elu,
  tanh,
  clamp: (x) => clamp(x, -0.5, 0.75),
}

interface Case {
  n: number
  ci: number
  co: number
  groups: number
  size: Triple
  kernel: Triple
  stride: Triple
  dilation: Triple
  front: Triple
  back: Triple
  shift: boolean
  activation: string
  window: Triple
  apart: Triple
  poolFront: Triple
  poolBack: Triple
  zero: boolean
  ceilMode: boolean
}

const axis = (least: number, most: number) => fc.integer({ min: least, max: most })
const triple = (least: number, most: number): fc.Arbitrary<Triple> =>
  fc.tuple(axis(least, most), axis(least, most), axis(least, most))

const cases: fc.Arbitrary<Case> = fc.record({
  n: axis(1, 2),
  ci: axis(1, 3),
  co: axis(1, 7),
  groups: fc.constantFrom(1, 1, 2),
  size: fc.tuple(axis(4, 9), axis(4, 11), axis(4, 21)),
  kernel: fc.oneof(fc.constant<Triple>([3, 3, 3]), triple(1, 3)),
  stride: fc.oneof(fc.constant<Triple>([1, 1, 1]), triple(1, 2)),
  dilation: fc.oneof(fc.constant<Triple>([1, 1, 1]), triple(1, 2)),
  front: triple(0, 1),
  back: triple(0, 1),
  shift: fc.boolean(),
  activation: fc.constantFrom(...Object.keys(activations)),
  window: fc.oneof(fc.constant<Triple>([2, 2, 2]), triple(1, 3)),
  apart: fc.oneof(fc.constant<Triple>([0, 0, 0]), triple(0, 1)),
  poolFront: triple(0, 1),
  poolBack: triple(0, 1),
  zero: fc.boolean(),
  ceilMode: fc.boolean(),
})

/** The block, and its gradient with respect to x; undefined where the shapes do not fit. */
function block(c: Case) {
  const x = input([c.n, c.ci * c.groups, ...c.size])
  const w = constant([c.co * c.groups, c.ci, ...c.kernel], values(c.co * c.groups * c.ci * sizeOf(c.kernel), 2))
  const shift = constant([c.co * c.groups], values(c.co * c.groups, 3))
  try {
    const { stride, dilation, groups, front, back } = c
    const y = conv3d(x, w, { stride, dilation, groups, padding: { front, back } })
    const shifted = c.shift ? channelShift(y, shift) : y
    const pooled = maxPool3d(activations[c.activation]!(shifted), {
      kernel: c.window,
      stride: c.window.map((k, a) => k + c.apart[a]!),
      padding: { front: c.poolFront, back: c.poolBack },
      padValue: c.zero ? 'zero' : '-infinity',
      ceilMode: c.ceilMode,
    })
    const seed = input(pooled.shape)
    const [dx] = backward(pooled, [x], { seed })
    return { x, seed, outputs: { pooled, dx: dx! } }
  } catch {
    return undefined
  }
}

async function run(gpu: Gpu, { x, seed, outputs }: NonNullable<ReturnType<typeof block>>, options: CompileOptions) {
  const program = await compile(gpu, outputs, options)
  program.write(x, values(sizeOf(x.shape), 4))
  program.write(seed, values(sizeOf(seed.shape), 5))
  program.run()
  const found = { pooled: await program.read(outputs.pooled), dx: await program.read(outputs.dx) }
  const kernels = program.launches.map((launch) => launch.kernel)
  program.destroy()
  release(gpu, [...gpu.resident.keys()])
  return { ...found, kernels }
}

async function compare(gpu: Gpu, c: Case): Promise<string[]> {
  const built = block(c)
  if (!built) return []
  const label = JSON.stringify(c)
  const reference = await run(gpu, built, { fuse: false })
  const fused = await run(gpu, built, {})
  // The gradient of clamp asks for its full-size input.
  if (c.activation !== 'clamp') assert.match(`${fused.kernels}`, /_pool/, label)
  assertClose(fused.pooled, reference.pooled, `pooled ${label}`, { relative: 1e-6, absolute: 1e-7 })
  assertClose(fused.dx, reference.dx, `gradient ${label}`, { relative: 1e-6, absolute: 1e-7 })
  return fused.kernels
}

test('fused equals kernel by kernel on random shapes', async () => {
  const gpu = await testGpu()
  const seen = new Set<string>()
  const property = fc.asyncProperty(cases, async (c) => {
    for (const kernel of await compare(gpu, c)) seen.add(kernel)
  })
  await fc.assert(property, { numRuns: 30, seed: 11 })
  assert.ok(seen.has('conv/rows_pool') && seen.has('conv/rows_unpool'), [...seen].join(' '))
})

const blockOf = (c: Partial<Case>): Case => ({
  n: 1,
  ci: 3,
  co: 5,
  groups: 1,
  size: [9, 11, 13],
  kernel: [3, 3, 3],
  stride: [1, 1, 1],
  dilation: [1, 1, 1],
  front: [1, 1, 1],
  back: [1, 1, 1],
  shift: true,
  activation: 'leaky',
  window: [2, 2, 2],
  apart: [0, 0, 0],
  poolFront: [1, 1, 1],
  poolBack: [0, 0, 0],
  zero: true,
  ceilMode: false,
  ...c,
})

test('the blocks of known networks, with the tiles of either kind of adapter', async () => {
  const real = await openGpu()
  const other: Gpu = { ...real, software: !real.software }
  for (const gpu of [real, other]) {
    const clinica = await compare(gpu, blockOf({}))
    assert.match(`${clinica}`, /_unpool/)
    const dyrba = await compare(gpu, blockOf({ activation: 'relu', poolFront: [0, 0, 0], zero: false, ci: 5 }))
    assert.match(`${dyrba}`, /_unpool/)
    await compare(gpu, blockOf({ size: [20, 21, 40], ci: 2, window: [3, 3, 3], poolFront: [0, 1, 1], n: 2 }))
  }
  closeGpu(real)
})

test('what somebody else reads is not fused away', async () => {
  const gpu = await testGpu()
  const x = input([1, 2, 6, 6, 6])
  const y = relu(conv3d(x, constant([3, 2, 3, 3, 3], values(162, 2)), { padding: 1 }))
  const pooled = maxPool3d(y, { kernel: 2 })
  const program = await compile(gpu, { y, pooled })
  program.write(x, values(sizeOf(x.shape), 4))
  program.run()
  const [full, small] = [await program.read(y), await program.read(pooled)]
  assert.is(
    Math.max(...small),
    full.reduce((a, b) => Math.max(a, b)),
  )
  assert.ok(program.launches.every((launch) => !/_pool/.test(launch.kernel)))
  program.destroy()
})

test('a NaN in the scan is the largest value of its windows', async () => {
  const gpu = await testGpu()
  const built = block(blockOf({ activation: 'none' }))!
  const program = await compile(gpu, { pooled: built.outputs.pooled })
  const scan = values(sizeOf(built.x.shape), 4)
  scan[500] = Number.NaN
  program.write(built.x, scan)
  program.run()
  const plain = await compile(gpu, { pooled: built.outputs.pooled }, { fuse: false })
  plain.write(built.x, scan)
  plain.run()
  const [fused, reference] = [await program.read(built.outputs.pooled), await plain.read(built.outputs.pooled)]
  const nans = (list: Float32Array) => [...list.keys()].filter((i) => Number.isNaN(list[i]))
  assert.ok(nans(reference).length > 0)
  assert.equal(nans(fused), nans(reference))
  program.destroy()
  plain.destroy()
})

test.run()
