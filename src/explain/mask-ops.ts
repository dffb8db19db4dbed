/** The kernels of mask optimisation as operations of the graph. */
import { applyPiece } from '../engine/ops/elementwise.ts'
import { linearGroups } from '../engine/ops/launch.ts'
import { apply, type Dispatch, formatShape, type Node, type Operation, sizeOf, type Tensor } from '../engine/tensor.ts'
import type { MaskState, Triple } from './mask-state.ts'

/** Adam's moments decay; Kingma & Ba's defaults. */
const DECAY = { decay1: 0.9, decay2: 0.999 }

/** The loss is averaged and compared over windows of so many steps. */
export const WINDOW = 10

/** Masks are shifted against the scans by up to `jitter` voxels, anew in each step; 0: never. */
export interface Jitter {
  readonly seed: number
  readonly jitter: number
}

/** Workgroups for `count` items of each of n volumes, `perGroup` items each. */
function volumeGroups(count: number, perGroup: number, n: number): [number, number, number] {
  const [x, y] = linearGroups(count, perGroup)
  return [x, y, n]
}

/**
 * Masked scans m x + (1 - m) fill, the masks upsampled trilinearly.
 * @param x [N, 1, D, H, W], N scans each with its own mask, or all with one.
 * @param fill one value, or volumes like x.
 * @param tissue leave voxels alone where the scan is 0.
 */
export function applyMask(x: Tensor, fill: Tensor, mask: MaskState, jitter: Jitter, tissue = false): Tensor {
  const { size, cells, cell, masks } = mask
  const [scans] = x.shape as [number]
  const geometry = { SIZE: size, CELLS: cells, CELL: cell, MASKS: masks, JITTERED: jitter.jitter > 0 ? 1 : 0 }
  const operation: Operation = {
    name: 'apply_mask',
    lower({ outputs }, context) {
      const variant = (kernel: string, count: number, perGroup: number) => (): Dispatch[] => [
        {
          kernel,
          constants: { ...geometry, FILL: sizeOf(fill.shape), TISSUE: tissue ? 1 : 0 },
          uniforms: { seed: jitter.seed, jitter: jitter.jitter },
          bind: { x, fill, mask: mask.mask, counter: mask.counter, y: outputs[0]! },
          groups: volumeGroups(count, perGroup, scans),
        },
      ]
      const voxels = variant('mask/apply', sizeOf(size), 256)
      // Only where both give the same bits: a GPU may round the sums of two kernels differently.
      if (!context.software) return voxels()
      const variants = { voxels, rows: variant('mask/apply_rows', size[0] * size[1], 64) }
      const key = `${formatShape(x.shape)} cells ${cell} jitter ${geometry.JITTERED} fill ${formatShape(fill.shape)}`
      return context.choose('apply_mask', key, variants, cell === 1 && jitter.jitter === 0 ? 'voxels' : 'rows')
    },
  }
  return apply(operation, [x, fill, mask.mask, mask.counter], [{ shape: x.shape }]).outputs[0]!
}

/** Gradient with respect to the upsampled masks, given that with respect to the masked scans: dy (x - fill). */
export function maskGradient(dy: Tensor, x: Tensor, fill: Tensor, tissue = false): Tensor {
  const constants = { FILL: sizeOf(fill.shape), TISSUE: tissue ? 1 : 0 }
  const piece = { source: 'mask/difference', constants, bind: { x, fill } }
  return applyPiece('mask_gradient', piece, dy)
}

/**
 * Gradient with respect to the masks' cells, given that with respect to the upsampled masks: the transpose of upsampling.
 * @param gradient [N, 1, D, H, W]; @returns [N, cells]. Where cells are voxels that nothing shifts, both are the same.
 */
export function gatherCells(gradient: Tensor, mask: MaskState, jitter: Jitter): Tensor {
  const { size, cells, cell, masks, counter } = mask
  const [scans] = gradient.shape as [number]
  const along = (x: Tensor, axis: 0 | 1 | 2): Tensor => {
    const constants = {
      OUTER: sizeOf(cells.slice(0, axis)),
      LENGTH: size[axis],
      INNER: sizeOf(size.slice(axis + 1)),
      CELLS: cells[axis],
      CELL: cell,
      MASKS: masks,
      AXIS: axis,
      JITTERED: jitter.jitter > 0 ? 1 : 0,
    }
    const { OUTER, CELLS, INNER } = constants
    const operation: Operation = {
      name: 'gather_mask',
      lower: ({ outputs }) => [
        {
          kernel: 'mask/gather',
          constants,
          uniforms: { seed: jitter.seed, jitter: jitter.jitter },
          bind: { x, counter, y: outputs[0]! },
          groups: volumeGroups(OUTER * CELLS * INNER, 64, scans),
        },
      ],
    }
    return apply(operation, [x, counter], [{ shape: [scans, OUTER * CELLS * INNER] }]).outputs[0]!
  }
  if (cell === 1 && jitter.jitter === 0) return gradient
  return along(along(along(gradient, 0), 1), 2)
}

export interface StepOptions {
  readonly beta1: number
  readonly beta2: number
  /** Derivative along each axis for a difference of 1 between neighbouring cells. */
  readonly slope: Triple
  readonly learningRate: number
  /** See MaskOptions.tolerance. */
  readonly tolerance: number
}

/**
 * One step of each mask that runs: regularisers, Adam and clamp in one kernel, then trace and counter. Effects, in this order.
 * @param gradient [masks, cells], see gatherCells.
 * @param score [masks].
 */
export function stepMask(gradient: Tensor, score: Tensor, mask: MaskState, options: StepOptions): Node[] {
  const { parts, counter, weights, trace, moments, cells, perThread, masks } = mask
  const { learningRate, beta1, beta2, slope, tolerance } = options
  const step: Operation = {
    name: 'step_mask',
    effect: true,
    lower: () => [
      {
        kernel: 'mask/step',
        constants: { CELLS: cells, PER: perThread, BETA1: beta1, BETA2: beta2 },
        uniforms: { slope, ...DECAY, learning_rate: learningRate, epsilon: 1e-8 },
        bind: { gradient, counter, weights, mask: mask.mask, moments, parts },
        groups: volumeGroups(sizeOf(cells), 64 * perThread, masks),
      },
    ],
  }
  const end: Operation = {
    name: 'trace_mask',
    effect: true,
    lower: () => [
      {
        kernel: 'mask/trace',
        constants: { GROUPS: parts.shape[1]!, LENGTH: trace.shape[1]!, WINDOW },
        uniforms: { ...DECAY, tolerance },
        bind: { parts, score, weights, trace, counter },
        groups: [1, 1, masks],
      },
    ],
  }
  return [
    apply(step, [gradient, counter, weights, mask.mask, moments, parts], []),
    apply(end, [parts, score, weights, trace, counter], []),
  ]
}

/**
 * total = (first ? 0 : total) + weight times the sum of the first `used` rows of x, an effect; these three are uniforms.
 * @param x [rows, ...]; @param total as many values as a row.
 */
export function accumulate(x: Tensor, total: Tensor, weight: number): Node {
  const [rows] = x.shape as [number]
  const count = sizeOf(total.shape)
  const operation: Operation = {
    name: 'accumulate',
    effect: true,
    lower: () => [
      {
        kernel: 'mask/accumulate',
        constants: { ROWS: rows, COUNT: count },
        uniforms: { first: 1, used: rows, weight },
        bind: { x, total },
        groups: linearGroups(count),
      },
    ],
  }
  return apply(operation, [x, total], [])
}
