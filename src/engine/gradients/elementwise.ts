/** Gradient rules of elementwise operations, broadcasting, reshaping and sums. */
import { broadcastTo } from '../ops/broadcast.ts'
import { affine, channelScale, divide, elementwise, multiply } from '../ops/elementwise.ts'
import { maxPoolGradient } from '../ops/pool.ts'
import { channelSum, sum } from '../ops/reduce.ts'
import { reshape } from '../ops/shape.ts'
import type { Constants, Node, Tensor } from '../tensor.ts'
import { markGradient } from './origin.ts'
import type { Rule, Rules } from './rule.ts'

/**
 * What follows the gradient of a max-pool voxel by voxel is done before it, at the pooled size: only winners carry
 * gradient. `change` does it, given dy at the pooled size and the pool; undefined: it cannot.
 */
function beforePool(dy: Tensor, change: (dy: Tensor, pool: Node) => Tensor | undefined): Tensor | undefined {
  if (dy.node?.operation.name !== 'max_pool3d_gradient') return undefined
  const { pool } = dy.node.attributes as { pool: Node }
  const changed = change(dy.node.inputs[0]!, pool)
  return changed && maxPoolGradient(pool, markGradient(changed, pool.outputs[0]!))
}

/** The gradient needs the output y: relu and its like. At a pool's winners, y is what the pool put out. */
const fromOutput: Rule = (node, [dy]) => {
  const y = node.outputs[0]!
  const gradient = (g: Tensor, at: Tensor) =>
    elementwise(`${node.operation.name}_gradient`, g, { y: at }, node.attributes as Constants)
  const pooled = beforePool(dy!, (g, pool) => (pool.inputs[0] === y ? gradient(g, pool.outputs[0]!) : undefined))
  return [pooled ?? gradient(dy!, y)]
}

/** dy times a scale of each channel. */
function scaled(dy: Tensor, scale: Tensor): Tensor {
  return beforePool(dy, (g) => channelScale(g, scale)) ?? channelScale(dy, scale)
}

/** The gradient needs the input x. */
const fromInput: Rule = (node, [dy]) => [
  elementwise(`${node.operation.name}_gradient`, dy!, { x: node.inputs[0]! }, node.attributes as Constants),
]

export const elementwiseRules: Rules = {
  fill: () => [],
  step: () => [],
  relu: fromOutput,
  leaky_relu: fromOutput,
  elu: fromOutput,
  sigmoid: fromOutput,
  tanh: fromOutput,
  exp: fromOutput,
  log: fromInput,
  sqrt: fromOutput,
  softplus: fromInput,
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
    wanted[0] ? scaled(dy!, scale!) : undefined,
    wanted[1] ? reshape(channelSum(multiply(dy!, x!)), scale!.shape) : undefined,
  ],
  channel_shift: ({ inputs: [, shift] }, [dy], wanted) => [
    dy,
    wanted[1] ? reshape(channelSum(dy!), shift!.shape) : undefined,
  ],
  channel_affine: ({ inputs: [x, scale, shift] }, [dy], wanted) => [
    wanted[0] ? scaled(dy!, scale!) : undefined,
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
