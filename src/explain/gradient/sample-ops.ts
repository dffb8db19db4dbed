/** What methods do that average gradients over points: the points of a run, and sums over its rows. */
import '../../engine/shaders-augment.gen.ts'
import '../../engine/shaders-explain.gen.ts'
import { applyPiece } from '../../engine/ops/elementwise.ts'
import { linearGroups } from '../../engine/ops/launch.ts'
import { apply, type Node, type Operation, sizeOf, type Tensor } from '../../engine/tensor.ts'

/** Rows of a run: points of one scan, counted from 0 over all runs of the scan. */
export interface Rows {
  /** [rows], what a row counts for; 0 where the last run has rows left over. */
  readonly weights: Tensor
  /** [1], how many rows the runs before this one had. */
  readonly seen: Tensor
}

/** What noise is made of. */
export interface NoiseOperands {
  /** u32 [rows]: a copy's noise is a function of its number and the seed alone. */
  readonly samples: Tensor
  /** [1]. */
  readonly deviation: Tensor
  /** u32 [1]. */
  readonly seed: Tensor
}

/** Noisy copies [rows, C, D, H, W] of one scan x [1, C, D, H, W]: x + deviation * normal. */
export function noisyCopies(x: Tensor, { samples, deviation, seed }: NoiseOperands): Tensor {
  const size = sizeOf(x.shape)
  const rows = samples.shape[0]!
  const operation: Operation = {
    name: 'noisy_copies',
    lower: ({ outputs: [y] }) => [
      {
        kernel: 'explain/noisy',
        constants: { SIZE: size, ROWS: rows },
        bind: { x, samples, deviation, seed, y: y! },
        groups: linearGroups(size * rows, 64),
      },
    ],
  }
  return apply(operation, [x, samples, deviation, seed], [{ shape: [rows, ...x.shape.slice(1)] }]).outputs[0]!
}

/** What points lie between, and where. */
export interface PathOperands {
  /** [1 or rows, C, D, H, W]: the scan of all rows, or of each. */
  readonly x: Tensor
  /** [any, C, D, H, W]. */
  readonly baselines: Tensor
  /** u32 [rows]: which baseline. */
  readonly choice: Tensor
  /** [rows]: 0 at the baseline, 1 at the scan. */
  readonly alpha: Tensor
}

/** Points [rows, C, D, H, W] on the straight lines between baselines and scans. */
export function pathPoints({ x, baselines, choice, alpha }: PathOperands): Tensor {
  const rows = alpha.shape[0]!
  const size = sizeOf(x.shape.slice(1))
  const operation: Operation = {
    name: 'path_points',
    lower: ({ outputs: [y] }) => [
      {
        kernel: 'explain/path',
        constants: { SIZE: size, ROWS: rows, SCANS: x.shape[0]! },
        bind: { x, baselines, choice, alpha, y: y! },
        groups: linearGroups(size * rows, 64),
      },
    ],
  }
  return apply(operation, [x, baselines, choice, alpha], [{ shape: [rows, ...x.shape.slice(1)] }]).outputs[0]!
}

/** v (x - baseline), for v and x of [rows, C, D, H, W]. */
export function timesDifference(v: Tensor, { x, baselines, choice }: Omit<PathOperands, 'alpha'>): Tensor {
  const constants = { SIZE: sizeOf(x.shape.slice(1)) }
  return applyPiece(
    'times_difference',
    { source: 'explain/from_baseline', constants, bind: { x, baselines, choice } },
    v,
  )
}

/** What is summed of a value. */
export type Form = 'value' | 'magnitude' | 'square'

/** The effect that adds weights[k] * form(values[k]) of all rows to a state of one row's shape; it begins anew at row 0. */
export function addRows(values: Tensor, { weights, seen }: Rows, total: Tensor, form: Form): Node {
  const constants = { FORM: ['value', 'magnitude', 'square'].indexOf(form) }
  return overRows('add_rows', 'explain/weighted_sum', constants, { rows: values, weights, seen, total })
}

/** The effect that keeps the mean of all rows so far and the sum of squared deviations from it. Weights are 0 or 1. */
export function addSpread(values: Tensor, { weights, seen }: Rows, mean: Tensor, total: Tensor, form: Form): Node {
  const constants = { MAGNITUDE: form === 'magnitude' ? 1 : 0 }
  return overRows('add_spread', 'explain/spread', constants, { rows: values, weights, seen, mean, total })
}

function overRows(
  name: string,
  kernel: string,
  constants: Readonly<Record<string, number>>,
  bind: Readonly<Record<string, Tensor>> & { rows: Tensor },
): Node {
  const rows = bind.rows.shape[0]!
  const size = sizeOf(bind.rows.shape.slice(1))
  const operation: Operation = {
    name,
    effect: true,
    lower: () => [
      { kernel, constants: { SIZE: size, ROWS: rows, ...constants }, bind, groups: linearGroups(size, 64) },
    ],
  }
  return apply(operation, Object.values(bind), [])
}
