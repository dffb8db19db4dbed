/** Max and average pooling of volumes [N, C, D, H, W]. Gradients: gradients/pool.ts. */
import { requireShape } from '../errors.ts'
import {
  apply,
  type Constants,
  type Dispatch,
  formatShape,
  type Node,
  type Operation,
  type Shape,
  sizeOf,
  type Tensor,
} from '../tensor.ts'
import { poolOver } from './conv-pool.ts'
import { linearGroups } from './launch.ts'
import { mean } from './reduce.ts'
import { reshape } from './shape.ts'

/** One number for all axes, or [d, h, w]. */
export type Extent = number | readonly number[]

/** Voxels added before (front) and after (back) each axis; one number or triple means both sides. */
export type Padding = Extent | { readonly front: Extent; readonly back: Extent }

interface WindowOptions {
  readonly kernel: Extent
  /** Default: the kernel. */
  readonly stride?: Extent
  readonly padding?: Padding
  readonly dilation?: Extent
  /** Round output sizes up; a window that would start in the back padding is dropped, as in PyTorch. */
  readonly ceilMode?: boolean
}

export interface MaxPoolOptions extends WindowOptions {
  /** '-infinity' (default): padding never wins. 'zero': padding counts as zeros, as in ClinicaDL's PadMaxPool3d. */
  readonly padValue?: '-infinity' | 'zero'
}

export interface AvgPoolOptions extends WindowOptions {
  /** Divide by the window's taps in the padded volume (default, as PyTorch) or by those within x. */
  readonly countIncludePad?: boolean
}

/** Windows of a pooling with everything explicit; every field is [d, h, w]. */
export interface Windows {
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly front: readonly number[]
  readonly back: readonly number[]
}

/** What the attributes of pooling nodes hold. */
export interface PoolAttributes extends Windows {
  readonly padValue?: '-infinity' | 'zero'
  readonly countIncludePad?: boolean
}

function triple(value: Extent, least: number, what: string): readonly number[] {
  const list = typeof value === 'number' ? [value, value, value] : [...value]
  requireShape(
    list.length === 3 && list.every((v) => Number.isInteger(v) && v >= least),
    `${what} must be one or three integers of at least ${least} (d, h, w), got [${list}]`,
  )
  return list
}

function resolve(name: string, options: MaxPoolOptions): Windows {
  const { kernel, stride = kernel, padding = 0, dilation = 1 } = options
  const sides = typeof padding === 'object' && 'front' in padding ? padding : { front: padding, back: padding }
  return {
    kernel: triple(kernel, 1, `${name}: kernel`),
    stride: triple(stride, 1, `${name}: stride`),
    dilation: triple(dilation, 1, `${name}: dilation`),
    front: triple(sides.front, 0, `${name}: padding`),
    back: triple(sides.back, 0, `${name}: padding`),
  }
}

/**
 * Outputs of a pooling along one axis, by PyTorch's rule: 1 + floor((size + front + back - dilation (kernel - 1) - 1) / stride),
 * or ceil, where a last window that would start in the back padding is dropped. Zero or less where the window does not fit.
 */
export function poolOutputSize(
  size: number,
  axis: { kernel: number; stride: number; dilation?: number; front?: number; back?: number; ceilMode?: boolean },
): number {
  const { kernel, stride, dilation = 1, front = 0, back = 0, ceilMode = false } = axis
  const steps = (size + front + back - dilation * (kernel - 1) - 1) / stride
  if (!ceilMode) return Math.floor(steps) + 1
  const count = Math.ceil(steps) + 1
  return (count - 1) * stride >= size + front ? count - 1 : count
}

/** Output shape; checks that x is a volume and that every window has a voxel of x in it. */
function outputShape(name: string, x: Tensor, windows: Windows, ceilMode: boolean): Shape {
  requireShape(x.shape.length === 5, `${name}: x must be [N, C, D, H, W], got ${formatShape(x.shape)}`)
  const sizes = x.shape.slice(2).map((size, k) => {
    const [kernel, stride, dilation, front, back] = [
      windows.kernel,
      windows.stride,
      windows.dilation,
      windows.front,
      windows.back,
    ].map((v) => v[k]!)
    const count = poolOutputSize(size, {
      kernel: kernel!,
      stride: stride!,
      dilation: dilation!,
      front: front!,
      back: back!,
      ceilMode,
    })
    requireShape(
      count > 0,
      `${name}: a window of ${kernel} (dilation ${dilation}) does not fit an axis of ${size} with padding ${front}+${back}; use a smaller kernel or more padding`,
    )
    return count
  })
  return [...x.shape.slice(0, 2), ...sizes]
}

/** True when the taps of some window along some axis all lie outside x. */
function hasEmptyWindow(input: Shape, output: Shape, windows: Windows): boolean {
  return [0, 1, 2].some((k) => {
    const taps = Array.from({ length: windows.kernel[k]! }, (_, t) => t * windows.dilation[k]! - windows.front[k]!)
    const windowIsEmpty = (o: number) =>
      taps.every((tap) => o * windows.stride[k]! + tap < 0 || o * windows.stride[k]! + tap >= input[k + 2]!)
    return Array.from({ length: output[k + 2]! }, (_, o) => o).some(windowIsEmpty)
  })
}

function reachesOutside(input: Shape, output: Shape, { kernel, stride, dilation, front }: Windows): boolean {
  return [0, 1, 2].some(
    (k) => front[k]! > 0 || (output[k + 2]! - 1) * stride[k]! + (kernel[k]! - 1) * dilation[k]! >= input[k + 2]!,
  )
}

/**
 * Max pooling of x [N, C, D, H, W], with PyTorch's output sizes (poolOutputSize). The node has a second output, u32 of
 * the same shape: the winner's flat index in its D*H*W plane of x, or 0xffffffff where a padding zero won.
 * Of equal values the first in scan order wins; NaN wins over everything, as in PyTorch. With padValue 'zero' the
 * result is that of padding x with zeros and pooling, so padding may win over negative values.
 * @throws ShapeError for windows that do not fit, or lie wholly in '-infinity' padding.
 */
export function maxPool3d(x: Tensor, options: MaxPoolOptions): Tensor {
  const windows = resolve('maxPool3d', options)
  const padValue = options.padValue ?? '-infinity'
  const shape = outputShape('maxPool3d', x, windows, options.ceilMode ?? false)
  requireShape(
    padValue === 'zero' || !hasEmptyWindow(x.shape, shape, windows),
    `maxPool3d: with padding [${windows.front}]+[${windows.back}] and kernel [${windows.kernel}] some window has no voxel of ` +
      `${formatShape(x.shape)} in it; use less padding`,
  )
  const operation: Operation = {
    name: 'max_pool3d',
    over: poolOver,
    lower: (node) => [
      {
        kernel: 'pool/max',
        constants: {
          COUNT: sizeOf(shape),
          INPUT: x.shape.slice(2),
          OUTPUT: shape.slice(2),
          KERNEL: windows.kernel,
          STRIDE: windows.stride,
          DILATION: windows.dilation,
          FRONT: windows.front,
          PADDED: windows.front.map((front, k) => front + x.shape[k + 2]! + windows.back[k]!),
          INSIDE: reachesOutside(x.shape, shape, windows) ? 0 : 1,
          ZERO: padValue === 'zero' ? 1 : 0,
        },
        bind: { x, y: node.outputs[0]!, index: node.outputs[1]! },
        groups: linearGroups(sizeOf(shape), 64),
        flops: sizeOf(shape) * sizeOf(windows.kernel),
      },
    ],
  }
  const attributes: PoolAttributes = { ...windows, padValue }
  return apply(operation, [x], [{ shape }, { shape, dtype: 'u32' }], { ...attributes }).outputs[0]!
}

/** What arrives at a max pooling's output, passed to the winners: dx of the shape of the node's input. */
export function maxPoolGradient(node: Node, dy: Tensor): Tensor {
  const { kernel, stride, dilation, front } = node.attributes as unknown as PoolAttributes
  const x = node.inputs[0]!
  const index = node.outputs[1]!
  const reach = kernel.map((size, k) => (size - 1) * dilation[k]!)
  const overlap = reach.some((r, k) => r >= stride[k]!)
  const gather = (y: Tensor): Dispatch[] => [
    {
      kernel: 'pool/max_gradient',
      constants: {
        COUNT: sizeOf(x.shape),
        INPUT: x.shape.slice(2),
        OUTPUT: dy.shape.slice(2),
        STRIDE: stride,
        REACH: reach,
        FRONT: front,
      },
      bind: { dy, index, y },
      groups: linearGroups(sizeOf(x.shape), 64),
    },
  ]
  const planes = sizeOf(x.shape.slice(0, 2))
  const scatter = (y: Tensor): Dispatch[] => [
    {
      kernel: 'elementwise/fill',
      constants: { COUNT: sizeOf(x.shape) },
      bind: { y },
      groups: linearGroups(sizeOf(x.shape)),
    },
    {
      kernel: 'pool/scatter',
      constants: { COUNT: sizeOf(dy.shape), OUTPUT: sizeOf(dy.shape) / planes, INPUT: sizeOf(x.shape) / planes },
      bind: { dy, index, y },
      groups: linearGroups(sizeOf(dy.shape)),
    },
  ]
  const operation: Operation = {
    name: 'max_pool3d_gradient',
    lower: ({ outputs }) => (overlap ? gather(outputs[0]!) : scatter(outputs[0]!)),
  }
  return apply(operation, [dy, index], [{ shape: x.shape }], { pool: node }).outputs[0]!
}

function averageConstants(
  input: Shape,
  output: Shape,
  { kernel, stride, dilation, front, back, countIncludePad }: PoolAttributes,
): Constants {
  return {
    INPUT: input.slice(2),
    OUTPUT: output.slice(2),
    KERNEL: kernel,
    STRIDE: stride,
    DILATION: dilation,
    FRONT: front,
    BACK: back,
    INCLUDE_PAD: countIncludePad ? 1 : 0,
  }
}

/**
 * Average pooling of x [N, C, D, H, W], sizes and divisors as PyTorch's AvgPool3d: with countIncludePad a window is
 * divided by its extent within the padded volume (what ceilMode adds beyond that never counts). Dilated windows, as ONNX has them, count their taps.
 * @throws ShapeError for windows that do not fit or lie wholly in the padding.
 */
export function avgPool3d(x: Tensor, options: AvgPoolOptions): Tensor {
  const windows = resolve('avgPool3d', options)
  const shape = outputShape('avgPool3d', x, windows, options.ceilMode ?? false)
  requireShape(
    !hasEmptyWindow(x.shape, shape, windows),
    `avgPool3d: with padding [${windows.front}]+[${windows.back}] and kernel [${windows.kernel}] some window has no voxel of ` +
      `${formatShape(x.shape)} in it; use less padding`,
  )
  const attributes: PoolAttributes = { ...windows, countIncludePad: options.countIncludePad ?? true }
  const operation: Operation = {
    name: 'avg_pool3d',
    lower: (node) => [
      {
        kernel: 'pool/average',
        constants: { COUNT: sizeOf(shape), ...averageConstants(x.shape, shape, attributes) },
        bind: { x, y: node.outputs[0]! },
        groups: linearGroups(sizeOf(shape), 64),
        flops: sizeOf(shape) * sizeOf(windows.kernel),
      },
    ],
  }
  return apply(operation, [x], [{ shape }], { ...attributes }).outputs[0]!
}

/** What arrives at an average pooling's output, spread over its windows: dx of the shape of the node's input. */
export function avgPoolGradient(node: Node, dy: Tensor): Tensor {
  const attributes = node.attributes as unknown as PoolAttributes
  const { shape } = node.inputs[0]!
  const operation: Operation = {
    name: 'avg_pool3d_gradient',
    lower: ({ outputs }) => [
      {
        kernel: 'pool/average_gradient',
        constants: { COUNT: sizeOf(shape), ...averageConstants(shape, dy.shape, attributes) },
        bind: { dy, y: outputs[0]! },
        groups: linearGroups(sizeOf(shape), 64),
      },
    ],
  }
  return apply(operation, [dy], [{ shape }]).outputs[0]!
}

/** Mean over D, H, W: [N, C, D, H, W] -> [N, C, 1, 1, 1]. */
export function globalAvgPool(x: Tensor): Tensor {
  requireShape(x.shape.length === 5, `globalAvgPool: x must be [N, C, D, H, W], got ${formatShape(x.shape)}`)
  return reshape(mean(x, [2, 3, 4]), [...x.shape.slice(0, 2), 1, 1, 1])
}

/** Largest value over D, H, W: [N, C, D, H, W] -> [N, C, 1, 1, 1]. Pooled axis by axis, so that many threads share the work. */
export function globalMaxPool(x: Tensor): Tensor {
  requireShape(x.shape.length === 5, `globalMaxPool: x must be [N, C, D, H, W], got ${formatShape(x.shape)}`)
  const [, , d, h, w] = x.shape as [number, number, number, number, number]
  const rows = maxPool3d(x, { kernel: [1, 1, w] })
  return maxPool3d(maxPool3d(rows, { kernel: [1, h, 1] }), { kernel: [d, 1, 1] })
}
