/** Broadcasting to a larger shape. */
import { requireShape } from '../errors.ts'
import { apply, formatShape, type Operation, type Shape, type Tensor } from '../tensor.ts'
import { requireMovable, stridedCopy, stridesOf } from './strided.ts'

/**
 * x repeated along axes of size 1 (and new leading axes) to the given shape; x itself when the shape is already that.
 * @throws ShapeError when a size of x is neither 1 nor the one asked for, or the shape has fewer axes than x.
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (formatShape(x.shape) === formatShape(shape)) return x
  requireMovable('broadcastTo', x)
  const missing = shape.length - x.shape.length
  const own = [...new Array<number>(Math.max(missing, 0)).fill(1), ...x.shape]
  requireShape(
    missing >= 0 && own.every((d, k) => d === shape[k] || d === 1),
    `cannot broadcast ${formatShape(x.shape)} to ${formatShape(shape)}`,
  )
  const strides = stridesOf(own).map((s, k) => (own[k] === 1 ? 0 : s))
  const operation: Operation = {
    name: 'broadcast',
    lower: (node) => [stridedCopy(x, node.outputs[0]!, strides)],
  }
  const y = apply(operation, [x], [{ shape }], { own }).outputs[0]!
  requireMovable('broadcastTo', y)
  return y
}
