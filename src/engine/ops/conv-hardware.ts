/**
 * Convolutions on hardware GPUs. Every lowering of a problem gives the same bits: each output is one sum, over the input
 * channels and for each over the taps in order, whatever the tile.
 */
import { type Dispatch, type Piece, sizeOf, type Tensor } from '../tensor.ts'
import { type ConvProblem, evenTile, problemConstants, type Triple } from './conv-problem.ts'
import type { PoolWindows } from './conv-rows.ts'
import { linearGroups } from './launch.ts'

/** What a thread of conv/tiled keeps in registers, and how many threads work together. */
export interface Tile {
  /** Voxels along H. */
  readonly voxels: number
  /** Output channels, in fours. */
  readonly quads: number
  readonly threads: number
}

/** Large tiles read less for a multiply-add; small ones make enough threads for a small volume. */
export const tiles: Readonly<Record<string, Tile>> = {
  tiled_8x8: { voxels: 8, quads: 2, threads: 128 },
  tiled_8x4: { voxels: 8, quads: 1, threads: 128 },
  gemm_4x4: { voxels: 4, quads: 1, threads: 64 },
  gemm_2x4: { voxels: 2, quads: 1, threads: 64 },
}

/** Workgroup memory that every WebGPU device has, in bytes. */
const WORKGROUP_BYTES = 16384
/** Words that a thread fetches ahead: they wait in registers. */
const AHEAD = 24
/** Multiply-adds of four channels that are worth two barriers, a thread. */
const STAGE = 256
/** Values of x that a thread holds at a time. */
const WINDOW = 96
/** Multiply-adds of four channels that are unrolled. */
const BODY = 1024
/** Work of copying a word to workgroup memory, in multiply-adds. */
const COPY = 6
/** Threads that keep a large GPU busy. */
const THREADS = 20000

/**
 * Ways to run a convolution on hardware, by name; the preferred one is that with the largest tile that still makes
 * enough threads. `general` runs every problem, the others those whose tile, borders included, fits workgroup memory.
 */
export function hardwareVariants(problem: ConvProblem): {
  readonly variants: Readonly<Record<string, () => Dispatch[]>>
  readonly preferred: string
} {
  const fitting = Object.entries(tiles).flatMap(([name, tile]) => {
    const layout = layOut(problem, tile)
    return layout ? [{ name, layout }] : []
  })
  const enough = fitting.find(({ layout }) => layout.groups * layout.threads >= THREADS)
  return {
    variants: {
      ...Object.fromEntries(fitting.map(({ name, layout }) => [name, () => [tiled(problem, layout)]])),
      general: () => [general(problem)],
    },
    preferred: enough?.name ?? fitting.at(-1)?.name ?? 'general',
  }
}

/** Everything the speed of a convolution depends on, as a key for measurements. */
export function problemKey({ n, groups, ci, co, ...p }: ConvProblem): string {
  const triples = [p.size, p.out, p.kernel, p.stride, p.up, p.dilation, p.front].map((t) => t.join('x'))
  return [n, groups, ci, co, ...triples, p.reversed ? 'reversed' : 'straight'].join(' ')
}

/** A tile of conv/tiled that fits the problem. */
export interface Layout {
  readonly constants: Readonly<Record<string, number | readonly number[]>>
  readonly threads: number
  /** Workgroups. */
  readonly groups: number
  /** Bytes of workgroup memory. */
  readonly bytes: number
}

/** The voxels that workgroups make between them. */
interface Cover {
  /** How many along each axis. */
  readonly volume: readonly number[]
  /** Voxels of a window, which a workgroup makes whole. */
  readonly unit: readonly number[]
}

/** Lays a tile out over a problem, or undefined where it does not fit. */
export function layOut(problem: ConvProblem, tile: Tile, pool?: Cover): Layout | undefined {
  const cover = pool ?? { volume: problem.out, unit: [1, 1, 1] }
  const { volume, unit } = cover
  const voxels = evenTile(volume[1]! / unit[1]!, Math.max(1, Math.floor(tile.voxels / unit[1]!))) * unit[1]!
  const quads = Math.min(tile.quads, Math.ceil(problem.co / 4))
  const rows = (voxels - 1) * problem.stride[1] + (problem.kernel[1] - 1) * problem.dilation[1] + 1
  const body = voxels * quads * problem.kernel[1] * problem.kernel[2]
  if (problem.up.some((u) => u !== 1) || rows * problem.kernel[2] > WINDOW || body > BODY) return undefined
  for (let threads = tile.threads; threads >= 16; threads /= 2) {
    const along = alongRow(volume[2]!, unit[2]!, threads)
    if (along === undefined) return undefined
    const found = [1, 2, 4, 8, 16, 32, 64, 128]
      .filter((across) => across * along <= threads && across % unit[0]! === 0)
      .filter((across) => across < 2 * volume[0]! || across === unit[0])
      .map((across) => layOutThreads(problem, cover, quads, [across, voxels, along], threads))
      .filter(({ bytes }) => bytes <= WORKGROUP_BYTES)
      .sort((a, b) => a.cost - b.cost)
    if (found[0]) return found[0]
  }
  return undefined
}

/** @param block voxels of a workgroup: as many threads along D and W, and a thread's voxels along H. */
function layOutThreads(
  { kernel, stride, dilation, ci, co, n, groups }: ConvProblem,
  { volume, unit }: Cover,
  quads: number,
  block: Triple,
  threads: number,
): Layout & { cost: number } {
  const [across, voxels, along] = block
  const taps = sizeOf(kernel)
  const channels = evenTile(Math.ceil(co / (4 * quads)), Math.floor(threads / (along * across)))
  const extent = block.map((b, a) => (b - 1) * stride[a]! + (kernel[a]! - 1) * dilation[a]! + 1)
  const pitch = slicePitch(extent[1]! * extent[2]!, along, stride[0])
  const lanes = along * across * channels
  const vectors = taps * channels * quads
  const slots = Math.ceil(sizeOf(extent) / lanes)
  const words = extent[0]! * pitch
  const weights = 4 * taps * ((channels * quads) | 1)
  const ahead = AHEAD / (slots + (4 * vectors) / lanes)
  const deepest = Math.min(WORKGROUP_BYTES / 4 / (words + weights), ahead, STAGE / (taps * voxels * quads))
  const depth = evenTile(ci, Math.max(1, Math.floor(deepest)))
  const spare = sizeOf(unit) > 1 ? sizeOf(block) * channels : 0
  const steps = volume.map((o, a) => Math.ceil(o / block[a]!))
  const workgroups = n * groups * sizeOf(steps) * Math.ceil(co / (4 * quads * channels))
  return {
    constants: {
      LZ: along,
      LX: across,
      LQ: channels,
      V: voxels,
      Q: quads,
      DEPTH: depth,
      X_PITCH: pitch,
      SLOTS: slots,
      W_SLOTS: Math.ceil((depth * vectors) / lanes),
      TILES: steps,
      SPARE: spare,
    },
    threads: lanes,
    groups: workgroups,
    bytes: 4 * Math.max(depth * words, spare) + 4 * depth * weights,
    cost: workgroups * (sizeOf(block) * 4 * quads * channels * taps + COPY * (sizeOf(extent) + 4 * vectors)),
  }
}

/** Convolution from workgroup memory. */
export function tiled(problem: ConvProblem, layout: Layout): Dispatch {
  const { x, w, y, flops } = problem
  const constants = { ...constantsOf(problem), ...layout.constants }
  return { kernel: 'conv/tiled', constants, bind: { x, w, y }, groups: linearGroups(layout.groups, 1), flops }
}

/** Convolution of any geometry, straight from storage. */
export function general(problem: ConvProblem): Dispatch {
  const { x, w, y, n, groups, co, out, up, flops } = problem
  const channels = evenTile(co, 8)
  const phase = out.map((o, a) => Math.ceil(o / up[a]!))
  const [gx, gy] = linearGroups(n * sizeOf(phase), 256)
  return {
    kernel: 'conv/general',
    constants: { ...constantsOf(problem), UP: up, CHANNELS: channels },
    bind: { x, w, y },
    groups: [gx, gy, groups * Math.ceil(co / channels) * sizeOf(up)],
    flops,
  }
}

/** The largest tile that makes enough threads, else the smallest that fits. */
function bestLayout(problem: ConvProblem, pool?: Cover): Layout | undefined {
  const fitting = Object.values(tiles).flatMap((tile) => layOut(problem, tile, pool) ?? [])
  return fitting.find(({ threads, groups }) => threads * groups >= THREADS) ?? fitting.at(-1)
}

/**
 * A convolution and the max-pool over it, or undefined where no tile of whole windows fits. As rowsPool, bit for bit.
 * @param y, index what the pool puts out; problem.y is never stored.
 * @param stage pieces between the two, none of them decreasing, for the pool's shape.
 */
export function tiledPool(
  problem: ConvProblem,
  { kernel, stride, front, back, zero }: PoolWindows,
  y: Tensor,
  index: Tensor,
  stage: readonly Piece[],
): Dispatch[] | undefined {
  const pooled = y.shape.slice(2)
  const layout = bestLayout(problem, { volume: pooled.map((p, a) => p * stride[a]!), unit: stride })
  if (!layout) return undefined
  const { x, w, out, flops } = problem
  const constants = {
    ...constantsOf(problem),
    ...layout.constants,
    ORIGIN: front,
    POOLED: pooled,
    POOL: kernel,
    POOL_STRIDE: stride,
    POOL_FRONT: front,
    PADDED: front.map((f, a) => f + out[a]! + back[a]!),
    ZERO: zero ? 1 : 0,
  }
  const epilogue = stage.map((piece) => ({ ...piece, slot: 'stage' }))
  const groups = linearGroups(layout.groups, 1)
  return [{ kernel: 'conv/tiled_pool', constants, bind: { x, w, y, index }, epilogue, groups, flops }]
}

/**
 * A convolution of the gradient of a max-pool's input, given that of its output, or undefined where no tile fits.
 * As rowsUnpool, bit for bit.
 * @param problem.x is never read: dy and index take its place.
 */
export function tiledUnpool(
  problem: ConvProblem,
  { stride, front }: PoolWindows,
  dy: Tensor,
  index: Tensor,
): Dispatch[] | undefined {
  const layout = bestLayout(problem)
  if (!layout) return undefined
  const { w, y, flops } = problem
  const pool = { POOLED: dy.shape.slice(2), POOL_STRIDE: stride, POOL_FRONT: front }
  const constants = { ...constantsOf(problem), ...layout.constants, ...pool }
  const groups = linearGroups(layout.groups, 1)
  return [{ kernel: 'conv/tiled_unpool', constants, bind: { dy, index, w, y }, groups, flops }]
}

const constantsOf = (problem: ConvProblem) => ({
  ...problemConstants(problem),
  STRIDE: problem.stride,
  DILATION: problem.dilation,
})

/** Threads along a row, a multiple of `unit`: as many as a warp has, unless that wastes more than a seventh of them. */
function alongRow(row: number, unit: number, threads: number): number | undefined {
  const widths = [32, 16, 8, 4, 2, 1].filter((width) => width <= threads && width % unit === 0)
  const padded = (width: number) => Math.ceil(row / width) * width
  const least = Math.min(...widths.map(padded))
  return widths.find((width) => padded(width) * 7 <= least * 8)
}

/**
 * Words from one slice of staged voxels to the next. Where a warp reaches over several slices of `along` neighbouring
 * words, each must begin in the bank after the one before.
 */
function slicePitch(face: number, along: number, stride: number): number {
  if (along >= 32) return face
  for (let pitch = face; pitch < face + 32; pitch++) if ((pitch * stride) % 32 === along) return pitch
  return face
}
