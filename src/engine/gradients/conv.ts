/**
 * Gradient rules of convolution. With y = conv(x, w): dx is the transposed convolution of dy with w, and dw sums dy
 * times x under each tap. The transposed convolution is the other way round.
 */
import { ShapeError } from '../errors.ts'
import { type ConvGeometry, conv3d, convTranspose3d } from '../ops/conv.ts'
import type { convWeightGradient } from '../ops/conv-weight.ts'
import type { Node } from '../tensor.ts'
import type { Rules } from './rule.ts'

function optionsOf(node: Node) {
  const geometry = (node.attributes as { geometry: ConvGeometry }).geometry
  const { stride, dilation, groups, front, back } = geometry
  return { geometry, options: { stride, dilation, groups, padding: { front, back } } }
}

let weightGradient: typeof convWeightGradient = () => {
  throw new ShapeError(
    'the gradient of convolution weights is in a module of its own: import engine/gradients/conv-weight',
  )
}

/** Called by conv-weight.ts when it is loaded. */
export function useWeightGradient(of: typeof convWeightGradient): void {
  weightGradient = of
}

export const convRules: Rules = {
  conv3d: (node, [dy], wanted) => {
    const [x, w] = node.inputs as [typeof dy & object, typeof dy & object]
    const { geometry, options } = optionsOf(node)
    return [
      wanted[0] ? convTranspose3d(dy!, w, { ...options, outputSize: x.shape.slice(2) }) : undefined,
      wanted[1] ? weightGradient(x, dy!, w.shape, geometry) : undefined,
    ]
  },
  conv_transpose3d: (node, [dy], wanted) => {
    const [x, w] = node.inputs as [typeof dy & object, typeof dy & object]
    const { geometry, options } = optionsOf(node)
    return [
      wanted[0] ? conv3d(dy!, w, options) : undefined,
      wanted[1] ? weightGradient(dy!, x, w.shape, geometry) : undefined,
    ]
  },
}
