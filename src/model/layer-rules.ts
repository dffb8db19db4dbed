/**
 * What each layer type means: its attributes, how many inputs it takes, its output shape, its weights and its cost.
 * Shapes leave the batch axis out: [C, D, H, W] or [F]. Everything thrown is an InputError.
 */
import {
  integerFrom,
  listOf,
  numberWithin,
  oneOf,
  optional,
  type Reader,
  readBoolean,
  readMargins,
  tripleFrom,
} from './formats/read-json.ts'
import type { LayerAttributes, LayerOf, LayerType, Margins, Triple } from './layer.ts'
import { broadcast, formatSizes, grouped, product, require, type Sizes, volume, windows } from './layer-sizes.ts'

export { formatSizes, product, type Sizes } from './layer-sizes.ts'

/** Everything known about one layer type. */
export interface LayerRule<T extends LayerType> {
  readonly attributes: { readonly [K in keyof LayerAttributes[T]]: Reader<LayerAttributes[T][K]> }
  /** Fewest and most inputs. */
  readonly arity: readonly [number, number]
  /** Output shape. @throws InputError without the layer's name, which the caller adds. */
  shape(layer: LayerOf<T>, inputs: readonly Sizes[]): Sizes
  /** Shapes of the weights by their last name. */
  weights?(layer: LayerOf<T>, inputs: readonly Sizes[]): Readonly<Record<string, Sizes>>
  /** Floating-point operations for one sample, beyond one for each output value. */
  flops?(layer: LayerOf<T>, inputs: readonly Sizes[], output: Sizes): number
}

const ONE: readonly [number, number] = [1, 1]
const NO_INPUT: readonly [number, number] = [0, 0]
const MANY: readonly [number, number] = [2, 1000]
/** Axes a sample that kernels over coordinates take. */
const MOST_AXES = 5
const UNIT: Triple = [1, 1, 1]
const ZERO: Triple = [0, 0, 0]
const NONE: Margins = { front: ZERO, back: ZERO }

const same = (_: unknown, inputs: readonly Sizes[]): Sizes => inputs[0]!
const perChannel = (inputs: readonly Sizes[]): Sizes => [inputs[0]![0]!]
const plain = { attributes: {}, arity: ONE, shape: same }
const atLeastOne = integerFrom(1)
const triple = tripleFrom(1)

const readScale = listOf(numberWithin(0, 1e6), 3) as unknown as Reader<Triple>

const convolution = {
  channels: atLeastOne,
  kernel: triple,
  stride: optional(triple, UNIT),
  padding: optional(readMargins, NONE),
  dilation: optional(triple, UNIT),
  groups: optional(atLeastOne, 1),
  bias: optional(readBoolean, true),
}

const pooling = {
  kernel: triple,
  stride: triple,
  padding: optional(readMargins, NONE),
  ceilMode: optional(readBoolean, false),
}

/** What has only one value has no variance. */
function spread(values: number): void {
  require(values > 1, 'has one value for each mean, so its variance says nothing')
}

/** Padding of a whole window or more would pool nothing but padding. */
function checkPooling({ kernel, padding }: { kernel: Triple; padding: Margins }): void {
  require(kernel.every(
    (k, d) => padding.front[d]! < k && padding.back[d]! < k,
  ), `its padding ${padding.front.join('x')} / ${padding.back.join('x')} must be smaller than its window ${kernel.join('x')}`)
}

export const layerRules: { readonly [T in LayerType]: LayerRule<T> } = {
  conv3d: {
    attributes: convolution,
    arity: ONE,
    shape(l, [x]) {
      grouped(volume(x!)[0], l.channels, l.groups)
      return [l.channels, ...windows(x!, l.kernel, l.stride, l.padding, l.dilation)]
    },
    weights: (l, [x]) => ({
      weight: [l.channels, x![0]! / l.groups, ...l.kernel],
      ...(l.bias && { bias: [l.channels] }),
    }),
    flops: (l, [x], out) => 2 * product(out) * (x![0]! / l.groups) * product(l.kernel),
  },
  convTranspose3d: {
    attributes: { ...convolution, outputPadding: optional(tripleFrom(0), ZERO) },
    arity: ONE,
    shape(l, [x]) {
      grouped(volume(x!)[0], l.channels, l.groups)
      const size = (n: number, k: number) => {
        const full = (n - 1) * l.stride[k]! + l.dilation[k]! * (l.kernel[k]! - 1) + 1 + l.outputPadding[k]!
        return full - l.padding.front[k]! - l.padding.back[k]!
      }
      return [l.channels, ...x!.slice(1).map(size)]
    },
    weights: (l, [x]) => ({
      weight: [x![0]!, l.channels / l.groups, ...l.kernel],
      ...(l.bias && { bias: [l.channels] }),
    }),
    flops: (l, [x]) => 2 * product(x!) * (l.channels / l.groups) * product(l.kernel),
  },
  dense: {
    attributes: { units: atLeastOne, bias: optional(readBoolean, true) },
    arity: ONE,
    shape(l, [x]) {
      require(x!.length === 1, `takes [F], got ${formatSizes(x!)}: flatten first`)
      return [l.units]
    },
    weights: (l, [x]) => ({ weight: [l.units, x![0]!], ...(l.bias && { bias: [l.units] }) }),
    flops: (l, [x]) => 2 * l.units * x![0]!,
  },
  batchNorm: {
    attributes: { epsilon: optional(numberWithin(0, 1), 1e-5), momentum: optional(numberWithin(0, 1), 0.1) },
    arity: ONE,
    shape: same,
    weights(_, inputs) {
      const c = perChannel(inputs)
      return { weight: c, bias: c, running_mean: c, running_var: c }
    },
    flops: (_, __, out) => product(out),
  },
  instanceNorm: {
    attributes: { epsilon: optional(numberWithin(0, 1), 1e-5) },
    arity: ONE,
    shape(_, [x]) {
      spread(product(volume(x!).slice(1)))
      return x!
    },
    weights: (_, inputs) => ({ weight: perChannel(inputs), bias: perChannel(inputs) }),
    flops: (_, __, out) => 4 * product(out),
  },
  groupNorm: {
    attributes: { groups: atLeastOne, epsilon: optional(numberWithin(0, 1), 1e-5) },
    arity: ONE,
    shape(l, [x]) {
      require(x![0]! % l.groups === 0, `its ${l.groups} groups do not divide the channels of ${formatSizes(x!)} evenly`)
      spread(product(x!) / l.groups)
      return x!
    },
    weights: (_, inputs) => ({ weight: perChannel(inputs), bias: perChannel(inputs) }),
    flops: (_, __, out) => 5 * product(out),
  },
  layerNorm: {
    attributes: { axes: atLeastOne, epsilon: optional(numberWithin(0, 1), 1e-5) },
    arity: ONE,
    shape(l, [x]) {
      require(l.axes <= x!.length, `normalises ${l.axes} axes, got ${formatSizes(x!)}`)
      spread(product(x!.slice(-l.axes)))
      return x!
    },
    weights: (l, [x]) => ({ weight: x!.slice(-l.axes), bias: x!.slice(-l.axes) }),
    flops: (_, __, out) => 5 * product(out),
  },
  relu: plain,
  leakyRelu: { ...plain, attributes: { slope: optional(numberWithin(0, 1e6), 0.01) } },
  prelu: {
    attributes: { parameters: optional(atLeastOne, 1) },
    arity: ONE,
    shape(l, [x]) {
      require(l.parameters === 1 ||
        l.parameters === x![0], `has ${l.parameters} slopes, but its input ${formatSizes(x!)} has ${x![0]} channels`)
      return x!
    },
    weights: (l) => ({ weight: [l.parameters] }),
  },
  elu: { ...plain, attributes: { alpha: optional(numberWithin(0, 1e6), 1) } },
  sigmoid: plain,
  tanh: plain,
  abs: plain,
  exp: plain,
  log: plain,
  sqrt: plain,
  softplus: plain,
  step: plain,
  clamp: {
    attributes: { low: numberWithin(), high: numberWithin() },
    arity: ONE,
    shape(l, [x]) {
      require(l.low <= l.high, `its low ${l.low} is above its high ${l.high}`)
      return x!
    },
  },
  scale: { ...plain, attributes: { factor: optional(numberWithin(), 1), offset: optional(numberWithin(), 0) } },
  softmax: plain,
  logSoftmax: plain,
  dropout: { ...plain, attributes: { rate: numberWithin(0, 0.999) } },
  maxPool3d: {
    attributes: {
      ...pooling,
      dilation: optional(triple, UNIT),
      padValue: optional(oneOf('-infinity', 'zero'), '-infinity'),
    },
    arity: ONE,
    shape(l, [x]) {
      checkPooling(l)
      return [volume(x!)[0], ...windows(x!, l.kernel, l.stride, l.padding, l.dilation, l.ceilMode)]
    },
    flops: (l, _, out) => product(out) * product(l.kernel),
  },
  avgPool3d: {
    attributes: { ...pooling, dilation: optional(triple, UNIT), countIncludePad: optional(readBoolean, true) },
    arity: ONE,
    shape(l, [x]) {
      checkPooling(l)
      return [volume(x!)[0], ...windows(x!, l.kernel, l.stride, l.padding, l.dilation, l.ceilMode)]
    },
    flops: (l, _, out) => product(out) * product(l.kernel),
  },
  globalAvgPool: { attributes: {}, arity: ONE, shape: (_, [x]) => [volume(x!)[0]], flops: (_, [x]) => product(x!) },
  globalMaxPool: { attributes: {}, arity: ONE, shape: (_, [x]) => [volume(x!)[0]], flops: (_, [x]) => product(x!) },
  add: { attributes: {}, arity: MANY, shape: (_, inputs) => broadcast(inputs) },
  multiply: { attributes: {}, arity: MANY, shape: (_, inputs) => broadcast(inputs) },
  divide: { attributes: {}, arity: [2, 2], shape: (_, inputs) => broadcast(inputs) },
  constant: {
    attributes: { shape: listOf(atLeastOne) },
    arity: NO_INPUT,
    shape(l) {
      require(l.shape.length > 0 &&
        l.shape.length <= MOST_AXES, `has ${l.shape.length} axes; 1 to ${MOST_AXES} are possible`)
      return l.shape
    },
    weights: (l) => ({ weight: l.shape }),
    flops: (_, __, out) => -product(out),
  },
  concat: {
    attributes: { axis: optional(integerFrom(1), 1) },
    arity: MANY,
    shape(l, inputs) {
      const at = l.axis - 1
      const first = inputs[0]!
      require(at < first.length, `joins along axis ${l.axis}, but its inputs are ${formatSizes(first)}`)
      require(inputs.every(
        (s) => s.length === first.length && s.every((n, k) => k === at || n === first[k]),
      ), `its inputs ${inputs.map(formatSizes).join(', ')} differ along another axis than ${l.axis}`)
      return first.map((n, k) => (k === at ? inputs.reduce((sum, s) => sum + s[k]!, 0) : n))
    },
  },
  flatten: { attributes: {}, arity: ONE, shape: (_, [x]) => [product(x!)] },
  reshape: {
    attributes: { shape: listOf(atLeastOne) },
    arity: ONE,
    shape(l, [x]) {
      require(product(l.shape) === product(x!), `cannot reshape ${formatSizes(x!)} to ${formatSizes(l.shape)}`)
      return l.shape
    },
  },
  transpose: {
    attributes: { axes: listOf(integerFrom(0)) },
    arity: ONE,
    shape(l, [x]) {
      require(x!.length <= MOST_AXES, `takes at most ${MOST_AXES} axes a sample, got ${formatSizes(x!)}`)
      const sorted = [...l.axes].sort((a, b) => a - b)
      require(l.axes[0] === 0 &&
        l.axes.length === x!.length + 1 &&
        sorted.every(
          (a, k) => a === k,
        ), `its axes ${formatSizes(l.axes)} are no order of the axes of ${formatSizes(x!)} with the batch first`)
      return l.axes.slice(1).map((a) => x![a - 1]!)
    },
  },
  pad: {
    attributes: { front: tripleFrom(0), back: tripleFrom(0), value: optional(numberWithin(), 0) },
    arity: ONE,
    shape: (l, [x]) => volume(x!).map((n, k) => (k === 0 ? n : n + l.front[k - 1]! + l.back[k - 1]!)),
  },
  crop: {
    attributes: { front: tripleFrom(0), back: tripleFrom(0) },
    arity: ONE,
    shape: (l, [x]) => volume(x!).map((n, k) => (k === 0 ? n : n - l.front[k - 1]! - l.back[k - 1]!)),
  },
  gather: {
    attributes: { axis: integerFrom(1), indices: listOf(integerFrom(0)) },
    arity: ONE,
    shape(l, [x]) {
      const size = x![l.axis - 1]
      require(size !== undefined, `picks along axis ${l.axis}, but its input is ${formatSizes(x!)}`)
      const outside = l.indices.find((i) => i >= size)
      require(outside === undefined, `picks element ${outside} of ${size}`)
      return x!.with(l.axis - 1, l.indices.length)
    },
  },
  resample3d: {
    attributes: {
      size: triple,
      mode: oneOf('nearest', 'trilinear'),
      coordinates: optional(
        oneOf('usual', 'half_pixel', 'pytorch_half_pixel', 'half_pixel_symmetric', 'asymmetric', 'align_corners'),
        'usual',
      ),
      rounding: optional(oneOf('floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'), 'floor'),
      scale: optional(readScale, ZERO),
    },
    arity: ONE,
    shape: (l, [x]) => [volume(x!)[0], ...l.size],
    flops: (_, __, out) => 8 * product(out),
  },
  gaussianBlur: {
    attributes: { sigma: numberWithin(0, 1000) },
    arity: ONE,
    shape: (_, [x]) => volume(x!),
    flops: (l, [x]) => 3 * 2 * (6 * l.sigma + 1) * product(x!),
  },
}

/** All layer types, for messages. */
export const layerTypes = Object.keys(layerRules).sort() as LayerType[]
