/** Operations of the perturbation methods: a batch of changed inputs out of one scan, and what becomes of the answers. */
import '../../engine/shaders-augment.gen.ts'
import '../../engine/shaders-perturb.gen.ts'
import { linearGroups } from '../../engine/ops/launch.ts'
import { apply, type Constants, type Node, type Operation, sizeOf, state, type Tensor } from '../../engine/tensor.ts'
import { BALL_LIMIT } from './windows.ts'

/** One scan, and how many changed copies of it are made at a time. */
export interface Source {
  /** [C, D, H, W]. */
  readonly x: Tensor
  /** [C, D, H, W]: what changed voxels become. */
  readonly other: Tensor
  /** u32 [3]: the row or mask to go on with; target and masking, for masks. */
  readonly counter: Tensor
  readonly batch: number
}

/** Copies of the scan changed within windows [rows, 6], see perturb/window.wgsl. @returns [batch, C, D, H, W] */
export function fillWindows({ x, other, counter, batch }: Source, windows: Tensor, ball: boolean): Tensor {
  const [channels, ...size] = x.shape as [number, ...number[]]
  return fill(
    'perturb/window',
    batch,
    x,
    { x, other, windows, counter },
    {
      SIZE: size,
      CHANNELS: channels,
      BALL: ball ? 1 : 0,
      LIMIT: BALL_LIMIT,
    },
  )
}

/** Copies of the scan changed within regions [rows] of labels [D, H, W], both u32. @returns [batch, C, D, H, W] */
export function fillRegions({ x, other, counter, batch }: Source, labels: Tensor, regions: Tensor): Tensor {
  const constants = { VOXELS: sizeOf(labels.shape), CHANNELS: x.shape[0]! }
  return fill('perturb/region', batch, x, { x, other, labels, regions, counter }, constants)
}

/** What random masks are like; their draws are a function of the seed and a mask's number. */
export interface SoftMasks {
  /** Cells along [D, H, W]. */
  readonly cells: readonly number[]
  /** Share of cells that keep the scan. */
  readonly keep: number
  readonly seed: number
}

/** Voxels of a cell: the largest shift of a mask, and one more. */
function cellSize(x: Tensor, { cells }: SoftMasks): number[] {
  return cells.map((n, k) => Math.ceil(x.shape[k + 1]! / n))
}

/** Cells of the masks from counter[0] on. @returns [batch, cells], 0 or 1 */
export function drawCells({ counter, batch }: Source, { cells, keep, seed }: SoftMasks): Tensor {
  const count = sizeOf(cells)
  const operation: Operation = {
    name: 'draw_cells',
    lower: ({ outputs: [drawn] }) => [
      {
        kernel: 'perturb/cells',
        constants: { COUNT: count, KEEP: keep, SEED: seed },
        bind: { counter, cells: drawn! },
        groups: batchGroups(count, 64, batch),
      },
    ],
  }
  return apply(operation, [counter], [{ shape: [batch, count] }]).outputs[0]!
}

/** Copies of the scan under masks of these cells. @returns [batch, C, D, H, W] */
export function fillMasks({ x, other, counter, batch }: Source, cells: Tensor, masks: SoftMasks): Tensor {
  const [channels, ...size] = x.shape as [number, ...number[]]
  const constants = { SIZE: size, CHANNELS: channels, CELLS: masks.cells, CELL: cellSize(x, masks), SEED: masks.seed }
  return fill('perturb/mask', batch, x, { x, other, cells, counter }, constants)
}

/**
 * Adds masks to totals [2, D, H, W], an effect: weighted by values [batch, classes] of the target, and unweighted.
 * @param count masks that there are; later ones do not count
 */
export function sumMasks(
  { x, counter, batch }: Source,
  {
    cells,
    masks,
    values,
    totals,
    count,
  }: { cells: Tensor; masks: SoftMasks; values: Tensor; totals: Tensor; count: number },
): Node {
  const [, ...size] = x.shape
  const operation: Operation = {
    name: 'sum_masks',
    effect: true,
    lower: () => [
      {
        kernel: 'perturb/mask_sum',
        constants: {
          SIZE: size,
          CELLS: masks.cells,
          CELL: cellSize(x, masks),
          SEED: masks.seed,
          N: batch,
          MASKS: count,
          CLASSES: values.shape[1]!,
        },
        bind: { values, cells, counter, totals },
        groups: linearGroups(sizeOf(size), 64),
      },
    ],
  }
  return apply(operation, [values, cells, counter, totals], [])
}

/**
 * Keeps values [batch, classes] as the next rows of a table and moves the counter on, an effect: the last one of a run.
 * @returns the effect, and the table [rows, classes], a state
 */
export function keepScores({ counter, batch }: Source, values: Tensor, rows: number): { node: Node; scores: Tensor } {
  const classes = values.shape[1]!
  const scores = state([rows, classes], undefined, 'scores')
  const operation: Operation = {
    name: 'keep_scores',
    effect: true,
    lower: () => [
      {
        kernel: 'perturb/keep',
        constants: { N: batch, CLASSES: classes },
        bind: { values, scores, counter },
        groups: [1, 1, 1],
      },
    ],
  }
  return { node: apply(operation, [values, scores, counter], []), scores }
}

/** An operation whose kernel makes a batch of scans. */
function fill(
  kernel: string,
  batch: number,
  x: Tensor,
  bind: Readonly<Record<string, Tensor>>,
  constants: Constants,
): Tensor {
  const operation: Operation = {
    name: kernel.replace('/', '_'),
    lower: ({ outputs: [y] }) => [
      {
        kernel,
        constants,
        bind: { ...bind, y: y! },
        groups: batchGroups(sizeOf(x.shape.slice(1)), 256, batch),
      },
    ],
  }
  return apply(operation, Object.values(bind), [{ shape: [batch, ...x.shape] }]).outputs[0]!
}

function batchGroups(count: number, perGroup: number, batch: number): [number, number, number] {
  const [x, y] = linearGroups(count, perGroup)
  return [x, y, batch]
}
