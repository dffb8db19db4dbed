/** Operators that slide a window: convolutions and pools, in one to three spatial axes. */
import { InputError } from '../../io/errors.ts'
import type { Margins, Triple } from '../layer.ts'
import { formatSizes } from '../layer-rules.ts'
import {
  asWeight,
  type Call,
  fixedInput,
  type Graph,
  type Live,
  likeAxes,
  liveInput,
  neededInput,
  volume,
} from './onnx-graph.ts'

/** One number for each spatial axis, with axes of size 1 in front to make three. */
function triple(values: readonly number[], rank: number, filler: number, what: string): Triple {
  if (values.length !== rank)
    throw new InputError(`its ${what} ${formatSizes(values)} are not one for each of ${rank} axes`)
  return [...new Array<number>(3 - rank).fill(filler), ...values] as unknown as Triple
}

interface Window {
  readonly kernel: Triple
  readonly stride: Triple
  readonly dilation: Triple
  readonly padding: Margins
}

const triples = (each: (k: number) => number): Triple => [each(0), each(1), each(2)]

function spatialRank(x: Live): number {
  const rank = x.sizes.length - 1
  if (rank < 1 || rank > 3)
    throw new InputError(`takes a batch of channels with spatial axes, got ${formatSizes(x.sizes)} a sample`)
  return rank
}

/** @param defaultKernel the spatial sizes of a convolution's weights */
function windowOf(call: Call, x: Live, defaultKernel?: readonly number[]): Window {
  const rank = spatialRank(x)
  const ones = new Array<number>(rank).fill(1)
  const given = call.numbers('kernel_shape') ?? defaultKernel
  if (!given) throw new InputError('its kernel_shape is missing')
  const kernel = triple(given, rank, 1, 'kernel_shape')
  const stride = triple(call.numbers('strides') ?? ones, rank, 1, 'strides')
  const dilation = triple(call.numbers('dilations') ?? ones, rank, 1, 'dilations')
  const auto = call.text('auto_pad', 'NOTSET')
  const pads = call.numbers('pads') ?? new Array<number>(2 * rank).fill(0)
  if (auto === 'NOTSET' || auto === 'VALID') {
    const used = auto === 'VALID' ? pads.map(() => 0) : pads
    const front = triple(used.slice(0, rank), rank, 0, 'pads')
    return { kernel, stride, dilation, padding: { front, back: triple(used.slice(rank), rank, 0, 'pads') } }
  }
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') throw new InputError(`its auto_pad is "${auto.slice(0, 40)}"`)
  const { sizes } = volume(x)
  const total = triples((k) => {
    const size = sizes[k + 1]!
    const reach = (Math.ceil(size / stride[k]!) - 1) * stride[k]! + (kernel[k]! - 1) * dilation[k]! + 1
    return Math.max(reach - size, 0)
  })
  const front = triples((k) => (auto === 'SAME_UPPER' ? Math.floor : Math.ceil)(total[k]! / 2))
  return { kernel, stride, dilation, padding: { front, back: triples((k) => total[k]! - front[k]!) } }
}

/** The weights and bias of a convolution whose weights are [rows, columns, ...kernel]. */
function kernels(call: Call, x: Live) {
  const w = neededInput(call, 1, 'weights')
  if (w.shape.length !== x.sizes.length + 1) {
    throw new InputError(`its weights ${formatSizes(w.shape)} do not fit an input of ${formatSizes(x.sizes)} a sample`)
  }
  const window = windowOf(call, x, w.shape.slice(2))
  const [rows, columns] = w.shape as [number, number]
  const weight = asWeight(w, [rows, columns, ...window.kernel], 'weights')
  return { window, rows, columns, weight, bias: fixedInput(call, 2, 'biases'), groups: call.number('group', 1) }
}

export function conv(call: Call, g: Graph): Live {
  const x = liveInput(call, 0)
  const { window, rows: channels, columns, weight, bias, groups } = kernels(call, x)
  if (columns * groups !== x.sizes[0]) {
    throw new InputError(`its weights take ${columns} channels in ${groups} groups, but its input has ${x.sizes[0]}`)
  }
  const attributes = { ...window, channels, groups, bias: Boolean(bias) }
  const weights = { weight, ...(bias && { bias: asWeight(bias, [channels], 'biases') }) }
  return likeAxes(g.add(call.name, 'conv3d', [volume(x)], attributes, weights), x)
}

/** Padding that gives the output_shape asked for: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html */
function transposedPadding(
  call: Call,
  x: Live,
  window: Window,
  extra: Triple,
): { padding: Margins; outputPadding: Triple } {
  const rank = spatialRank(x)
  const { sizes } = volume(x)
  const auto = call.text('auto_pad', 'NOTSET')
  const asked = call.numbers('output_shape')
  if (!asked && !auto.startsWith('SAME')) return { padding: window.padding, outputPadding: extra }
  const wanted = asked
    ? triple(asked.slice(-rank), rank, 1, 'output_shape')
    : triples((k) => sizes[k + 1]! * window.stride[k]!)
  const excess = triples((k) => {
    const { stride, dilation, kernel } = window
    const full = (sizes[k + 1]! - 1) * stride[k]! + extra[k]! + (kernel[k]! - 1) * dilation[k]! + 1
    return full - wanted[k]!
  })
  const total = triples((k) => Math.max(excess[k]!, 0))
  const front = triples((k) => (auto === 'SAME_UPPER' ? Math.floor : Math.ceil)(total[k]! / 2))
  // What is asked for beyond the full result is added at the end.
  const outputPadding = triples((k) => extra[k]! + total[k]! - excess[k]!)
  return { padding: { front, back: triples((k) => total[k]! - front[k]!) }, outputPadding }
}

export function convTranspose(call: Call, g: Graph): Live {
  const x = liveInput(call, 0)
  const { window, rows, columns, weight, bias, groups } = kernels(call, x)
  if (rows !== x.sizes[0]) throw new InputError(`its weights take ${rows} channels, but its input has ${x.sizes[0]}`)
  const channels = columns * groups
  const rank = spatialRank(x)
  const given = call.numbers('output_padding') ?? new Array<number>(rank).fill(0)
  const margins = transposedPadding(call, x, window, triple(given, rank, 0, 'output_padding'))
  const attributes = { ...window, ...margins, channels, groups, bias: Boolean(bias) }
  const weights = { weight, ...(bias && { bias: asWeight(bias, [channels], 'biases') }) }
  return likeAxes(g.add(call.name, 'convTranspose3d', [volume(x)], attributes, weights), x)
}

export function maxPool(call: Call, g: Graph): Live {
  const x = liveInput(call, 0)
  if (call.outputs[1])
    throw new InputError('its second output (the places of the maxima) is used; that is not supported')
  const attributes = { ...windowOf(call, x), ceilMode: call.number('ceil_mode', 0) === 1 }
  return likeAxes(g.add(call.name, 'maxPool3d', [volume(x)], attributes), x)
}

export function averagePool(call: Call, g: Graph): Live {
  const x = liveInput(call, 0)
  const attributes = {
    ...windowOf(call, x),
    ceilMode: call.number('ceil_mode', 0) === 1,
    countIncludePad: call.number('count_include_pad', 0) === 1,
  }
  return likeAxes(g.add(call.name, 'avgPool3d', [volume(x)], attributes), x)
}

export function globalPool(type: 'globalAvgPool' | 'globalMaxPool') {
  return (call: Call, g: Graph): Live => {
    const x = liveInput(call, 0)
    return likeAxes(g.add(call.name, type, [volume(x)]), x)
  }
}
