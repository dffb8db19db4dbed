/** A linear layer as rules see it: z = A(x, w) + bias, where A is linear in x and in w. */
import { gradientRules } from '../../engine/gradients/index.ts'
import { type ConvGeometry, conv3d, convTranspose3d } from '../../engine/ops/conv.ts'
import { type MatmulOptions, matmul } from '../../engine/ops/dense.ts'
import { add, channelShift } from '../../engine/ops/elementwise.ts'
import type { Node, Tensor } from '../../engine/tensor.ts'

export interface Linear {
  /** The node of A: conv3d, conv_transpose3d or matmul (x times the transpose of w). */
  readonly node: Node
  readonly x: Tensor
  /** True where x is known not to be negative. */
  readonly nonNegative: boolean
  readonly w: Tensor
  /** One value an output channel, or one a value of z (where a shift of a padded input was merged into it). */
  readonly bias: Tensor | undefined
  /** What the network computed, bias included. */
  readonly z: Tensor
}

export const LINEAR_OPERATIONS = ['conv3d', 'conv_transpose3d', 'matmul']

/** A(x, w): the node's operation with other operands. */
export function forward(node: Node, x: Tensor, w: Tensor): Tensor {
  if (node.operation.name === 'matmul') return matmul(x, w, node.attributes as MatmulOptions)
  const { stride, dilation, groups, front, back } = (node.attributes as { geometry: ConvGeometry }).geometry
  const options = { stride, dilation, groups, padding: { front, back } }
  if (node.operation.name === 'conv3d') return conv3d(x, w, options)
  return convTranspose3d(x, w, { ...options, outputSize: node.outputs[0]!.shape.slice(2) })
}

/** The transpose of A(., w) applied to s. */
export function transposed(node: Node, s: Tensor, w: Tensor): Tensor {
  const rule = gradientRules[node.operation.name]!
  return rule({ ...node, inputs: [node.inputs[0]!, w] }, [s], [true, false])[0]!
}

/** y + bias, where there is one. */
export function withBias(y: Tensor, bias: Tensor | undefined): Tensor {
  if (bias === undefined) return y
  return bias.shape.length === 1 ? channelShift(y, bias) : add(y, bias)
}
