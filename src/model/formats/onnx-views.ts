/** Shapes after Reshape, Squeeze and Unsqueeze. */
import { InputError } from '../../io/errors.ts'
import { formatSizes, product, type Sizes } from '../layer-rules.ts'
import { axisOf } from './onnx-graph.ts'

/** Reshape's target: 0 keeps the size at its place (unless zeros are allowed), one -1 takes what is left. */
export function reshaped(from: Sizes, target: readonly number[], allowZero: boolean): number[] {
  const to = target.map((n, k) => (n === 0 && !allowZero ? (from[k] ?? 0) : n))
  const open = to.indexOf(-1)
  if (open >= 0) to[open] = product(from) / product(to.filter((_, k) => k !== open))
  if (to.length > 16 || to.some((n) => !Number.isInteger(n) || n < 0) || product(to) !== product(from)) {
    throw new InputError(`cannot reshape ${formatSizes(from)} to ${formatSizes(target)}`)
  }
  return to
}

export function squeezed(from: Sizes, axes?: readonly number[]): number[] {
  const gone = axes?.map((a) => axisOf(a, from.length))
  if (gone?.some((a) => from[a] !== 1)) throw new InputError(`cannot squeeze axes ${axes} of ${formatSizes(from)}`)
  return from.filter((n, k) => (gone ? !gone.includes(k) : n !== 1))
}

export function unsqueezed(from: Sizes, axes?: readonly number[]): number[] {
  if (!axes || axes.length > 8) throw new InputError('its axes are missing or too many')
  const rank = from.length + axes.length
  const added = new Set(axes.map((a) => axisOf(a, rank)))
  if (added.size !== axes.length) throw new InputError(`its axes ${axes} repeat`)
  const sizes = from.values()
  return Array.from({ length: rank }, (_, k) => (added.has(k) ? 1 : sizes.next().value!))
}
