/** The weight gradient for hardware GPUs, on whatever adapter there is, against float64. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Gpu } from '../src/engine/gpu.ts'
import { layOutWeights, tiledWeightGradient } from '../src/engine/ops/conv-hardware-weight.ts'
import { apply, input, type Operation, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { convCases } from './support/conv-cases.ts'
import { assertClose, closeTestGpu, evaluate, testGpu, values } from './support/evaluate.ts'
import { type ConvCase, convOutput, convWeight } from './support/reference/conv.ts'

const test = suite('conv hardware weight')
test.after(closeTestGpu)

const cases = convCases({ n: 2, inner: 7, outer: 19, height: 11 })

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

const shapes = (c: ConvCase) => ({
  x: [c.n, c.channels, ...c.size],
  d: [c.n, c.outputs, ...convOutput(c)],
  w: [c.outputs, c.channels / c.groups, ...c.kernel],
})

async function checkWeights(gpu: Gpu, c: ConvCase): Promise<void> {
  const s = shapes(c)
  const inputs = [s.x, s.d].map((shape, k) => ({ shape, data: values(sizeOf(shape), k + 3) }))
  const build = (x?: Tensor, d?: Tensor) => {
    const operation: Operation = {
      name: 'weights',
      lower: (node, context) => tiledWeightGradient({ ...c, x: x!, d: d!, y: node.outputs[0]! }, context)!,
    }
    return apply(operation, [x!, d!], [{ shape: s.w }]).outputs[0]!
  }
  const y = (await evaluate(gpu, build, inputs)).outputs[0]!
  assertClose(y, convWeight(c, inputs[0]!.data, inputs[1]!.data), `weights ${JSON.stringify(c)}`)
}

test('weight gradient on random shapes', async () => {
  const gpu = await testGpu()
  await fc.assert(
    fc.asyncProperty(cases, (c) => checkWeights(gpu, c)),
    { numRuns: 5, seed: 13 },
  )
})

test('weight gradient of many channels, and of many voxels', async () => {
  const gpu = await testGpu()
  await checkWeights(gpu, { ...layer, n: 2, channels: 20, outputs: 26, size: [4, 5, 4] })
  await checkWeights(gpu, { ...layer, channels: 1, outputs: 9, size: [30, 41, 13] })
  await checkWeights(gpu, {
    ...layer,
    channels: 5,
    outputs: 17,
    size: [6, 7, 9],
    kernel: [1, 1, 1],
    front: [0, 0, 0],
    back: [0, 0, 0],
  })
  await checkWeights(gpu, { ...layer, channels: 2, outputs: 3, size: [9, 11, 12], kernel: [2, 7, 6] })
})

test('a kernel too large for the method is left to others', () => {
  const c = { ...layer, size: [3, 3, 40], kernel: [1, 1, 33], front: [0, 0, 0], back: [0, 0, 0] }
  const s = shapes(c)
  assert.is(layOutWeights({ ...c, x: input(s.x), d: input(s.d), y: input(s.w) }), undefined)
})

test.run()
