/** Sums and means over axes, in a fixed order, so that two runs give the same bits. */
import { requireShape } from '../errors.ts'
import {
  apply,
  type Dispatch,
  formatShape,
  type LowerContext,
  type Operation,
  type Shape,
  sizeOf,
  type Tensor,
} from '../tensor.ts'
import { linearGroups } from './launch.ts'

/** Sums longer than this are split among workgroups. */
const CHUNK = 4096
/** Sums up to this long are done by one thread each, when there are many. */
const SERIAL = 64

/** The axes of a shape as six alternating groups: kept and reduced sizes, [K0, K1, K2] and [R0, R1, R2]. */
function grouped(shape: Shape, axes: readonly number[]): { keep: number[]; reduce: number[] } | undefined {
  const keep = [1, 1, 1]
  const reduce = [1, 1, 1]
  let group = 0
  let reducing = false
  for (const [axis, size] of shape.entries()) {
    if (size === 1) continue
    const reduced = axes.includes(axis)
    if (!reduced && reducing) group++
    if (group > 2) return undefined
    reducing = reduced
    const target = reduced ? reduce : keep
    target[group]! *= size
  }
  return { keep, reduce }
}

/** Dispatches that compute y = scale * sum of x over the axes; y has the kept axes only. */
export function sumDispatches(
  x: Tensor,
  y: Tensor,
  axes: readonly number[],
  scale: number,
  context: LowerContext,
): Dispatch[] {
  const { keep, reduce } = grouped(x.shape, axes)!
  const total = sizeOf(reduce)
  const sums = sizeOf(keep)
  const constants = { KEEP: keep, REDUCE: reduce }
  if (total <= SERIAL) {
    return [
      {
        kernel: 'reduce/sum_serial',
        constants: { ...constants, SCALE: scale },
        bind: { x, y },
        groups: linearGroups(sums, 64),
        flops: total * sums,
      },
    ]
  }
  const chunks = Math.ceil(total / CHUNK)
  if (chunks === 1) {
    const whole = { ...constants, CHUNKS: 1, CHUNK: total, SCALE: scale }
    return [
      {
        kernel: 'reduce/sum_tree',
        constants: whole,
        bind: { x, y },
        groups: linearGroups(sums, 1),
        flops: total * sums,
      },
    ]
  }
  const partial = context.scratch([sums, chunks], 'f32', true)
  const first: Dispatch = {
    kernel: 'reduce/sum_tree',
    constants: { ...constants, CHUNKS: chunks, CHUNK },
    bind: { x, y: partial },
    groups: linearGroups(sums * chunks, 1),
    flops: total * sums,
  }
  return [first, ...sumDispatches(partial, y, [1], scale, context)]
}

/**
 * Sum of x over the given axes, which disappear from the shape (a sum over all axes has shape []).
 * @throws ShapeError for an axis that x does not have, or kept and reduced axes that alternate more than three times.
 */
export function sum(x: Tensor, axes: readonly number[] = x.shape.map((_, k) => k), scale = 1): Tensor {
  requireShape(
    axes.every((a) => Number.isInteger(a) && a >= 0 && a < x.shape.length),
    `sum: axes [${axes}] of a tensor of ${formatShape(x.shape)}`,
  )
  requireShape(
    grouped(x.shape, axes) !== undefined,
    `sum: axes [${axes}] of ${formatShape(x.shape)} alternate too often; transpose first`,
  )
  const shape = x.shape.filter((_, k) => !axes.includes(k))
  const operation: Operation = {
    name: 'sum',
    lower: (node, context) => sumDispatches(x, node.outputs[0]!, axes, scale, context),
  }
  return apply(operation, [x], [{ shape }], { axes, scale }).outputs[0]!
}

/** Mean of x over the given axes (default: all), which disappear from the shape. */
export function mean(x: Tensor, axes: readonly number[] = x.shape.map((_, k) => k)): Tensor {
  return sum(x, axes, 1 / axes.reduce((n, a) => n * (x.shape[a] ?? 1), 1))
}

/** Sum over everything but the channel axis 1: [N, C, ...] -> [C]. The gradient of a bias. */
export function channelSum(x: Tensor): Tensor {
  return sum(
    x,
    x.shape.map((_, k) => k).filter((k) => k !== 1),
  )
}
