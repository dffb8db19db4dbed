/** The weight gradient of a convolution on hardware GPUs: split over voxels into chunks, which are then summed. */
import { type Dispatch, type LowerContext, sizeOf, type Tensor } from '../tensor.ts'
import { evenTile } from './conv-problem.ts'
import { linearGroups } from './launch.ts'
import { sumDispatches } from './reduce.ts'

/** Gradient y of the weights of a convolution of x whose output has the gradient d. Triples are (D, H, W). */
export interface WeightProblem {
  /** [n, groups ci, ...] */
  readonly x: Tensor
  /** [n, groups co, ...] */
  readonly d: Tensor
  /** [groups co, ci, ...kernel] */
  readonly y: Tensor
  readonly groups: number
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  /** Zeros before x; negative where it is cropped. */
  readonly front: readonly number[]
}

/** Workgroup memory that every WebGPU device has, in bytes. */
const WORKGROUP_BYTES = 16384
/** Threads of a workgroup, at most. */
const THREADS = 192
/** Sums of four weights that a thread keeps in registers. */
const SUMS = 18
/** Threads that keep a large GPU busy, each with many sums. */
const BUSY = 65536
/** Partial sums, in words: with more of them the second stage takes longer than the first. */
const PARTIAL = 2 ** 21
/** Work of a multiply-add and of copying a word to workgroup memory, one to the other. */
const COPY = 6
/** Multiply-adds that a thread could do while it waits at the barriers of a tile. */
const WAIT = 100

/**
 * Dispatches for a weight gradient, or undefined for a kernel too large for this method (more than 32 taps along a row,
 * or 192 rows of taps). How the sum is split depends on the shape alone, so that all adapters give the same bits.
 */
export function tiledWeightGradient(problem: WeightProblem, context: LowerContext): Dispatch[] | undefined {
  const { x, d, y, groups, stride, dilation, front } = problem
  const layout = layOutWeights(problem)
  if (!layout) return undefined
  const { chunks } = layout
  const [ci, co] = [x.shape[1]! / groups, d.shape[1]! / groups]
  const partial = chunks === 1 ? y : context.scratch([chunks, sizeOf(y.shape)], 'f32', true)
  const main: Dispatch = {
    kernel: 'conv/weight_tiled',
    constants: {
      N: x.shape[0]!,
      GROUPS: groups,
      CI: ci,
      CO: co,
      IN: x.shape.slice(2),
      OUT: d.shape.slice(2),
      KERNEL: y.shape.slice(2),
      STRIDE: stride,
      DILATION: dilation,
      FRONT: front,
      ...layout.constants,
    },
    bind: { x, d, y: partial },
    groups: linearGroups(layout.groups, 1),
    flops: 2 * sizeOf(d.shape) * ci * sizeOf(y.shape.slice(2)),
  }
  return chunks === 1 ? [main] : [main, ...sumDispatches(partial, y, [0], 1, context)]
}

/** A way to run conv/weight_tiled. */
export interface WeightLayout {
  readonly constants: Readonly<Record<string, number>>
  readonly threads: number
  /** Workgroups. */
  readonly groups: number
  readonly chunks: number
  /** Bytes of workgroup memory. */
  readonly bytes: number
}

/** The cheapest of the layouts that fit, by a model of multiply-adds and copies; undefined where none does. */
export function layOutWeights(problem: WeightProblem): WeightLayout | undefined {
  const { x, d, groups } = problem
  const [, ky, kz] = problem.y.shape.slice(2) as [number, number, number]
  const [, oy, oz] = d.shape.slice(2) as [number, number, number]
  const [ci, co] = [x.shape[1]! / groups, d.shape[1]! / groups]
  if (kz > 32) return undefined
  const quads = Math.max(1, Math.min(Math.floor(SUMS / (ky * kz)), 4, Math.ceil(co / 4)))
  const tall = evenTile(ky, Math.max(1, Math.floor(SUMS / (kz * quads))))
  const step = evenTile(oz, 4)
  const some = (count: number, list: readonly number[]) => [...new Set(list.map((most) => evenTile(count, most)))]
  let best: (WeightLayout & { cost: number }) | undefined
  for (const inner of some(ci, [1, 2, 4, 8, 16]))
    for (const outer of some(Math.ceil(co / (4 * quads)), [1, 2, 4, 8]))
      for (const rows of some(oy, [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]))
        for (const steps of some(Math.ceil(oz / step), [1, 2, 4, 8])) {
          const tile = { inner, outer, rows, steps, quads, tall, step }
          const layout = layOutTile(problem, tile)
          if (layout && (!best || layout.cost < best.cost)) best = layout
        }
  return best
}

interface WeightTile {
  /** Input channels, and groups of output channels, of a workgroup. */
  readonly inner: number
  readonly outer: number
  /** Rows of voxels, and steps along a row, of a tile. */
  readonly rows: number
  readonly steps: number
  readonly quads: number
  /** Rows of taps of a thread. */
  readonly tall: number
  readonly step: number
}

function layOutTile(problem: WeightProblem, tile: WeightTile): (WeightLayout & { cost: number }) | undefined {
  const { x, d, y, groups, stride, dilation } = problem
  const { inner, outer, rows, quads, tall, step } = tile
  const [kx, ky, kz] = y.shape.slice(2) as [number, number, number]
  const [ox, oy, oz] = d.shape.slice(2) as [number, number, number]
  const [ci, co] = [x.shape[1]! / groups, d.shape[1]! / groups]
  const threads = rows * Math.ceil(ky / tall) * kx * inner * outer
  if (threads > THREADS) return undefined
  const wide = tile.steps * step
  const tallX = (rows - 1) * stride[1]! + (ky - 1) * dilation[1]! + 1
  const wideX = (wide - 1) * stride[2]! + (kz - 1) * dilation[2]! + 1
  const vectors = outer * quads * rows * wide
  const vectorsHeld = Math.max(outer * quads * rows * (wide | 1), 2 * threads)
  const bytes = 4 * inner * kx * tallX * (wideX | 1) + 16 * vectorsHeld
  if (bytes > WORKGROUP_BYTES) return undefined
  const blocks = groups * Math.ceil(ci / inner) * Math.ceil(co / (4 * quads * outer))
  const count = x.shape[0]! * ox * Math.ceil(oy / rows) * Math.ceil(oz / wide)
  const most = Math.max(1, Math.min(Math.ceil(BUSY / (blocks * threads)), Math.floor(PARTIAL / sizeOf(y.shape))))
  const chunk = Math.ceil(count / Math.min(count, most))
  const chunks = Math.ceil(count / chunk)
  const cells = kx * tallX * wideX
  const warps = Math.ceil(threads / 32) * 32
  // Memory comes in sectors of eight words.
  const sectors = (count: number) => Math.ceil(count / 8) * 8
  const words = inner * kx * tallX * sectors(wideX) + 4 * outer * quads * rows * sectors(wide)
  return {
    constants: {
      CHUNKS: chunks,
      CHUNK: chunk,
      ROWS: rows,
      WIDE: wide,
      STEP: step,
      LO: outer,
      LC: inner,
      Q: quads,
      TY: tall,
      SLOTS: Math.ceil(cells / threads),
      D_SLOTS: Math.ceil(vectors / threads),
    },
    threads,
    groups: blocks * chunks,
    chunks,
    bytes,
    cost: blocks * count * (warps * (wide * tall * kz * 4 * quads + WAIT) + COPY * words),
  }
}
