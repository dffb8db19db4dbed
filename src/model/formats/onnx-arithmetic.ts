/** Dense layers, normalisation, activations, and sums and products with constants or of branches. */
import { InputError } from '../../io/errors.ts'
import type { Weight } from '../description.ts'
import type { LayerType } from '../layer.ts'
import { formatSizes, product } from '../layer-rules.ts'
import { filled, permute } from './keras-builder.ts'
import {
  asWeight,
  type Call,
  type Fixed,
  fixedInput,
  type Graph,
  isLive,
  type Live,
  likeAxes,
  liveInput,
  neededInput,
  volume,
} from './onnx-graph.ts'

type Convert = (call: Call, g: Graph) => Live

/** An activation without weights. */
export function activation(type: LayerType, attributes: (call: Call) => object = () => ({})): Convert {
  return (call, g) => g.add(call.name, type, [liveInput(call, 0)], { ...attributes(call) })
}

function scaled({ shape, data }: Weight, factor: number): Weight {
  return factor === 1 ? { shape, data } : { shape, data: data.map((v) => v * factor) }
}

function features(call: Call): Live {
  const x = liveInput(call, 0)
  if (x.sizes.length !== 1) throw new InputError(`takes one vector a sample, got ${formatSizes(x.sizes)}`)
  return x
}

/** Weights [units, F] of either orientation. */
function denseWeight(b: Fixed, transposed: boolean, x: Live): Weight {
  const [rows, columns] = b.shape as [number, number]
  if (b.shape.length !== 2 || (transposed ? columns : rows) !== x.sizes[0]) {
    throw new InputError(`its weights ${formatSizes(b.shape)} do not fit an input of ${formatSizes(x.sizes)} a sample`)
  }
  const weight = asWeight(b, b.shape, 'weights')
  return transposed ? weight : permute(weight, [1, 0])
}

export const gemm: Convert = (call, g) => {
  const x = features(call)
  if (call.number('transA', 0)) throw new InputError('its transA swaps the batch axis with another')
  const b = neededInput(call, 1, 'weights')
  const transposed = call.number('transB', 0) !== 0
  if (!transposed) g.spend(product(b.shape))
  const weight = scaled(denseWeight(b, transposed, x), call.number('alpha', 1))
  const units = weight.shape[0]!
  const c = fixedInput(call, 2, 'biases')
  if (!c) return g.add(call.name, 'dense', [x], { units, bias: false }, { weight })
  const one = product(c.shape) === 1 ? filled([units], c.read()[0]!) : asWeight(c, [units], 'biases')
  return g.add(call.name, 'dense', [x], { units, bias: true }, { weight, bias: scaled(one, call.number('beta', 1)) })
}

export const matMul: Convert = (call, g) => {
  const x = features(call)
  const b = neededInput(call, 1, 'weights')
  g.spend(product(b.shape))
  const weight = denseWeight(b, false, x)
  return g.add(call.name, 'dense', [x], { units: weight.shape[0]!, bias: false }, { weight })
}

export const batchNormalization: Convert = (call, g) => {
  const x = liveInput(call, 0)
  if (call.number('training_mode', 0)) throw new InputError('it is in training mode; export the network for inference')
  if (call.number('spatial', 1) === 0)
    throw new InputError('its spatial = 0 (statistics for each voxel) is not supported')
  const epsilon = call.number('epsilon', 1e-5)
  const channels = [x.sizes[0]!]
  const names = ['weight', 'bias', 'running_mean', 'running_var']
  const weights = names.map((name, k) => [name, asWeight(neededInput(call, k + 1, name), channels, name)] as const)
  // ONNX's momentum is the share that is kept, ours the share that is new.
  const momentum = Number(Math.min(Math.max(1 - call.number('momentum', 0.9), 0), 1).toPrecision(6))
  return g.add(call.name, 'batchNorm', [x], { epsilon, momentum }, Object.fromEntries(weights))
}

export const instanceNormalization: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const channels = [x.sizes[0]!]
  const weight = asWeight(neededInput(call, 1, 'scales'), channels, 'scales')
  const bias = asWeight(neededInput(call, 2, 'biases'), channels, 'biases')
  const epsilon = call.number('epsilon', 1e-5)
  return likeAxes(g.add(call.name, 'instanceNorm', [volume(x)], { epsilon }, { weight, bias }), x)
}

export const prelu: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const slope = neededInput(call, 1, 'slopes')
  const count = product(slope.shape)
  const isChannels = g.opset < 7 || perChannel(slope, x, call, g)
  if (count !== 1 && !isChannels) throw notSupported(slope, x)
  return g.add(call.name, 'prelu', [x], { parameters: count }, { weight: asWeight(slope, [count], 'slopes') })
}

/** Bounds as inputs, or as attributes before operator set 11. */
export const clip: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const bound = (k: number, name: string, otherwise: number) => {
    const given = fixedInput(call, k, name)?.read()[0] ?? call.number(name, otherwise)
    return Math.min(Math.max(given, -FLOAT_MAX), FLOAT_MAX)
  }
  const [low, high] = [bound(1, 'min', -FLOAT_MAX), bound(2, 'max', FLOAT_MAX)]
  if (low === -FLOAT_MAX && high === FLOAT_MAX) return x
  if (low === 0 && high === FLOAT_MAX) return g.add(call.name, 'relu', [x])
  return g.add(call.name, 'clamp', [x], { low, high })
}

const FLOAT_MAX = 3.4028234663852886e38

function hardSigmoidOf(x: Live, alpha: number, beta: number, name: string, g: Graph): Live {
  const line = g.add(`${name}_line`, 'scale', [x], { factor: alpha, offset: beta })
  return g.add(name, 'clamp', [line], { low: 0, high: 1 })
}

export const hardSigmoid: Convert = (call, g) =>
  hardSigmoidOf(liveInput(call, 0), call.number('alpha', 0.2), call.number('beta', 0.5), call.name, g)

export const hardSwish: Convert = (call, g) => {
  const x = liveInput(call, 0)
  return g.add(call.name, 'multiply', [x, hardSigmoidOf(x, 1 / 6, 0.5, `${call.name}_gate`, g)])
}

function notSupported(c: Fixed, x: Live): InputError {
  return new InputError(
    `its constant ${formatSizes(c.shape)} differs within a channel of ${formatSizes(x.sizes)}; one number, or one a channel, is supported`,
  )
}

/** Whether a constant has one number for each channel of x, by numpy's rules for the shape [N, ...sizes]. */
function perChannel(c: Fixed, x: Live, call: Call, g: Graph): boolean {
  const rank = x.sizes.length + 1
  // Before operator set 7 an attribute said which axis the constant begins at.
  const begin = g.opset < 7 && call.has('axis') ? call.number('axis', 0) : rank - c.shape.length
  const isChannels = c.shape.every((n, k) => n === (k + begin === 1 ? x.sizes[0] : 1))
  return begin >= 0 && isChannels && product(c.shape) === x.sizes[0]
}

/** The only number of a constant, where it has one and does not add axes to x. */
function onlyNumber(c: Fixed, x: Live): number | undefined {
  return product(c.shape) === 1 && c.shape.length <= x.sizes.length + 1 ? c.read()[0] : undefined
}

/** factor * x + offset, of one number each or of one for each channel. */
function affine(call: Call, x: Live, k: number, g: Graph, line: (c: number) => [factor: number, offset: number]): Live {
  const c = call.inputs[k] as Fixed
  const number = onlyNumber(c, x)
  if (number !== undefined) {
    const [factor, offset] = line(number)
    return g.add(call.name, 'scale', [x], { factor, offset })
  }
  if (!perChannel(c, x, call, g)) throw notSupported(c, x)
  const shape = [x.sizes[0]!]
  const lines = Array.from(c.read(), line)
  g.spend(lines.length)
  const weight = { shape, data: Float32Array.from(lines, ([factor]) => factor) }
  const bias = { shape, data: Float32Array.from(lines, ([, offset]) => offset) }
  const before = g.layers.find((l) => l.name === x.layer)
  const canTake = before?.type === 'dense' || before?.type === 'conv3d' || before?.type === 'convTranspose3d'
  if (canTake && !before.bias && call.alone[1 - k] && weight.data.every((v) => v === 1)) {
    g.addBias(x, bias)
    return x
  }
  const weights = { weight, bias, running_mean: filled(shape, 0), running_var: filled(shape, 1) }
  return g.add(call.name, 'batchNorm', [x], { epsilon: 0 }, weights)
}

function branches(call: Call): [Live, Live] {
  const [a, b] = [liveInput(call, 0), liveInput(call, 1)]
  if (a.sizes.length !== b.sizes.length) {
    throw new InputError(
      `its inputs have ${formatSizes(a.sizes)} and ${formatSizes(b.sizes)} a sample, of different numbers of axes`,
    )
  }
  return [a, b]
}

/** Which input is a constant; undefined where both are live. */
function constantOf(call: Call): 0 | 1 | undefined {
  const [a, b] = call.inputs
  if (!a || !b || call.inputs.length !== 2) throw new InputError(`takes two inputs, got ${call.inputs.length}`)
  return isLive(a) ? (isLive(b) ? undefined : 1) : 0
}

export const add: Convert = (call, g) => {
  const k = constantOf(call)
  if (k === undefined) return g.add(call.name, 'add', branches(call))
  return affine(call, liveInput(call, 1 - k), k, g, (c) => [1, c])
}

export const subtract: Convert = (call, g) => {
  const k = constantOf(call)
  if (k !== undefined) return affine(call, liveInput(call, 1 - k), k, g, (c) => (k === 1 ? [1, -c] : [-1, c]))
  const [a, b] = branches(call)
  return g.add(call.name, 'add', [a, g.add(`${call.name}_negative`, 'scale', [b], { factor: -1, offset: 0 })])
}

export const multiply: Convert = (call, g) => {
  const k = constantOf(call)
  if (k === undefined) return g.add(call.name, 'multiply', branches(call))
  return affine(call, liveInput(call, 1 - k), k, g, (c) => [c, 0])
}

export const divide: Convert = (call, g) => {
  if (constantOf(call) !== 1) throw new InputError('it divides by values of the network; only constants are supported')
  return affine(call, liveInput(call, 0), 1, g, (c) => [1 / c, 0])
}

/** Sum of all inputs (Sum), each live and of one shape. */
export const sum: Convert = (call, g) => {
  const inputs = call.inputs.map((_, k) => liveInput(call, k))
  return inputs.length === 1 ? inputs[0]! : g.add(call.name, 'add', inputs)
}
