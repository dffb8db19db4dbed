/**
 * Banded matrices applied along one axis: what resampling and blurring are, axis by axis. The weights are made on the
 * host in float64; the adjoint is the transposed matrix, banded too, so gradients are gathers with the same weights.
 */
import { requireShape } from '../errors.ts'
import { apply, constant, formatShape, type Operation, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'

/** A matrix [rows, columns] whose row r is zero outside columns first[r] ... first[r] + taps - 1. */
export interface Band {
  readonly columns: number
  readonly taps: number
  readonly first: Uint32Array
  /** Row by row, [rows, taps]. */
  readonly weights: Float64Array
}

/** One entry of a matrix: [column, weight]. A row may name a column more than once; the weights add up. */
export type Entry = readonly [number, number]

/** A band from its rows, each a list of entries. */
export function bandOf(columns: number, rows: readonly (readonly Entry[])[]): Band {
  const spans = rows.map((row) => {
    const used = row.map(([column]) => column)
    return { low: Math.min(columns - 1, ...used), high: Math.max(0, ...used) }
  })
  const taps = spans.reduce((most, { low, high }) => Math.max(most, high - low + 1), 1)
  const first = new Uint32Array(rows.length)
  const weights = new Float64Array(rows.length * taps)
  rows.forEach((row, r) => {
    first[r] = Math.min(spans[r]!.low, columns - taps)
    for (const [column, weight] of row) weights[r * taps + column - first[r]!]! += weight
  })
  return { columns, taps, first, weights }
}

/** The transposed matrix. */
export function transposeBand({ columns, taps, first, weights }: Band): Band {
  const rows: Entry[][] = Array.from({ length: columns }, () => [])
  first.forEach((start, r) => {
    for (let t = 0; t < taps; t++) {
      const weight = weights[r * taps + t]!
      if (weight !== 0) rows[start + t]!.push([r, weight])
    }
  })
  return bandOf(first.length, rows)
}

/**
 * The matrix applied along an axis: y[.., r, ..] = sum over c of matrix[r, c] x[.., c, ..].
 * @throws ShapeError when the axis of x is not as long as the matrix is wide.
 */
export function applyBand(x: Tensor, axis: number, band: Band): Tensor {
  const { columns, taps } = band
  const rows = band.first.length
  requireShape(x.shape[axis] === columns, `a band of ${columns} columns along axis ${axis} of ${formatShape(x.shape)}`)
  const weights = constant([rows, taps], Float32Array.from(band.weights), 'band weights')
  const first = constant([rows], band.first, 'band starts')
  const outer = sizeOf(x.shape.slice(0, axis))
  const inner = sizeOf(x.shape.slice(axis + 1))
  const operation: Operation = {
    name: 'band',
    lower: (node) => [
      {
        kernel: 'resample/band',
        constants: { SIZE_IN: columns, SIZE_OUT: rows, OUTER: outer, INNER: inner, TAPS: taps },
        bind: { x, weights, first, y: node.outputs[0]! },
        groups: linearGroups(Math.ceil((outer * inner) / 4) * rows, 64),
        flops: 2 * taps * outer * inner * rows,
      },
    ],
  }
  const shape = x.shape.map((d, k) => (k === axis ? rows : d))
  return apply(operation, [x, weights, first], [{ shape }], { axis, band }).outputs[0]!
}
