/**
 * 3D convolution and its transpose, which is its data gradient. One kernel family does both: they are a convolution of a
 * volume with zeros between (UP) and around its voxels. The gradient of the weights: conv-weight.ts.
 */
import { requireShape } from '../errors.ts'
import { apply, formatShape, type Operation, type Shape, type Tensor } from '../tensor.ts'
import { convolve } from './conv-kernels.ts'
import { unpoolOver } from './conv-pool.ts'
import { type ConvGeometry, convProblem, type Triple } from './conv-problem.ts'
import { channelShift } from './elementwise.ts'

export type { ConvGeometry } from './conv-problem.ts'

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
    lower: (node, context) => convolve(convProblem(x, w, node.outputs[0]!, geometry, false), context),
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
    lower: (node, context) => convolve(convProblem(x, w, node.outputs[0]!, geometry, true), context),
    over: unpoolOver,
  }
  const y = apply(operation, [x, w], [{ shape: [n, perGroup * groups, ...out] }], { geometry }).outputs[0]!
  return options.bias ? channelShift(y, options.bias) : y
}

function checkRanks(name: string, x: Tensor, w: Tensor): void {
  requireShape(
    x.shape.length === 5 && w.shape.length === 5,
    `${name}: input and weights must have 5 axes, got ${formatShape(x.shape)} and ${formatShape(w.shape)}`,
  )
}
