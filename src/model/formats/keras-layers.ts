/**
 * Keras layers in terms of our own. Each converter adds layers and returns the name of the one that holds the result.
 */
import { InputError } from '../../io/errors.ts'
import { product, type Sizes } from '../layer-rules.ts'
import { activate, applyActivation, relu } from './keras-activations.ts'
import { type Builder, field, filled, type KerasWeights, numberField, permute, tripleField } from './keras-builder.ts'
import type { Config, KerasCall } from './keras-config.ts'
import { samePadding, transposedPadding } from './keras-padding.ts'
import { listOf, show } from './read-json.ts'

type Converter = (call: KerasCall, inputs: readonly string[], b: Builder, weights: KerasWeights) => string

/** [C, D, H, W] as Keras sees it, and back. The batch axis stays in front. */
const TO_LAST = [0, 2, 3, 4, 1]
const TO_FIRST = [0, 4, 1, 2, 3]

function biasWanted(config: Config): boolean {
  return field(config, 'use_bias', 'bias') !== false
}

function paddingMode(config: Config): 'same' | 'valid' {
  const mode = field(config, 'padding', 'border_mode') ?? 'valid'
  if (mode !== 'same' && mode !== 'valid')
    throw new InputError(`its padding ${show(mode)} is not supported; same and valid are`)
  return mode
}

function spatial(b: Builder, input: string): Sizes {
  const shape = b.shape(input)
  if (shape.length !== 4) throw new InputError(`it needs a volume, but gets [${shape}]`)
  return shape.slice(1)
}

/** Kernel shape and weights shared by both convolutions: Keras [kd, kh, kw, a, b] -> [b, a, kd, kh, kw]. */
function setKernel(b: Builder, name: string, weights: KerasWeights, shape: Sizes, units: number, bias: boolean): void {
  b.set(name, 'weight', permute(weights.next('kernel', shape), [4, 3, 0, 1, 2]))
  if (bias) b.set(name, 'bias', weights.next('bias', [units]))
}

const conv3d: Converter = ({ layer, config }, [input], b, weights) => {
  const dims = ['kernel_dim1', 'kernel_dim2', 'kernel_dim3'].map((n) => config[n])
  const kernel = tripleField(config, dims as number[], 'kernel_size')
  const stride = tripleField(config, [1, 1, 1], 'strides', 'subsample')
  const dilation = tripleField(config, [1, 1, 1], 'dilation_rate')
  const sizes = spatial(b, input!)
  const padding = paddingMode(config) === 'same' ? samePadding(sizes, kernel, stride, dilation) : 0
  const channels = numberField(config, 0, 'filters', 'nb_filter')
  const groups = numberField(config, 1, 'groups')
  const bias = biasWanted(config)
  const name = b.add(layer, 'conv3d', [input!], { channels, kernel, stride, padding, dilation, groups, bias })
  setKernel(b, name, weights, [...kernel, b.shape(input!)[0]! / groups, channels], channels, bias)
  return activate(b, name, config)
}

const convTranspose3d: Converter = ({ layer, config }, [input], b, weights) => {
  const kernel = tripleField(config, undefined, 'kernel_size')
  const stride = tripleField(config, [1, 1, 1], 'strides')
  const dilation = tripleField(config, [1, 1, 1], 'dilation_rate')
  if (field(config, 'output_padding') !== undefined) throw new InputError('its output_padding is not supported')
  const channels = numberField(config, 0, 'filters')
  const bias = biasWanted(config)
  const padding = transposedPadding(paddingMode(config), spatial(b, input!), kernel, stride, dilation)
  const name = b.add(layer, 'convTranspose3d', [input!], { channels, kernel, stride, dilation, bias, ...padding })
  setKernel(b, name, weights, [...kernel, channels, b.shape(input!)[0]!], channels, bias)
  return activate(b, name, config)
}

function pooling(type: 'maxPool3d' | 'avgPool3d'): Converter {
  return ({ layer, config }, [input], b) => {
    const kernel = tripleField(config, [2, 2, 2], 'pool_size')
    const stride = tripleField(config, kernel, 'strides')
    const padding = paddingMode(config) === 'same' ? samePadding(spatial(b, input!), kernel, stride, [1, 1, 1]) : 0
    // TensorFlow leaves padding out of the average.
    return b.add(layer, type, [input!], {
      kernel,
      stride,
      padding,
      ...(type === 'avgPool3d' && { countIncludePad: false }),
    })
  }
}

function globalPooling(type: 'globalAvgPool' | 'globalMaxPool'): Converter {
  return ({ layer, config }, [input], b) => {
    const name = b.add(layer, type, [input!])
    return config.keepdims === true
      ? b.add(`${name}/keepdims`, 'reshape', [name], { shape: [b.shape(name)[0], 1, 1, 1] })
      : name
  }
}

/** Keras' axis (batch counted, channels where the layout has them) as ours. */
function axisField(config: Config, b: Builder, rank: number, otherwise: number): number {
  const value = field(config, 'axis') ?? otherwise
  const single = Array.isArray(value) && value.length === 1 ? value[0] : value
  if (!Number.isInteger(single)) throw new InputError(`its axis ${show(value)} is not supported`)
  const axis = single < 0 ? single + rank + 1 : single
  return rank === 4 && b.layout === 'last' ? (TO_LAST[axis] ?? axis) : axis
}

const batchNorm: Converter = ({ layer, config }, [input], b, weights) => {
  const shape = b.shape(input!)
  const axis = axisField(config, b, shape.length, -1)
  if (axis !== 1)
    throw new InputError(`it normalises axis ${show(config.axis)}, but only the channel axis is supported`)
  if (numberField(config, 0, 'mode') !== 0) throw new InputError(`its mode ${show(config.mode)} is not supported; 0 is`)
  const c = [shape[0]!]
  const epsilon = numberField(config, 1e-3, 'epsilon')
  // Keras' momentum is the share of the old statistics, ours that of the new.
  const momentum = Math.min(1, Math.max(0, 1 - numberField(config, 0.99, 'momentum')))
  const name = b.add(layer, 'batchNorm', [input!], { epsilon, momentum })
  b.set(name, 'weight', config.scale === false ? filled(c, 1) : weights.next('gamma', c))
  b.set(name, 'bias', config.center === false ? filled(c, 0) : weights.next('beta', c))
  b.set(name, 'running_mean', weights.next('moving mean', c))
  b.set(name, 'running_var', weights.next('moving variance', c))
  return name
}

const dense: Converter = ({ layer, config }, [input], b, weights) => {
  const units = numberField(config, 0, 'units', 'output_dim')
  const shape = b.shape(input!)
  const bias = biasWanted(config)
  const kernel = () => permute(weights.next('kernel', [shape[0]!, units]), [1, 0])
  // On a volume Keras' Dense acts on every voxel's channels: a 1x1x1 convolution.
  const volume = shape.length === 4
  if (volume && b.layout === 'first') throw new InputError('Dense on a volume with channels first is not supported')
  const name = volume
    ? b.add(layer, 'conv3d', [input!], { channels: units, kernel: 1, bias })
    : b.add(layer, 'dense', [input!], { units, bias })
  const weight = kernel()
  b.set(name, 'weight', volume ? { ...weight, shape: [...weight.shape, 1, 1, 1] } : weight)
  if (bias) b.set(name, 'bias', weights.next('bias', [units]))
  return activate(b, name, config)
}

/** The values in Keras' own order, when that differs from ours. */
function toKerasOrder(b: Builder, input: string, name: string): string {
  const shape = b.shape(input)
  const differs = b.layout === 'last' && shape.length === 4 && shape[0]! > 1 && product(shape.slice(1)) > 1
  return differs ? b.add(`${name}/channels_last`, 'transpose', [input], { axes: TO_LAST }) : input
}

const flatten: Converter = ({ layer, config }, [input], b) => {
  // With channels first, Keras' Flatten turns to channels last when told that its input is channels first.
  const turn = b.layout === 'first' && config.data_format === 'channels_first' && b.shape(input!).length === 4
  const ordered = turn
    ? b.add(`${layer}/channels_last`, 'transpose', [input!], { axes: TO_LAST })
    : toKerasOrder(b, input!, layer)
  return b.add(layer, 'flatten', [ordered])
}

const reshape: Converter = ({ layer, config }, [input], b) => {
  const target = listOf((v) => Number(v))(config.target_shape, 'its target_shape')
  const size = product(b.shape(input!))
  const known = product(target.filter((n) => n !== -1))
  const shape = target.map((n) => (n === -1 ? size / known : n))
  const ordered = toKerasOrder(b, input!, layer)
  if (shape.length !== 4 || b.layout === 'first') return b.add(layer, 'reshape', [ordered], { shape })
  const reshaped = b.add(`${layer}/reshape`, 'reshape', [ordered], { shape })
  return b.add(layer, 'transpose', [reshaped], { axes: TO_FIRST })
}

const permuteAxes: Converter = ({ layer, config }, [input], b) => {
  const dims = [0, ...listOf((v) => Number(v))(config.dims, 'its dims')]
  if (dims.length !== 5 || b.layout === 'first') return b.add(layer, 'transpose', [input!], { axes: dims })
  // Ours -> Keras' order -> permuted -> ours.
  return b.add(layer, 'transpose', [input!], { axes: TO_FIRST.map((k) => TO_LAST[dims[k]!]!) })
}

/** One number, three, or three pairs, as margins. */
function margins(value: unknown, what: string): { front: number[]; back: number[] } {
  const sides = typeof value === 'number' ? [value, value, value] : listOf((v) => v, 3)(value, what)
  const pairs = sides.map((s) => (typeof s === 'number' ? [s, s] : listOf((v) => Number(v), 2)(s, what)))
  return { front: pairs.map((p) => p[0]!), back: pairs.map((p) => p[1]!) }
}

const concat: Converter = ({ layer, config }, inputs, b) => {
  const axis = axisField(config, b, b.shape(inputs[0]!).length, -1)
  return inputs.length === 1 ? inputs[0]! : b.add(layer, 'concat', inputs, { axis })
}

const prelu: Converter = ({ layer, config }, [input], b, weights) => {
  const shape = b.shape(input!)
  const shared = field(config, 'shared_axes')
  const axes = Array.isArray(shared) ? shared : []
  const keras = shape.length === 4 && b.layout === 'last' ? [...shape.slice(1), shape[0]!] : shape
  const slopes = weights.next(
    'slopes',
    keras.map((n, k) => (axes.includes(k + 1) ? 1 : n)),
  )
  if (slopes.data.length !== 1 && slopes.data.length !== shape[0]) {
    throw new InputError(
      'it has a slope a voxel; only slopes shared over D, H and W (shared_axes=[1, 2, 3]) are supported',
    )
  }
  const name = b.add(layer, 'prelu', [input!], { parameters: slopes.data.length })
  b.set(name, 'weight', { shape: [slopes.data.length], data: slopes.data })
  return name
}

const unchanged: Converter = (_, [input]) => input!
const dropout: Converter = ({ layer, config }, [input], b) =>
  b.add(layer, 'dropout', [input!], { rate: numberField(config, 0, 'rate', 'p') })
const joined =
  (type: 'add' | 'multiply'): Converter =>
  ({ layer }, inputs, b) =>
    b.add(layer, type, inputs)

const leakyRelu: Converter = ({ layer, config }, [input], b) =>
  b.add(layer, 'leakyRelu', [input!], { slope: numberField(config, 0.3, 'negative_slope', 'alpha') })

/** Converters by Keras class name. */
export const kerasLayers: Readonly<Record<string, Converter>> = {
  Conv3D: conv3d,
  Convolution3D: conv3d,
  Conv3DTranspose: convTranspose3d,
  Convolution3DTranspose: convTranspose3d,
  MaxPooling3D: pooling('maxPool3d'),
  AveragePooling3D: pooling('avgPool3d'),
  GlobalAveragePooling3D: globalPooling('globalAvgPool'),
  GlobalMaxPooling3D: globalPooling('globalMaxPool'),
  BatchNormalization: batchNorm,
  Dense: dense,
  Add: joined('add'),
  Multiply: joined('multiply'),
  Concatenate: concat,
  Activation: ({ layer, config }, [input], b) => applyActivation(b, input!, config.activation, layer),
  ReLU: ({ layer, config }, [input], b) => relu(b, input!, layer, config),
  LeakyReLU: leakyRelu,
  PReLU: prelu,
  ELU: ({ layer, config }, [input], b) => b.add(layer, 'elu', [input!], { alpha: numberField(config, 1, 'alpha') }),
  Softmax: ({ layer, config }, [input], b) => {
    const axis = axisField(config, b, b.shape(input!).length, -1)
    if (axis !== 1) throw new InputError(`its axis ${show(config.axis)} is not supported, only the channels are`)
    return b.add(layer, 'softmax', [input!])
  },
  Rescaling: ({ layer, config }, [input], b) => {
    const attributes = { factor: numberField(config, 1, 'scale'), offset: numberField(config, 0, 'offset') }
    return b.add(layer, 'scale', [input!], attributes)
  },
  Dropout: dropout,
  SpatialDropout3D: dropout,
  AlphaDropout: unchanged,
  GaussianDropout: unchanged,
  GaussianNoise: unchanged,
  ActivityRegularization: unchanged,
  Flatten: flatten,
  Reshape: reshape,
  Permute: permuteAxes,
  ZeroPadding3D: ({ layer, config }, [input], b) =>
    b.add(layer, 'pad', [input!], margins(config.padding, 'its padding')),
  Cropping3D: ({ layer, config }, [input], b) =>
    b.add(layer, 'crop', [input!], margins(config.cropping, 'its cropping')),
  UpSampling3D: ({ layer, config }, [input], b) => {
    const factors = tripleField(config, undefined, 'size')
    const size = spatial(b, input!).map((n, k) => n * factors[k]!)
    return b.add(layer, 'resample3d', [input!], { size, mode: 'nearest' })
  },
}

/** @throws InputError naming the first layer that has no converter, and what is supported */
export function requireSupported(calls: readonly KerasCall[]): void {
  const unknown = calls.find((c) => c.className !== 'InputLayer' && !Object.hasOwn(kerasLayers, c.className))
  if (!unknown) return
  const supported = Object.keys(kerasLayers).sort().join(', ')
  throw new InputError(
    `the layer "${unknown.layer}" is a Keras ${unknown.className}, which is not supported; supported: ${supported}`,
  )
}

/** Classes that take several inputs; all others take one. */
const JOINS = ['Add', 'Multiply', 'Concatenate']

/** Converts one call. @throws InputError naming the layer and its class */
export function convertCall(call: KerasCall, inputs: readonly string[], b: Builder, weights: KerasWeights): string {
  const { className, layer } = call
  try {
    if (inputs.length === 0 || (inputs.length > 1 && !JOINS.includes(className))) {
      throw new InputError(`it takes ${inputs.length} inputs`)
    }
    const name = kerasLayers[className]!(call, inputs, b, weights)
    if (weights.left() > 0)
      throw new InputError(`the file has ${weights.left()} more weight arrays for it than it needs`)
    return name
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`Keras layer "${layer}" (${className}): ${error.message}`)
    throw error
  }
}
