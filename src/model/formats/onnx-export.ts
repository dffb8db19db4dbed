/** Export to ONNX, as onnxruntime and others read it. */
import { InputError } from '../../io/errors.ts'
import { layerShapes, type Network } from '../description.ts'
import type { Layer, LayerOf, LayerType, Margins, Triple } from '../layer.ts'
import type { Sizes } from '../layer-rules.ts'
import {
  type AttributeValue,
  block,
  integer,
  join,
  nodeProto,
  type Pieces,
  tensorProto,
  valueInfoProto,
} from './onnx-write.ts'

/** Operator set 18 came with IR version 8 (ONNX 1.13), 19 with 9; the older is used where it suffices. */
function opsetFor(layers: readonly Layer[]): { opset: number; ir: number } {
  const isNew = layers.some(
    (l) =>
      (l.type === 'avgPool3d' && l.dilation.some((d) => d > 1)) ||
      (l.type === 'resample3d' && l.coordinates === 'half_pixel_symmetric'),
  )
  return isNew ? { opset: 19, ir: 9 } : { opset: 18, ir: 8 }
}

type Attributes = Readonly<Record<string, AttributeValue>>

/** Collects the nodes and tensors of one layer. */
interface Writer {
  /** Sizes of the layer's first input, and of its output, for one sample. */
  readonly from: Sizes
  readonly to: Sizes
  /** Name of the layer's weight. */
  weight(name: string): string
  /** Adds a tensor of one number and returns its name. */
  number(part: string, value: number): string
  /** Adds an array of these values, or of one value throughout. */
  floats(part: string, shape: readonly number[], ...values: number[]): string
  /** Adds a list. */
  integers(part: string, values: readonly number[]): string
  /** Adds a node whose output is that of the layer, or of a part of it. Returns the output. */
  node(operator: string, inputs: readonly string[], attributes?: Attributes, part?: string): string
}

type Write<T extends LayerType> = (layer: LayerOf<T>, inputs: readonly [string, ...string[]], w: Writer) => void

const pads = ({ front, back }: Margins): number[] => [...front, ...back]
const float = (value: number) => ({ float: value })
const simple =
  (operator: string, attributes: Attributes = {}) =>
  (_: unknown, [x]: readonly [string, ...string[]], w: Writer): void => {
    w.node(operator, [x], attributes)
  }

/** Global pools keep the axes in ONNX; ours do not. */
const global =
  (operator: string) =>
  (_: unknown, [x]: readonly [string, ...string[]], w: Writer): void => {
    w.node('Flatten', [w.node(operator, [x], {}, 'pooled')], { axis: 1 })
  }

/** Two inputs at a time. */
const chain =
  (operator: string) =>
  (_: unknown, [first, ...rest]: readonly [string, ...string[]], w: Writer): void => {
    rest.reduce((x, y, k) => w.node(operator, [x, y], {}, k < rest.length - 1 ? `part${k}` : undefined), first)
  }

interface WindowLayer {
  kernel: Triple
  stride: Triple
  padding: Margins
}

const window = ({ kernel, stride, padding }: WindowLayer): Attributes => {
  return { kernel_shape: kernel, strides: stride, pads: pads(padding) }
}

const convolution = (operator: string): Write<'conv3d'> => {
  return (l, [x], w) => {
    const inputs = [x, w.weight('weight'), ...(l.bias ? [w.weight('bias')] : [])]
    w.node(operator, inputs, { ...window(l), dilations: l.dilation, group: l.groups })
  }
}

const writers: { readonly [T in LayerType]?: Write<T> } = {
  conv3d: convolution('Conv'),
  convTranspose3d(l, [x], w) {
    const inputs = [x, w.weight('weight'), ...(l.bias ? [w.weight('bias')] : [])]
    const attributes = { dilations: l.dilation, group: l.groups, output_padding: l.outputPadding }
    w.node('ConvTranspose', inputs, { ...window(l), ...attributes })
  },
  dense: (l, [x], w) => {
    w.node('Gemm', [x, w.weight('weight'), ...(l.bias ? [w.weight('bias')] : [])], { transB: 1 })
  },
  batchNorm(l, [x], w) {
    const inputs = [x, ...['weight', 'bias', 'running_mean', 'running_var'].map((name) => w.weight(name))]
    w.node('BatchNormalization', inputs, { epsilon: float(l.epsilon), momentum: float(1 - l.momentum) })
  },
  instanceNorm: (l, [x], w) => {
    w.node('InstanceNormalization', [x, w.weight('weight'), w.weight('bias')], { epsilon: float(l.epsilon) })
  },
  groupNorm(l, [x], w) {
    // The operator of this name has one scale a group before operator set 21.
    const rows = w.node('Reshape', [x, w.integers('rows', [0, l.groups, -1])], {}, 'grouped')
    const [ones, zeros] = [w.floats('ones', [l.groups], 1), w.floats('zeros', [l.groups], 0)]
    const normal = w.node('InstanceNormalization', [rows, ones, zeros], { epsilon: float(l.epsilon) }, 'normal')
    const back = w.node('Reshape', [normal, w.integers('shape', [0, ...w.to])], {}, 'apart')
    const shape = w.integers('channels', [1, -1, ...w.to.slice(1).map(() => 1)])
    const perChannel = (name: string) => w.node('Reshape', [w.weight(name), shape], {}, `channel_${name}`)
    w.node('Add', [w.node('Mul', [back, perChannel('weight')], {}, 'scaled'), perChannel('bias')])
  },
  layerNorm: (l, [x], w) => {
    const inputs = [x, w.weight('weight'), w.weight('bias')]
    w.node('LayerNormalization', inputs, { axis: -l.axes, epsilon: float(l.epsilon) })
  },
  relu: simple('Relu'),
  leakyRelu: (l, [x], w) => {
    w.node('LeakyRelu', [x], { alpha: float(l.slope) })
  },
  prelu: (_, [x], w) => {
    w.node('PRelu', [x, w.weight('weight')])
  },
  elu: (l, [x], w) => {
    w.node('Elu', [x], { alpha: float(l.alpha) })
  },
  sigmoid: simple('Sigmoid'),
  tanh: simple('Tanh'),
  abs: simple('Abs'),
  exp: simple('Exp'),
  log: simple('Log'),
  sqrt: simple('Sqrt'),
  softplus: simple('Softplus'),
  step(_, [x], w) {
    // ONNX compares to truth values, which become numbers.
    w.node('Cast', [w.node('Greater', [x, w.number('zero', 0)], {}, 'above')], { to: 1 })
  },
  clamp: (l, [x], w) => {
    w.node('Clip', [x, w.number('low', l.low), w.number('high', l.high)])
  },
  scale(l, [x], w) {
    const [isScaled, isShifted] = [l.factor !== 1, l.offset !== 0 || l.factor === 1]
    const product = isScaled
      ? w.node('Mul', [x, w.number('factor', l.factor)], {}, isShifted ? 'product' : undefined)
      : x
    if (isShifted) w.node('Add', [product, w.number('offset', l.offset)])
  },
  softmax: simple('Softmax', { axis: 1 }),
  logSoftmax: simple('LogSoftmax', { axis: 1 }),
  dropout: (l, [x], w) => {
    w.node('Dropout', [x, w.number('rate', l.rate)])
  },
  maxPool3d(l, [x], w) {
    const isZero = l.padValue === 'zero' && pads(l.padding).some((n) => n > 0)
    const { front, back } = l.padding
    // What the last window reaches beyond the padding is written out: runtimes round up by different rules.
    const beyond = back.map((n, k) => {
      const reach = (w.to[k + 1]! - 1) * l.stride[k]! + l.dilation[k]! * (l.kernel[k]! - 1) + 1
      return Math.max(reach - w.from[k + 1]! - front[k]! - n, 0)
    })
    const ends = back.map((n, k) => n + beyond[k]!)
    const attributes = { ...window(l), dilations: l.dilation }
    if (!isZero) {
      w.node('MaxPool', [x], { ...attributes, pads: [...front, ...ends] })
      return
    }
    const padded = w.node('Pad', [x, w.integers('margins', [0, 0, ...front, 0, 0, ...ends])], {}, 'padded')
    // A Clip without bounds changes nothing, but keeps onnxruntime from fusing the two, after which its zeros never win.
    w.node('MaxPool', [w.node('Clip', [padded], {}, 'apart')], { ...attributes, pads: [0, 0, 0, 0, 0, 0] })
  },
  avgPool3d: (l, [x], w) => {
    const flags = { ceil_mode: Number(l.ceilMode), count_include_pad: Number(l.countIncludePad) }
    const dilations = l.dilation.some((d) => d > 1) && { dilations: l.dilation }
    w.node('AveragePool', [x], { ...window(l), ...dilations, ...flags })
  },
  globalAvgPool: global('GlobalAveragePool'),
  globalMaxPool: global('GlobalMaxPool'),
  add: chain('Add'),
  multiply: chain('Mul'),
  divide: chain('Div'),
  constant(l, _, w) {
    const batch = w.node('Shape', ['scan'], { start: 0, end: 1 }, 'batch')
    const shape = w.node('Concat', [batch, w.integers('sizes', l.shape)], { axis: 0 }, 'shape')
    w.node('Expand', [w.weight('weight'), shape])
  },
  concat: (l, inputs, w) => {
    w.node('Concat', inputs, { axis: l.axis })
  },
  flatten: simple('Flatten', { axis: 1 }),
  // 0 keeps the batch as it is.
  reshape: (l, [x], w) => {
    w.node('Reshape', [x, w.integers('shape', [0, ...l.shape])])
  },
  transpose: (l, [x], w) => {
    w.node('Transpose', [x], { perm: l.axes })
  },
  pad: (l, [x], w) => {
    w.node('Pad', [x, w.integers('margins', [0, 0, ...l.front, 0, 0, ...l.back]), w.number('value', l.value)])
  },
  crop(l, [x], w) {
    const ends = w.from.slice(1).map((n, k) => n - l.back[k]!)
    w.node('Slice', [x, w.integers('starts', l.front), w.integers('ends', ends), w.integers('axes', [2, 3, 4])])
  },
  gather: (l, [x], w) => {
    w.node('Gather', [x, w.integers('indices', l.indices)], { axis: l.axis })
  },
  resample3d(l, [x], w) {
    const isNearest = l.mode === 'nearest'
    const usual = isNearest ? 'asymmetric' : 'half_pixel'
    // A scale that is not the sizes' own; the nudge keeps rounding from losing a voxel.
    const scales = l.scale.map((s, k) => s || (l.size[k]! / w.from[k + 1]!) * (1 + 1e-7))
    const target = l.scale.some((s) => s > 0) ? [w.floats('scales', [3], ...scales)] : ['', w.integers('size', l.size)]
    w.node('Resize', [x, '', ...target], {
      axes: [2, 3, 4],
      mode: isNearest ? 'nearest' : 'linear',
      coordinate_transformation_mode: l.coordinates === 'usual' ? usual : l.coordinates,
      ...(isNearest && { nearest_mode: l.rounding }),
    })
  },
}

/**
 * A network as the bytes of an ONNX model: input 'scan' [batch, C, D, H, W], output 'logits' or 'probabilities' [batch, classes],
 * or 'segmentation' [batch, classes, D, H, W], the batch open. The recipe travels as the note voxplain.recipe.
 * @throws InputError for a layer that no operator stands for, and for a network that takes residuals: its coefficients are
 *   no part of the graph
 */
export function exportOnnx({ description, weights, residual }: Network): Uint8Array {
  if (residual)
    throw new InputError('a network that takes residuals cannot be written as ONNX; save it as .safetensors')
  const shapes = layerShapes(description)
  const sizes = new Map<string, Sizes>([
    ['input', description.input],
    ...shapes.map((s) => [s.layer.name, s.shape] as const),
  ])
  const last = description.layers.at(-1)!.name
  // Values of layers are named apart from tensors and parts, whatever the layers are called.
  const outputOf = (layer: string) =>
    layer === 'input' ? 'scan' : layer === last ? description.output : `layer:${layer}`
  const nodes: Pieces[] = []
  const tensors: Pieces[] = []
  for (const [name, { shape, data }] of weights) {
    // PRelu's slopes are broadcast from the last axis.
    const layer = description.layers.find((l) => l.type === 'prelu' && name === `${l.name}.weight`)
    const behind = layer && shape[0]! > 1 ? sizes.get(layer.name)!.length - 1 : 0
    tensors.push(tensorProto(`weight:${name}`, [...shape, ...new Array<number>(behind).fill(1)], data))
  }
  for (const { layer, shape } of shapes) {
    const write = writers[layer.type] as Write<LayerType> | undefined
    if (!write) throw new InputError(`layer "${layer.name}" (${layer.type}) has no operator in ONNX`)
    const part = (name: string) => `part:${layer.name}:${name}`
    const w: Writer = {
      from: sizes.get(layer.inputs[0] ?? 'input')!,
      to: shape,
      weight: (name) => `weight:${layer.name}.${name}`,
      number(name, value) {
        tensors.push(tensorProto(part(name), [], Float32Array.of(value)))
        return part(name)
      },
      floats(name, size, ...values) {
        const count = size.reduce((a, b) => a * b, 1)
        tensors.push(
          tensorProto(
            part(name),
            size,
            Float32Array.from({ length: count }, (_, k) => values[k] ?? values[0]!),
          ),
        )
        return part(name)
      },
      integers(name, values) {
        tensors.push(tensorProto(part(name), [values.length], BigInt64Array.from(values, BigInt)))
        return part(name)
      },
      node(operator, inputs, attributes = {}, name) {
        const output = name === undefined ? outputOf(layer.name) : part(name)
        const title = name === undefined ? layer.name : `${layer.name}_${name}`
        nodes.push(nodeProto(operator, title, inputs, [output], attributes))
        return output
      },
    }
    const inputs = layer.inputs.map(outputOf) as [string, ...string[]]
    write(layer as never, inputs, w)
  }
  const graph = [
    ...nodes.flatMap((n) => block(1, n)),
    ...block(2, description.name),
    ...tensors.flatMap((t) => block(5, t)),
    ...block(11, valueInfoProto('scan', ['batch', ...description.input])),
    ...block(12, valueInfoProto(description.output, ['batch', ...sizes.get(last)!])),
  ]
  const { opset, ir } = opsetFor(description.layers)
  const note = [...block(1, 'voxplain.recipe'), ...block(2, JSON.stringify(description.recipe))]
  return join([
    ...integer(1, ir),
    ...block(2, 'voxplain'),
    ...block(7, graph),
    ...block(8, [...block(1, ''), ...integer(2, opset)]),
    ...block(14, note),
  ])
}
