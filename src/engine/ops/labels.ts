/** Labels of the rows of [N, K]. */
import { requireShape } from '../errors.ts'
import { formatShape, sizeOf, type Tensor } from '../tensor.ts'

/**
 * What kernels that take labels have to know.
 * @throws ShapeError where x is not [N, K] or there is not one label a row
 */
export function requireLabels(
  name: string,
  x: Tensor,
  labels: Tensor,
): { ROWS: number; CLASSES: number; FLOAT_LABELS: number } {
  requireShape(x.shape.length === 2, `${name}: x must be [N, K], got ${formatShape(x.shape)}`)
  const [rows, classes] = x.shape as [number, number]
  requireShape(
    sizeOf(labels.shape) === rows,
    `${name}: ${rows} rows need ${rows} labels, got a tensor of ${formatShape(labels.shape)}`,
  )
  return { ROWS: rows, CLASSES: classes, FLOAT_LABELS: labels.dtype === 'f32' ? 1 : 0 }
}
