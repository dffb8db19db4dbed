/** How convolutions run: which kernels, tiles and temporaries, for a CPU adapter and for hardware. */
import { type Dispatch, type LowerContext, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups, sliceGroups } from './launch.ts'
import { sumDispatches } from './reduce.ts'

export type Triple = readonly [number, number, number]

/** Geometry of a convolution from a larger volume to a smaller one; its transpose goes back. */
export interface ConvGeometry {
  readonly stride: Triple
  readonly dilation: Triple
  readonly front: Triple
  readonly back: Triple
  readonly groups: number
}

/** Size of the tiles that split `count` evenly, each at most `most`. */
function evenTile(count: number, most: number): number {
  return Math.ceil(count / Math.ceil(count / most))
}

/** Dispatches for a convolution (or its transpose) of x with w into y. */
export function convolve(
  x: Tensor,
  w: Tensor,
  y: Tensor,
  geometry: ConvGeometry,
  transposed: boolean,
  context: LowerContext,
): Dispatch[] {
  const { groups, dilation } = geometry
  const [n] = x.shape as [number]
  const ci = x.shape[1]! / groups
  const co = y.shape[1]! / groups
  const kernel = w.shape.slice(2)
  const taps = sizeOf(kernel)
  const size = x.shape.slice(2)
  const out = y.shape.slice(2)
  const up = transposed ? geometry.stride : ([1, 1, 1] as const)
  const stride = transposed ? ([1, 1, 1] as const) : geometry.stride
  const front = transposed ? kernel.map((k, a) => dilation[a]! * (k - 1) - geometry.front[a]!) : [...geometry.front]
  const common = {
    N: n,
    GROUPS: groups,
    CI: ci,
    CO: co,
    OUT: out,
    KERNEL: kernel,
    STRIDE: stride,
    DILATION: dilation,
    W_OUT: transposed ? taps : ci * taps,
    W_IN: transposed ? co * taps : taps,
    REVERSED: transposed ? 1 : 0,
  }
  const flops = 2 * n * groups * co * ci * taps * sizeOf(transposed ? size : out)
  if (!context.software) {
    const channels = evenTile(co, 8)
    const [gx, gy] = linearGroups(n * sizeOf(out), 256)
    return [
      {
        kernel: 'conv/direct',
        constants: { ...common, IN: size, FRONT: front, UP: up, CHANNELS: channels, POSITIONS: 4 },
        bind: { x, w, y },
        groups: [gx, gy, groups * Math.ceil(co / channels)],
        flops,
      },
    ]
  }
  const channels = evenTile(co, 8)
  // With one output channel a thread makes several rows instead; both tiles are unrolled, so wide kernels get smaller ones.
  const tall = co === 1 && kernel[1]! * kernel[2]! <= 16 ? Math.min(4, out[1]!) : 1
  const tile = evenTile(out[2]!, Math.max(2, Math.min(16, Math.floor(1024 / (channels * kernel[2]!)))))
  const along = [out[0]!, Math.ceil(out[1]! / tall) * tall, Math.ceil(out[2]! / tile) * tile]
  const needed = along.map((o, a) => (o - 1) * stride[a]! + dilation[a]! * (kernel[a]! - 1) + 1)
  const fits = front.every((f) => f === 0) && up.every((u) => u === 1) && needed.every((d, a) => d === size[a])
  const padded = fits ? x : context.scratch([n, groups * ci, ...needed])
  const [gx, gy] = linearGroups(n * out[0]! * Math.ceil(out[1]! / tall) * Math.ceil(out[2]! / tile), 64)
  const { CO, W_OUT, ...single } = common
  const bind = { x: padded, w, y }
  const main: Dispatch =
    tall > 1
      ? {
          kernel: 'conv/rows_tall',
          constants: { ...single, IN: needed, TILE: tile, TALL: tall },
          bind,
          groups: [gx, gy, groups],
          flops,
        }
      : {
          kernel: 'conv/rows',
          constants: { ...single, CO, W_OUT, IN: needed, TILE: tile, CHANNELS: channels },
          bind,
          groups: [gx, gy, groups * Math.ceil(co / channels)],
          flops,
        }
  return fits ? [main] : [padDispatch(x, padded, front, up), main]
}

function padDispatch(x: Tensor, y: Tensor, front: readonly number[], up: readonly number[]): Dispatch {
  const planes = x.shape[0]! * x.shape[1]!
  const constants = { PLANES: planes, IN: x.shape.slice(2), OUT: y.shape.slice(2), FRONT: front, UP: up }
  return { kernel: 'conv/pad', constants, bind: { x, y }, groups: sliceGroups(y) }
}

/** Rows a chunk of the weight gradient sums, at least. */
const CHUNK_ROWS = 8
/** Threads that keep an adapter busy; more chunks only make more partial sums. */
const THREADS = 2048
/** Sums a thread of the weight gradient keeps: more are unrolled into kernels that take long to compile. */
const THREAD_SUMS = 96

/** Voxels a weight gradient takes at a time: a divisor of the row where there is one, so that dy needs no padded copy. */
function stepAlong(row: number, sums: number): number {
  for (let step = 12; step > 2; step--) if (row % step === 0 && step * sums <= 400) return step
  return Math.min(4, row)
}

/** Dispatches for the gradient of a convolution's weights y, given its input x and dy: two stages, split over rows. */
export function weightGradient(
  x: Tensor,
  dy: Tensor,
  y: Tensor,
  geometry: ConvGeometry,
  context: LowerContext,
): Dispatch[] {
  const { groups, stride, dilation } = geometry
  const n = x.shape[0]!
  const ci = x.shape[1]! / groups
  const co = dy.shape[1]! / groups
  const kernel = y.shape.slice(2)
  const taps = sizeOf(kernel)
  const out = dy.shape.slice(2)
  const ti = evenTile(ci, 4)
  const to = evenTile(co, Math.max(1, Math.min(8, Math.floor(THREAD_SUMS / (ti * kernel[2]!)))))
  const step = stepAlong(out[2]!, ti * to * kernel[2]!)
  const row = Math.ceil(out[2]! / step) * step
  const along = [out[0]!, out[1]!, row]
  const needed = along.map((o, a) => (o - 1) * stride[a]! + dilation[a]! * (kernel[a]! - 1) + 1)
  const fits = geometry.front.every((f) => f === 0) && needed.every((d, a) => d === x.shape[a + 2])
  const padded = fits ? x : context.scratch([n, groups * ci, ...needed])
  const rows = row === out[2] ? dy : context.scratch([n, groups * co, ...along])
  const blocks = groups * Math.ceil(ci / ti) * Math.ceil(co / to) * kernel[0]! * kernel[1]!
  const total = n * out[0]! * out[1]!
  const chunk = Math.ceil(total / Math.max(1, Math.min(Math.ceil(total / CHUNK_ROWS), Math.ceil(THREADS / blocks))))
  const chunks = Math.ceil(total / chunk)
  const partial = chunks === 1 ? y : context.scratch([chunks, sizeOf(y.shape)])
  const main: Dispatch = {
    kernel: 'conv/weight',
    constants: {
      N: n,
      GROUPS: groups,
      CI: ci,
      CO: co,
      IN: needed,
      OUT: out,
      D_ROW: row,
      KERNEL: kernel,
      STRIDE: stride,
      DILATION: dilation,
      Y_OUT: ci * taps,
      Y_IN: taps,
      CHUNKS: chunks,
      CHUNK: chunk,
      STEP: step,
      TO: to,
      TI: ti,
    },
    bind: { x: padded, d: rows, y: partial },
    groups: linearGroups(blocks * chunks, 64),
    flops: 2 * n * groups * co * ci * taps * sizeOf(out),
  }
  return [
    ...(fits ? [] : [padDispatch(x, padded, geometry.front, [1, 1, 1])]),
    ...(rows === dy ? [] : [padDispatch(dy, rows, [0, 0, 0], [1, 1, 1])]),
    main,
    ...(chunks === 1 ? [] : sumDispatches(partial, y, [0], 1, context)),
  ]
}
