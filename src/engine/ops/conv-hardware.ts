/**
 * Convolutions on hardware GPUs. Every lowering of a problem gives the same bits: each output is one sum, over the input
 * channels and for each over the taps in order, whatever the tile.
 */
import { type Dispatch, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'

/** A convolution of x into y, or a transposed one (up: the zeros between its voxels, plus one). Triples are (D, H, W). */
export interface ConvProblem {
  /** [n, groups ci, size] */
  readonly x: Tensor
  readonly w: Tensor
  /** [n, groups co, out] */
  readonly y: Tensor
  readonly n: number
  readonly groups: number
  /** Input and output channels of one group. */
  readonly ci: number
  readonly co: number
  readonly kernel: readonly number[]
  readonly size: readonly number[]
  readonly out: readonly number[]
  readonly stride: readonly number[]
  readonly up: readonly number[]
  readonly dilation: readonly number[]
  /** Zeros before x (after it was spread by `up`); negative where it is cropped. */
  readonly front: readonly number[]
  /** Words of w from one output, and from one input channel to the next. */
  readonly wOut: number
  readonly wIn: number
  /** Taps are stored last first. */
  readonly reversed: boolean
  readonly flops: number
}

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
/** Threads that keep a large GPU busy. */
const THREADS = 32768

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
  readonly constants: Readonly<Record<string, number>>
  readonly threads: number
  /** Workgroups. */
  readonly groups: number
  /** Bytes of workgroup memory. */
  readonly bytes: number
}

/** Lays a tile out over a problem, or undefined where it does not fit. */
export function layOut(problem: ConvProblem, tile: Tile): Layout | undefined {
  const voxels = evenTile(problem.out[1]!, tile.voxels)
  const quads = Math.min(tile.quads, Math.ceil(problem.co / 4))
  const rows = (voxels - 1) * problem.stride[1]! + (problem.kernel[1]! - 1) * problem.dilation[1]! + 1
  const body = voxels * quads * problem.kernel[1]! * problem.kernel[2]!
  if (problem.up.some((u) => u !== 1) || rows * problem.kernel[2]! > WINDOW || body > BODY) return undefined
  for (let threads = tile.threads; threads >= 16; threads /= 2) {
    const along = alongRow(problem.out[2]!, threads)
    const found = [1, 2, 4, 8, 16, 32, 64, 128]
      .filter((across) => across * along <= threads && across < 2 * problem.out[0]!)
      .map((across) => layOutThreads(problem, voxels, quads, [along, across, Math.floor(threads / (along * across))]))
      .filter(({ bytes }) => bytes <= WORKGROUP_BYTES)
      .sort((a, b) => a.cost - b.cost)
    if (found[0]) return found[0]
  }
  return undefined
}

/** Work of a multiply-add and of copying a word to workgroup memory, one to the other. */
const COPY = 6

function layOutThreads(
  { out, kernel, stride, dilation, ci, co, n, groups }: ConvProblem,
  voxels: number,
  quads: number,
  [along, across, most]: readonly [number, number, number],
): Layout & { cost: number } {
  const taps = sizeOf(kernel)
  const channels = evenTile(Math.ceil(co / (4 * quads)), most)
  const block = [across, voxels, along]
  const extent = block.map((b, a) => (b - 1) * stride[a]! + (kernel[a]! - 1) * dilation[a]! + 1)
  const pitch = slicePitch(extent[1]! * extent[2]!, along, stride[0]!)
  const lanes = along * across * channels
  const vectors = taps * channels * quads
  const slots = Math.ceil(sizeOf(extent) / lanes)
  const bytesDeep = 4 * extent[0]! * pitch + 16 * taps * ((channels * quads) | 1)
  const ahead = AHEAD / (slots + (4 * vectors) / lanes)
  const deepest = Math.min(WORKGROUP_BYTES / bytesDeep, ahead, STAGE / (taps * voxels * quads))
  const depth = evenTile(ci, Math.max(1, Math.floor(deepest)))
  const work = sizeOf(block) * 4 * quads * channels
  const steps = [...out.map((o, a) => Math.ceil(o / block[a]!)), Math.ceil(co / (4 * quads * channels))]
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
    },
    threads: lanes,
    groups: n * groups * sizeOf(steps),
    bytes: depth * bytesDeep,
    cost: sizeOf(steps) * (work * taps + COPY * (sizeOf(extent) + 4 * vectors)),
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

function constantsOf(problem: ConvProblem) {
  return {
    N: problem.n,
    GROUPS: problem.groups,
    CI: problem.ci,
    CO: problem.co,
    IN: problem.size,
    OUT: problem.out,
    KERNEL: problem.kernel,
    STRIDE: problem.stride,
    DILATION: problem.dilation,
    FRONT: problem.front,
    W_OUT: problem.wOut,
    W_IN: problem.wIn,
    REVERSED: problem.reversed ? 1 : 0,
  }
}

/** Size of the tiles that split `count` evenly, each at most `most`. */
function evenTile(count: number, most: number): number {
  return Math.ceil(count / Math.ceil(count / most))
}

/** Threads along a row: as many as a warp has, unless that wastes more than a seventh of them. */
function alongRow(row: number, threads: number): number {
  const widths = [32, 16, 8, 4, 2, 1].filter((width) => width <= threads)
  const padded = (width: number) => Math.ceil(row / width) * width
  const least = Math.min(...widths.map(padded))
  return widths.find((width) => padded(width) * 7 <= least * 8)!
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
