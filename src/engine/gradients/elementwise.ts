/** Gradient rules of elementwise operations, broadcasting, reshaping and sums. */
import { broadcastTo } from '../ops/broadcast.ts'
import { affine, channelScale, divide, elementwise, multiply } from '../ops/elementwise.ts'
import { channelSum, sum } from '../ops/reduce.ts'
import { reshape } from '../ops/shape.ts'
import type { Constants } from '../tensor.ts'
import type { Rule, Rules } from './rule.ts'

/** The gradient needs the output y: relu and its like. */
const fromOutput: Rule = (node, [dy]) => [
  elementwise(`${node.operation.name}_gradient`, dy!, { y: node.outputs[0]! }, node.attributes as Constants),
]

/** The gradient needs the input x. */
const fromInput: Rule = (node, [dy]) => [
  elementwise(`${node.operation.name}_gradient`, dy!, { x: node.inputs[0]! }, node.attributes as Constants),
]

export const elementwiseRules: Rules = {
  fill: () => [],
  relu: fromOutput,
  leaky_relu: fromOutput,
  elu: fromOutput,
  sigmoid: fromOutput,
  tanh: fromOutput,
  absolute: fromInput,
  clamp: fromInput,
  inverse_sqrt: ({ outputs: [y] }, [dy]) => [affine(multiply(multiply(multiply(dy!, y!), y!), y!), -0.5)],
  affine: (node, [dy]) => [affine(dy!, (node.attributes as { FACTOR: number }).FACTOR)],
  add: (_, [dy]) => [dy, dy],
  subtract: (_, [dy], wanted) => [dy, wanted[1] ? affine(dy!, -1) : undefined],
  multiply: ({ inputs: [a, b] }, [dy], wanted) => [
    wanted[0] ? multiply(dy!, b!) : undefined,
    wanted[1] ? multiply(dy!, a!) : undefined,
  ],
  divide: ({ inputs: [, b], outputs: [y] }, [dy], wanted) => [
    wanted[0] ? divide(dy!, b!) : undefined,
    wanted[1] ? affine(divide(multiply(dy!, y!), b!), -1) : undefined,
  ],
  channel_scale: ({ inputs: [x, scale] }, [dy], wanted) => [
    wanted[0] ? channelScale(dy!, scale!) : undefined,
    wanted[1] ? reshape(channelSum(multiply(dy!, x!)), scale!.shape) : undefined,
  ],
  channel_shift: ({ inputs: [, shift] }, [dy], wanted) => [
    dy,
    wanted[1] ? reshape(channelSum(dy!), shift!.shape) : undefined,
  ],
  channel_affine: ({ inputs: [x, scale, shift] }, [dy], wanted) => [
    wanted[0] ? channelScale(dy!, scale!) : undefined,
    wanted[1] ? reshape(channelSum(multiply(dy!, x!)), scale!.shape) : undefined,
    wanted[2] ? reshape(channelSum(dy!), shift!.shape) : undefined,
  ],
  prelu: ({ inputs: [x, slope], attributes }, [dy], wanted) => [
    wanted[0] ? elementwise('prelu_gradient', dy!, { x: x!, slope: slope! }, attributes as Constants) : undefined,
    wanted[1] ? reshape(channelSum(multiply(dy!, elementwise('negative_part', x!))), slope!.shape) : undefined,
  ],
  broadcast: ({ inputs: [x], attributes, outputs: [y] }, [dy]) => {
    const { own } = attributes as { own: readonly number[] }
    const axes = own.flatMap((d, k) => (d === y!.shape[k] ? [] : [k]))
    return [reshape(sum(dy!, axes), x!.shape)]
  },
  reshape: ({ inputs: [x] }, [dy]) => [reshape(dy!, x!.shape)],
  sum: ({ inputs: [x], attributes }, [dy]) => {
    const { axes, scale } = attributes as { axes: readonly number[]; scale: number }
    const kept = x!.shape.map((d, k) => (axes.includes(k) ? 1 : d))
    const spread = broadcastTo(reshape(dy!, kept), x!.shape)
    return [scale === 1 ? spread : affine(spread, scale)]
  },
}
