/**
 * Convolutions in row kernels (shaders/conv/rows*): each thread makes a tile of rows in registers. Alone, together with the
 * max-pool that follows, and as the data gradient through that pool.
 */
import type { Constants, Dispatch, LowerContext, Piece, TaskGrid, Tensor } from '../tensor.ts'
import { type ConvProblem, evenTile, problemConstants, type Triple } from './conv-problem.ts'
import { linearGroups } from './launch.ts'

/** A max-pool whose windows do not overlap. */
export interface PoolWindows {
  readonly kernel: Triple
  readonly stride: Triple
  readonly front: Triple
  readonly back: Triple
  /** Padding counts as zeros. */
  readonly zero: boolean
}

/** What a thread makes: channels, and units (voxels, or windows of a pool) along y and z. */
interface Tile {
  readonly channels: number
  readonly rows: number
  readonly columns: number
}

/** How many voxels a tile of units covers along an axis, and reads of x. */
interface Axis {
  readonly units: number
  span(units: number): number
  reads(units: number): number
}

/**
 * Nanoseconds on SwiftShader of what a thread does (four lanes at a time): these ratios, not the numbers, decide the tile.
 * Loads are dear whatever their pattern, and so are assignments, because inactive lanes must keep their values.
 */
const COST = { load: 10, assign: 2, multiplyAdd: 0.45, perThread: 400 }
/** Multiply-adds that a kernel unrolls. More run faster and compile slowly, about a millisecond each. */
const unrolled = ({ flops }: ConvProblem, runs: number): number =>
  Math.max(200, Math.min(2400, (flops * runs) / 6_000_000))
/** Workgroups that should be there, so that every core has work. */
const ENOUGH_GROUPS = 8

/** A tile that leaves a hardware GPU's threads their registers; neighbouring threads then read neighbouring voxels. */
const smallTile = (p: ConvProblem): Tile => ({ channels: evenTile(p.co, 8), rows: 1, columns: 1 })

/** The tile with the least estimated time on a software adapter. */
function bestTile(p: ConvProblem, runs: number, planes: number, y: Axis, z: Axis): Tile {
  const taps = p.kernel[1] * p.kernel[2]
  const most = unrolled(p, runs)
  let best: Tile = { channels: 1, rows: 1, columns: 1 }
  let least = Number.POSITIVE_INFINITY
  for (let mostChannels = 1; mostChannels <= Math.min(16, p.co); mostChannels++) {
    const channels = evenTile(p.co, mostChannels)
    for (let mostRows = 1; mostRows <= Math.min(6, y.units); mostRows++) {
      const rows = evenTile(y.units, mostRows)
      for (let mostColumns = 1; mostColumns <= Math.min(32, z.units); mostColumns++) {
        const columns = evenTile(z.units, mostColumns)
        const sums = channels * y.span(rows) * z.span(columns)
        if (sums * taps > most && sums > 1) continue
        const threads =
          p.n *
          p.groups *
          planes *
          Math.ceil(p.co / channels) *
          Math.ceil(y.units / rows) *
          Math.ceil(z.units / columns)
        const workgroups = Math.ceil(threads / 64)
        const loads = y.reads(rows) * z.reads(columns) + channels * taps
        const plane = loads * COST.load + sums * (COST.assign + taps * COST.multiplyAdd)
        const thread = COST.perThread + p.ci * p.kernel[0] * plane + sums * COST.load
        const time = thread * Math.max(threads, (workgroups < ENOUGH_GROUPS ? ENOUGH_GROUPS / workgroups : 1) * threads)
        if (time < least) {
          least = time
          best = { channels, rows, columns }
        }
      }
    }
  }
  return best
}

/** Voxels of x that `outputs` of them need along an axis. */
const halo = (p: ConvProblem, axis: 1 | 2, outputs: number): number =>
  (outputs - 1) * p.stride[axis] + (p.kernel[axis] - 1) * p.dilation[axis] + 1

/**
 * Which of the voxels that a tile reads along an axis can lie outside x: those before `low` and from `high` on.
 * @param first, last where the first and last tile begin to read.
 */
function edges(reads: number, first: number, last: number, size: number): { low: number; high: number } {
  const low = Math.min(reads, Math.max(0, -first))
  return { low, high: Math.min(reads, Math.max(low, size - last)) }
}

function edgeConstants(p: ConvProblem, rowsIn: number, columnsIn: number, first: number[], last: number[]): Constants {
  const y = edges(rowsIn, first[0]!, last[0]!, p.size[1])
  const z = edges(columnsIn, first[1]!, last[1]!, p.size[2])
  return { ROWS_IN: rowsIn, COLUMNS_IN: columnsIn, LOW_Y: y.low, HIGH_Y: y.high, LOW_Z: z.low, HIGH_Z: z.high }
}

/** What the last tile along an axis does not store: what it makes `again`, and what from `end` on lies outside. */
function stores(out: number, tile: number, last: number): { again: number; end: number } {
  return { again: (Math.ceil(out / tile) - 1) * tile - last, end: Math.min(tile, out - last) }
}

function storeConstants(p: ConvProblem, tile: readonly [number, number], last: readonly [number, number]): Constants {
  const y = stores(p.out[1], tile[0], last[0])
  const z = stores(p.out[2], tile[1], last[1])
  return { AGAIN_Y: y.again, END_Y: y.end, AGAIN_Z: z.again, END_Z: z.end }
}

/** A convolution with up = 1. */
export function rows(p: ConvProblem, { runs }: LowerContext): Dispatch[] {
  const axis = (a: 1 | 2): Axis => ({ units: p.out[a], span: (u) => u, reads: (u) => halo(p, a, u) })
  const { channels, rows: tall, columns } = bestTile(p, runs, p.out[0], axis(1), axis(2))
  const threads = p.n * p.groups * Math.ceil(p.co / channels) * p.out[0]
  const tiles = Math.ceil(p.out[1] / tall) * Math.ceil(p.out[2] / columns)
  const first = [-p.front[1], -p.front[2]]
  const last = [(p.out[1] - tall) * p.stride[1] - p.front[1], (p.out[2] - columns) * p.stride[2] - p.front[2]]
  return [
    {
      kernel: 'conv/rows',
      constants: {
        ...problemConstants(p),
        STRIDE: p.stride,
        DILATION: p.dilation,
        CHANNELS: channels,
        ROWS: tall,
        TILE: columns,
        ...edgeConstants(p, halo(p, 1, tall), halo(p, 2, columns), first, last),
        ...storeConstants(p, [tall, columns], [p.out[1] - tall, p.out[2] - columns]),
      },
      bind: { x: p.x, w: p.w, y: p.y },
      groups: linearGroups(threads * tiles, 64),
      tasks: taskGrid(p, channels, p.out, [tall, columns], [p.out[1] - tall, p.out[2] - columns]),
      flops: p.flops,
    },
  ]
}

/** Threads that make `channels` channels of one plane, in tiles of y and z that begin at `last` at the latest. */
function taskGrid(
  p: ConvProblem,
  channels: number,
  size: Triple,
  [tall, columns]: readonly [number, number],
  [lastY, lastZ]: readonly [number, number],
): TaskGrid {
  const blocks = p.groups * Math.ceil(p.co / channels)
  return { scans: p.n, blocks, size, tile: [1, tall, columns], last: [size[0] - 1, lastY, lastZ] }
}

/**
 * A convolution with up = 1 and the max-pool over it.
 * @param y, index what the pool puts out; p.y is never stored.
 * @param stage pieces between the two, none of them decreasing, for the pool's shape.
 */
export function rowsPool(
  p: ConvProblem,
  windows: PoolWindows,
  y: Tensor,
  index: Tensor,
  stage: readonly Piece[],
  { software, runs }: LowerContext,
): Dispatch[] {
  const { kernel, stride, front, back, zero } = windows
  const pooled = y.shape.slice(2) as unknown as Triple
  const span = (a: 1 | 2, units: number) => (units - 1) * stride[a] + kernel[a]
  const axis = (a: 1 | 2): Axis => ({
    units: pooled[a],
    span: (u) => span(a, u),
    reads: (u) => halo(p, a, span(a, u)),
  })
  const {
    channels,
    rows: tall,
    columns,
  } = software ? bestTile(p, runs, pooled[0] * kernel[0], axis(1), axis(2)) : smallTile(p)
  const threads = p.n * p.groups * Math.ceil(p.co / channels) * pooled[0]
  const tiles = Math.ceil(pooled[1] / tall) * Math.ceil(pooled[2] / columns)
  const begin = (a: 1 | 2, unit: number) => (unit * stride[a] - front[a]) * p.stride[a] - p.front[a]
  const inside = [0, 1, 2].every((a) => front[a] === 0 && (pooled[a]! - 1) * stride[a]! + kernel[a]! <= p.out[a]!)
  return [
    {
      kernel: 'conv/rows_pool',
      constants: {
        ...problemConstants(p),
        STRIDE: p.stride,
        DILATION: p.dilation,
        CHANNELS: channels,
        ROWS: span(1, tall),
        TILE: span(2, columns),
        ...edgeConstants(
          p,
          halo(p, 1, span(1, tall)),
          halo(p, 2, span(2, columns)),
          [begin(1, 0), begin(2, 0)],
          [begin(1, pooled[1] - tall), begin(2, pooled[2] - columns)],
        ),
        POOLED: pooled,
        POOL: kernel,
        POOL_STRIDE: stride,
        POOL_FRONT: front,
        PADDED: front.map((f, a) => f + p.out[a]! + back[a]!),
        POOL_ROWS: tall,
        POOL_TILE: columns,
        PARTIAL: inside ? 0 : 1,
        ZERO: zero ? 1 : 0,
        AGAIN_Y: stores(pooled[1], tall, pooled[1] - tall).again,
        AGAIN_Z: stores(pooled[2], columns, pooled[2] - columns).again,
      },
      bind: { x: p.x, w: p.w, y, index },
      epilogue: stage.map((piece) => ({ ...piece, slot: 'stage' })),
      groups: linearGroups(threads * tiles, 64),
      tasks: taskGrid(p, channels, pooled, [tall, columns], [pooled[1] - tall, pooled[2] - columns]),
      flops: p.flops,
    },
  ]
}

/** True where rowsUnpool can do it: see the preconditions of conv/rows_unpool. */
export function canUnpool(p: ConvProblem, { kernel, stride }: PoolWindows): boolean {
  const plain = [...p.stride, ...p.dilation, ...p.up].every((v) => v === 1)
  return plain && stride.every((s, a) => kernel[a]! <= s) && p.size[1] > kernel[1] && p.size[2] > kernel[2]
}

/**
 * A convolution of the gradient of a max-pool's input, given that of its output.
 * @param p.x is never read: dy and index take its place.
 */
export function rowsUnpool(
  p: ConvProblem,
  { stride, front }: PoolWindows,
  dy: Tensor,
  index: Tensor,
  { software, runs }: LowerContext,
): Dispatch[] {
  const pooled = dy.shape.slice(2) as unknown as Triple
  const shift = [0, 1, 2].map((a) => front[a]! - p.front[a]!)
  const base = shift.map((s, a) => Math.floor(s / stride[a]!))
  const phase = shift.map((s, a) => s - base[a]! * stride[a]!)
  const windows = (a: 1 | 2, reads: number) => Math.floor((reads - 1 + phase[a]!) / stride[a]) + 1
  // In units of windows, so that every tile begins at the same place of one. A window costs two loads.
  const axis = (a: 1 | 2): Axis => ({
    units: Math.ceil(p.out[a] / stride[a]),
    span: (u) => u * stride[a],
    reads: (u) => Math.SQRT2 * windows(a, halo(p, a, u * stride[a])) + 0.2 * halo(p, a, u * stride[a]),
  })
  const tile = software ? bestTile(p, runs, p.out[0], axis(1), axis(2)) : smallTile(p)
  const tall = tile.rows * stride[1]
  const wide = tile.columns * stride[2]
  const last = (a: 1 | 2, span: number) => Math.max(0, Math.ceil((p.out[a] - span) / stride[a]) * stride[a])
  const threads = p.n * p.groups * Math.ceil(p.co / tile.channels) * p.out[0]
  const tiles = Math.ceil(p.out[1] / tall) * Math.ceil(p.out[2] / wide)
  const rowsIn = halo(p, 1, tall)
  const columnsIn = halo(p, 2, wide)
  return [
    {
      kernel: 'conv/rows_unpool',
      constants: {
        ...problemConstants(p),
        POOLED: pooled,
        POOL_STRIDE: stride,
        POOL_FRONT: front,
        CHANNELS: tile.channels,
        ROWS: tall,
        TILE: wide,
        LAST_Y: last(1, tall),
        LAST_Z: last(2, wide),
        ...storeConstants(p, [tall, wide], [last(1, tall), last(2, wide)]),
        ROWS_IN: rowsIn,
        COLUMNS_IN: columnsIn,
        BASE_Y: base[1]!,
        BASE_Z: base[2]!,
        PHASE_Y: phase[1]!,
        PHASE_Z: phase[2]!,
        WINDOWS_Y: windows(1, rowsIn),
        WINDOWS_Z: windows(2, columnsIn),
        END_X: Math.min(p.size[0], pooled[0] * stride[0] - front[0]),
      },
      bind: { dy, index, w: p.w, y: p.y },
      groups: linearGroups(threads * tiles, 64),
      tasks: taskGrid(p, tile.channels, p.out, [tall, wide], [last(1, tall), last(2, wide)]),
      flops: p.flops,
    },
  ]
}
