/** Broadcasting to a larger shape, and views of a tensor under another shape. */
import { requireShape } from '../errors.ts'
import { apply, formatShape, type Operation, type Shape, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'

const RANK = 6

/** Strides of a row-major array, 0 along axes of size 1, shape and strides padded in front to six axes. */
function paddedStrides(shape: Shape): number[] {
  const strides = shape.map((d, k) => (d === 1 ? 0 : sizeOf(shape.slice(k + 1))))
  return [...new Array<number>(RANK - shape.length).fill(0), ...strides]
}

/** x repeated along axes of size 1 (and new leading axes) to the given shape; x itself when the shape is already that. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (formatShape(x.shape) === formatShape(shape)) return x
  requireShape(shape.length <= RANK, `broadcastTo: at most ${RANK} axes, got ${formatShape(shape)}`)
  const own = [...new Array<number>(shape.length - x.shape.length).fill(1), ...x.shape]
  requireShape(
    own.length === shape.length && own.every((d, k) => d === shape[k] || d === 1),
    `cannot broadcast ${formatShape(x.shape)} to ${formatShape(shape)}`,
  )
  const strides = paddedStrides(own)
  const padded = [...new Array<number>(RANK - shape.length).fill(1), ...shape]
  const operation: Operation = {
    name: 'broadcast',
    lower: (node) => [
      {
        kernel: 'shape/broadcast',
        constants: {
          COUNT: sizeOf(shape),
          SHAPE_A: padded.slice(0, 3),
          SHAPE_B: padded.slice(3),
          STRIDE_A: strides.slice(0, 3),
          STRIDE_B: strides.slice(3),
        },
        bind: { x, y: node.outputs[0]! },
        groups: linearGroups(sizeOf(shape)),
      },
    ],
  }
  return apply(operation, [x], [{ shape }], { own }).outputs[0]!
}
