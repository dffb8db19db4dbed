/**
 * The gradient of a convolution's weights. Only training needs it, so what only explains does not load this file and its
 * kernels (see gradients/conv-weight.ts).
 */
import '../shaders-train.gen.ts'
import { apply, type Dispatch, type LowerContext, type Operation, type Shape, sizeOf, type Tensor } from '../tensor.ts'
import { tiledWeightGradient } from './conv-hardware-weight.ts'
import { padDispatch } from './conv-kernels.ts'
import { type ConvGeometry, evenTile } from './conv-problem.ts'
import { linearGroups } from './launch.ts'
import { sumDispatches } from './reduce.ts'

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
function weightGradient(x: Tensor, dy: Tensor, y: Tensor, geometry: ConvGeometry, context: LowerContext): Dispatch[] {
  const { groups, stride, dilation, front } = geometry
  const tiled = context.software
    ? undefined
    : tiledWeightGradient({ x, d: dy, y, groups, stride, dilation, front }, context)
  if (tiled) return tiled
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
  const partial = chunks === 1 ? y : context.scratch([chunks, sizeOf(y.shape)], 'f32', true)
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
