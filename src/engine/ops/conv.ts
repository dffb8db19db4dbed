/**
 * 3D convolution and its two gradients. One kernel family does all of them: the data gradient of a convolution is a
 * transposed convolution, and both are a convolution of a volume with zeros between (UP) and around its voxels.
 */
import { requireShape } from '../errors.ts'
import {
  apply,
  type Constants,
  type Dispatch,
  formatShape,
  type LowerContext,
  type Operation,
  type Shape,
  sizeOf,
  type Tensor,
} from '../tensor.ts'
import { channelShift } from './elementwise.ts'
import { linearGroups, sliceGroups } from './launch.ts'
import { sumDispatches } from './reduce.ts'

type Triple = readonly [number, number, number]

export interface ConvOptions {
  /** [M], one value an output channel. */
  bias?: Tensor
  /** Voxels between outputs, per axis (D, H, W) or one for all. Default 1. */
  stride?: number | Triple
  /** Zeros around the input: one number, one an axis, or different at either end. Default 0. */
  padding?: number | Triple | { readonly front: Triple; readonly back: Triple }
  /** Voxels between taps. Default 1. */
  dilation?: number | Triple
  /** Channels are convolved in this many separate groups. Default 1. */
  groups?: number
}

/** Geometry of a convolution from a larger volume to a smaller one; its transpose goes back. */
export interface ConvGeometry {
  readonly stride: Triple
  readonly dilation: Triple
  readonly front: Triple
  readonly back: Triple
  readonly groups: number
}

export function triple(value: number | Triple | undefined, otherwise: number): Triple {
  if (value === undefined) return [otherwise, otherwise, otherwise]
  return typeof value === 'number' ? [value, value, value] : value
}

/** Fills in defaults and checks them. @throws ShapeError for negative padding, or a stride or dilation below 1. */
export function convGeometry(options: ConvOptions, name = 'conv3d'): ConvGeometry {
  const { padding } = options
  const sides = typeof padding === 'object' && 'front' in padding ? padding : undefined
  const even = sides ? undefined : triple(padding as number | Triple | undefined, 0)
  const geometry = {
    stride: triple(options.stride, 1),
    dilation: triple(options.dilation, 1),
    front: sides?.front ?? even!,
    back: sides?.back ?? even!,
    groups: options.groups ?? 1,
  }
  const whole = (list: Triple, least: number) =>
    list.length === 3 && list.every((v) => Number.isInteger(v) && v >= least)
  requireShape(whole(geometry.stride, 1), `${name}: stride must be positive integers, got [${geometry.stride}]`)
  requireShape(whole(geometry.dilation, 1), `${name}: dilation must be positive integers, got [${geometry.dilation}]`)
  requireShape(
    whole(geometry.front, 0) && whole(geometry.back, 0),
    `${name}: padding must not be negative, got [${geometry.front}] and [${geometry.back}]`,
  )
  requireShape(
    Number.isInteger(geometry.groups) && geometry.groups > 0,
    `${name}: groups must be a positive integer, got ${geometry.groups}`,
  )
  return geometry
}

/**
 * 3D convolution (cross-correlation, as every framework has it).
 * @param x [N, C, D, H, W]
 * @param w [M, C / groups, kd, kh, kw]
 * @returns [N, M, D', H', W'], D' = floor((D + front + back - dilation (kd - 1) - 1) / stride) + 1
 * @throws ShapeError when shapes do not fit or the kernel is larger than the padded volume.
 */
export function conv3d(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  const geometry = convGeometry(options)
  const { groups } = geometry
  checkRanks('conv3d', x, w)
  const [n, c, ...size] = x.shape as [number, number, ...number[]]
  const [m, perGroup, ...kernel] = w.shape as [number, number, ...number[]]
  requireShape(
    c === perGroup * groups && m % groups === 0,
    `conv3d: input ${formatShape(x.shape)} and weights ${formatShape(w.shape)} do not fit with ${groups} group(s): ` +
      `the weights expect ${perGroup * groups} input channels and ${m} outputs must divide into the groups`,
  )
  const out = size.map((d, a) => {
    const span = geometry.dilation[a]! * (kernel[a]! - 1) + 1
    return Math.floor((d + geometry.front[a]! + geometry.back[a]! - span) / geometry.stride[a]!) + 1
  })
  requireShape(
    out.every((d) => d > 0),
    `conv3d: a kernel of ${formatShape(kernel)} does not fit into ${formatShape(size)} with padding [${geometry.front}] and [${geometry.back}]`,
  )
  const operation: Operation = {
    name: 'conv3d',
    lower: (node, context) => convolve(x, w, node.outputs[0]!, geometry, false, context),
  }
  const y = apply(operation, [x, w], [{ shape: [n, m, ...out] }], { geometry }).outputs[0]!
  return options.bias ? channelShift(y, options.bias) : y
}

/**
 * Transposed 3D convolution: the data gradient of conv3d with the same options.
 * @param x [N, C, D, H, W]
 * @param w [C, M / groups, kd, kh, kw]
 * @param options.outputPadding extra voxels at the back, per axis; or outputSize, the size itself.
 * @returns [N, M, D', H', W'], D' = (D - 1) stride - front - back + dilation (kd - 1) + 1 + outputPadding
 */
export function convTranspose3d(
  x: Tensor,
  w: Tensor,
  options: ConvOptions & { outputPadding?: number | Triple; outputSize?: Shape } = {},
): Tensor {
  const geometry = convGeometry(options, 'convTranspose3d')
  const { groups } = geometry
  checkRanks('convTranspose3d', x, w)
  const [n, c, ...size] = x.shape as [number, number, ...number[]]
  const [inner, perGroup, ...kernel] = w.shape as [number, number, ...number[]]
  requireShape(
    c === inner && c % groups === 0,
    `convTranspose3d: input ${formatShape(x.shape)} and weights ${formatShape(w.shape)} do not fit with ${groups} group(s)`,
  )
  const extra = triple(options.outputPadding, 0)
  const out =
    options.outputSize ??
    size.map((d, a) => {
      const span = geometry.dilation[a]! * (kernel[a]! - 1) + 1
      return (d - 1) * geometry.stride[a]! - geometry.front[a]! - geometry.back[a]! + span + extra[a]!
    })
  requireShape(
    out.length === 3 && out.every((d) => d > 0),
    `convTranspose3d: padding [${geometry.front}] and [${geometry.back}] leave nothing of ${formatShape(size)}`,
  )
  const operation: Operation = {
    name: 'conv_transpose3d',
    lower: (node, context) => convolve(x, w, node.outputs[0]!, geometry, true, context),
  }
  const y = apply(operation, [x, w], [{ shape: [n, perGroup * groups, ...out] }], { geometry }).outputs[0]!
  return options.bias ? channelShift(y, options.bias) : y
}

/**
 * Gradient of conv3d with respect to its weights: sum over samples and voxels of dy times the input under each tap.
 * @param x [N, C, D, H, W], the larger volume
 * @param dy [N, M, D', H', W'], the smaller one
 * @param shape of the weights, [M, C / groups, kd, kh, kw]
 */
export function convWeightGradient(x: Tensor, dy: Tensor, shape: Shape, geometry: ConvGeometry): Tensor {
  const operation: Operation = {
    name: 'conv3d_weight_gradient',
    lower: (node, context) => weightGradient(x, dy, node.outputs[0]!, geometry, context),
  }
  return apply(operation, [x, dy], [{ shape }], { geometry }).outputs[0]!
}

function checkRanks(name: string, x: Tensor, w: Tensor): void {
  requireShape(
    x.shape.length === 5 && w.shape.length === 5,
    `${name}: input and weights must have 5 axes, got ${formatShape(x.shape)} and ${formatShape(w.shape)}`,
  )
}

/** Size of the tiles that split `count` evenly, each at most `most`. */
function evenTile(count: number, most: number): number {
  return Math.ceil(count / Math.ceil(count / most))
}

/** Dispatches for a convolution (or its transpose) of x with w into y. */
function convolve(
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
  const common: Constants = {
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
  // A tile is unrolled: keep the text of wide kernels within reason.
  const tile = evenTile(out[2]!, Math.max(2, Math.min(16, Math.floor(1024 / (channels * kernel[2]!)))))
  const along = [out[0]!, out[1]!, Math.ceil(out[2]! / tile) * tile]
  const needed = along.map((o, a) => (o - 1) * stride[a]! + dilation[a]! * (kernel[a]! - 1) + 1)
  const fits = front.every((f) => f === 0) && up.every((u) => u === 1) && needed.every((d, a) => d === size[a])
  const padded = fits ? x : context.scratch([n, groups * ci, ...needed])
  const [gx, gy] = linearGroups(n * out[0]! * out[1]! * Math.ceil(out[2]! / tile), 64)
  const main: Dispatch = {
    kernel: 'conv/rows',
    constants: { ...common, IN: needed, TILE: tile, CHANNELS: channels },
    bind: { x: padded, w, y },
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

/** Rows a chunk of the weight gradient sums, at least; more chunks than workers gain nothing. */
const CHUNK_ROWS = 512
/** Register and workgroup memory bound of the weight kernel: sums a lane keeps. */
const LANE_SUMS = 48

function weightGradient(x: Tensor, dy: Tensor, y: Tensor, geometry: ConvGeometry, context: LowerContext): Dispatch[] {
  const { groups, stride, dilation } = geometry
  const n = x.shape[0]!
  const ci = x.shape[1]! / groups
  const co = dy.shape[1]! / groups
  const kernel = y.shape.slice(2)
  const taps = sizeOf(kernel)
  const out = dy.shape.slice(2)
  const step = Math.min(4, out[2]!)
  const row = Math.ceil(out[2]! / step) * step
  const along = [out[0]!, out[1]!, row]
  const needed = along.map((o, a) => (o - 1) * stride[a]! + dilation[a]! * (kernel[a]! - 1) + 1)
  const fits = geometry.front.every((f) => f === 0) && needed.every((d, a) => d === x.shape[a + 2])
  const padded = fits ? x : context.scratch([n, groups * ci, ...needed])
  const rows = row === out[2] ? dy : context.scratch([n, groups * co, ...along])
  const sums = Math.max(1, Math.floor(LANE_SUMS / kernel[2]!))
  const ti = evenTile(ci, Math.max(1, Math.min(4, sums)))
  const to = evenTile(co, Math.max(1, Math.min(16, Math.floor(sums / ti))))
  const blocks = groups * Math.ceil(ci / ti) * Math.ceil(co / to) * kernel[0]! * kernel[1]!
  const total = n * out[0]! * out[1]!
  const chunks = Math.max(1, Math.min(Math.ceil(total / CHUNK_ROWS), Math.ceil(256 / blocks)))
  const partial = chunks === 1 ? y : context.scratch([chunks, sizeOf(y.shape)])
  const [gx, gy] = linearGroups(blocks, 1)
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
      CHUNK: Math.ceil(total / chunks),
      STEP: step,
      TO: to,
      TI: ti,
    },
    bind: { x: padded, d: rows, y: partial },
    groups: [gx, gy, chunks],
    flops: 2 * n * groups * co * ci * taps * sizeOf(out),
  }
  return [
    ...(fits ? [] : [padDispatch(x, padded, geometry.front, [1, 1, 1])]),
    ...(rows === dy ? [] : [padDispatch(dy, rows, [0, 0, 0], [1, 1, 1])]),
    main,
    ...(chunks === 1 ? [] : sumDispatches(partial, y, [0], 1, context)),
  ]
}
