/** Operations that move values without computing. */
import { requireShape } from '../errors.ts'
import { apply, formatShape, type Operation, type Shape, sizeOf, type Tensor } from '../tensor.ts'

/** The same values under another shape. @throws ShapeError when the sizes differ. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (formatShape(x.shape) === formatShape(shape)) return x
  requireShape(sizeOf(shape) === sizeOf(x.shape), `cannot reshape ${formatShape(x.shape)} to ${formatShape(shape)}`)
  const operation: Operation = {
    name: 'reshape',
    view: true,
    lower: () => [],
  }
  return apply(operation, [x], [{ shape }]).outputs[0]!
}

/** All axes but the first joined: [N, ...] -> [N, size]. */
export function flatten(x: Tensor): Tensor {
  return reshape(x, [x.shape[0] ?? 1, sizeOf(x.shape.slice(1))])
}
