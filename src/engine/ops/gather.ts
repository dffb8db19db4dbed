/** Elements picked along an axis, in any order and any number of times: reflected borders, reversed and strided cuts. */
import { requireShape } from '../errors.ts'
import { formatShape, type Tensor } from '../tensor.ts'
import { applyBand, bandOf } from './band.ts'

/**
 * y[.., k, ..] = x[.., indices[k], ..] along one axis. Its gradient sums over what was picked more than once.
 * @throws ShapeError for an axis that x does not have, no index, or an index outside of the axis
 */
export function gather(x: Tensor, axis: number, indices: readonly number[]): Tensor {
  const size = x.shape[axis]
  requireShape(
    size !== undefined && indices.length > 0 && indices.every((i) => Number.isInteger(i) && i >= 0 && i < size),
    `gather: ${indices.length} indices along axis ${axis} of ${formatShape(x.shape)}; each must lie within the axis`,
  )
  if (indices.length === size && indices.every((i, k) => i === k)) return x
  const rows = indices.map((i) => [[i, 1]] as const)
  return applyBand(x, axis, bandOf(size, rows))
}
