/** Convolution and its gradients against float64, over random shapes, both kernel families. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShapeError } from '../src/engine/errors.ts'
import { closeGpu, type Gpu, openGpu } from '../src/engine/gpu.ts'
import { conv3d, convTranspose3d } from '../src/engine/ops/conv.ts'
import { input } from '../src/engine/tensor.ts'
import { convCases } from './support/conv-cases.ts'
import { assertClose, closeTestGpu, evaluate, gradientWeights, testGpu, values } from './support/evaluate.ts'
import { type ConvCase, convData, convForward, convOutput, convWeight } from './support/reference/conv.ts'

const test = suite('conv')
test.after(closeTestGpu)

const cases = convCases({ n: 3, inner: 5, outer: 9, height: 8 })

const optionsOf = (c: ConvCase) => ({
  stride: c.stride as [number, number, number],
  dilation: c.dilation as [number, number, number],
  groups: c.groups,
  padding: { front: c.front as [number, number, number], back: c.back as [number, number, number] },
})

const shapes = (c: ConvCase) => ({
  x: [c.n, c.channels, ...c.size],
  w: [c.outputs, c.channels / c.groups, ...c.kernel],
  y: [c.n, c.outputs, ...convOutput(c)],
})

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

async function check(gpu: Gpu, c: ConvCase): Promise<void> {
  const s = shapes(c)
  const x = values(size(s.x), 1)
  const w = values(size(s.w), 2)
  const run = await evaluate(
    gpu,
    (p, q) => conv3d(p!, q!, optionsOf(c)),
    [
      { shape: s.x, data: x },
      { shape: s.w, data: w },
    ],
    { gradient: true },
  )
  const dy = gradientWeights(s.y)
  const label = JSON.stringify(c)
  assertClose(run.outputs[0]!, convForward(c, x, w), `forward ${label}`)
  assertClose(run.gradients[0]!, convData(c, dy, w), `data gradient ${label}`)
  assertClose(run.gradients[1]!, convWeight(c, x, dy), `weight gradient ${label}`)
}

test('forward, data and weight gradients on random shapes', async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(cases, (c) => check(gpu, c)),
    { numRuns: 25, seed: 7 },
  )
})

test('the same with the kernels of the other kind of adapter', async () => {
  const real = await openGpu()
  const other: Gpu = { ...real, software: !real.software }
  await fc.assert(
    fc.asyncProperty(cases, (c) => check(other, c)),
    { numRuns: 12, seed: 8 },
  )
  closeGpu(real)
})

test('a layer of many channels and few voxels, and many rows (several chunks of the weight gradient)', async () => {
  const gpu = await testGpu()
  const plain = {
    groups: 1,
    kernel: [3, 3, 3],
    stride: [1, 1, 1],
    dilation: [1, 1, 1],
    front: [1, 1, 1],
    back: [1, 1, 1],
  }
  await check(gpu, { ...plain, n: 2, channels: 20, outputs: 26, size: [4, 5, 4] })
  await check(gpu, { ...plain, n: 1, channels: 1, outputs: 3, size: [40, 41, 6] })
})

test('transposed convolution and its gradients', async () => {
  const gpu = await testGpu()
  const property = fc.asyncProperty(cases, async (c) => {
    const s = shapes(c)
    const small = values(size(s.y), 3)
    const w = values(size(s.w), 4)
    const run = await evaluate(
      gpu,
      (p, q) => convTranspose3d(p!, q!, { ...optionsOf(c), outputSize: c.size }),
      [
        { shape: s.y, data: small },
        { shape: s.w, data: w },
      ],
      { gradient: true },
    )
    const weights = gradientWeights(s.x)
    const label = JSON.stringify(c)
    assertClose(run.outputs[0]!, convData(c, small, w), `forward ${label}`)
    assertClose(run.gradients[0]!, convForward(c, weights, w), `data gradient ${label}`)
    assertClose(run.gradients[1]!, convWeight(c, weights, small), `weight gradient ${label}`)
  })
  await fc.assert(property, { numRuns: 10, seed: 9 })
})

test('output size of a transposed convolution follows PyTorch', () => {
  const y = convTranspose3d(input([1, 2, 5, 5, 5]), input([2, 3, 3, 4, 3]), {
    stride: [2, 2, 3],
    padding: 1,
    outputPadding: [1, 0, 0],
  })
  assert.equal(y.shape, [1, 3, 10, 10, 13])
})

test('bias is added per channel and gets its gradient', async () => {
  const gpu = await testGpu()
  const inputs = [
    { shape: [2, 1, 3, 4, 5], data: values(120, 5) },
    { shape: [3, 1, 1, 1, 1], data: new Float32Array([0, 0, 0]) },
    { shape: [3], data: new Float32Array([1, -2, 0.5]) },
  ]
  const run = await evaluate(gpu, (x, w, bias) => conv3d(x!, w!, { bias }), inputs, { gradient: true })
  assertClose(
    run.outputs[0]!,
    Float32Array.from({ length: 360 }, (_, i) => [1, -2, 0.5][Math.floor(i / 60) % 3]!),
    'bias',
  )
  const weights = gradientWeights([2, 3, 3, 4, 5])
  const expected = [0, 1, 2].map((m) => weights.reduce((s, v, i) => s + (Math.floor(i / 60) % 3 === m ? v : 0), 0))
  assertClose(run.gradients[2]!, expected, 'bias gradient')
})

test('shapes that do not fit are refused with the numbers', () => {
  const refuses = (build: () => unknown, text: RegExp) =>
    assert.throws(build, (e: Error) => e instanceof ShapeError && text.test(e.message))
  refuses(() => conv3d(input([1, 2, 5, 5, 5]), input([4, 3, 3, 3, 3])), /3 input channels/)
  refuses(() => conv3d(input([1, 2, 5, 5, 2]), input([4, 2, 3, 3, 3])), /does not fit into 5x5x2/)
  refuses(() => conv3d(input([1, 2, 5, 5, 5]), input([4, 2, 3, 3, 3]), { stride: 0 }), /stride/)
  refuses(() => conv3d(input([1, 2, 5, 5]), input([4, 2, 3, 3, 3])), /5 axes/)
})

test.run()
