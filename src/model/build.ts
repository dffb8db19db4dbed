/**
 * A network on the engine's graph.
 */

import { ShapeError } from '../engine/errors.ts'
import type { batchNormTraining } from '../engine/ops/batch-norm-training.ts'
import { gaussianBlur } from '../engine/ops/blur.ts'
import { broadcastTo } from '../engine/ops/broadcast.ts'
import { conv3d, convTranspose3d } from '../engine/ops/conv.ts'
import { dense } from '../engine/ops/dense.ts'
import type { dropout } from '../engine/ops/dropout.ts'
import * as elementwise from '../engine/ops/elementwise.ts'
import { gather } from '../engine/ops/gather.ts'
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../engine/ops/norm.ts'
import { avgPool3d, globalAvgPool, globalMaxPool, maxPool3d } from '../engine/ops/pool.ts'
import { mean } from '../engine/ops/reduce.ts'
import { resample3d } from '../engine/ops/resample.ts'
import { concat, flatten, pad, reshape, slice, transpose } from '../engine/ops/shape.ts'
import { logSoftmax, softmax } from '../engine/ops/softmax.ts'
import { type Node, parameter, input as placeholder, type Tensor } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from './description.ts'
import type { Layer, LayerOf, LayerType } from './layer.ts'

/** The weights of a network as leaves of the graph, by name. */
export type NetworkParameters = ReadonlyMap<string, Tensor>

/** What is different in training; see trainingLayers(). Handed in, so that what only explains does not load it. */
export interface TrainingLayers {
  /** Engine's dropoutSeed(); advance it after backward. */
  readonly seed: Tensor
  readonly batchNorm: typeof batchNormTraining
  readonly dropout: typeof dropout
}

export interface BuildOptions {
  /** Scans at a time. Default 1; taken from `input` where that is given. */
  batch?: number
  /** What the network sees, [N, C, D, H, W]; default a new input of the graph. */
  input?: Tensor
  /** Use batch statistics and dropout. `seed` is engine's dropoutSeed(); advance it after backward. */
  training?: TrainingLayers
}

export interface BuiltNetwork {
  /** [N, C, D, H, W]. */
  readonly input: Tensor
  /** [N, classes]. Of a segmentation: the mean of each class's logit over all voxels. */
  readonly logits: Tensor
  /** [N, classes], softmax of the logits. Of a segmentation: the mean over all voxels of the classes' probabilities. */
  readonly probabilities: Tensor
  /** Of a segmentation: the logits of every voxel, [N, classes, D, H, W]. */
  readonly voxels?: Tensor
  /** All weights by name, running statistics included. */
  readonly parameters: NetworkParameters
  /** Those that an optimizer moves. */
  readonly trainable: NetworkParameters
  /** Updates of running statistics, for compile's `effects`; empty unless training. */
  readonly effects: readonly Node[]
  /** Output of every layer by name. */
  readonly layers: ReadonlyMap<string, Tensor>
}

const made = new WeakMap<Network['weights'], NetworkParameters>()

/**
 * The weights of a network as engine parameters: the same ones for every build of the network, so that programs for
 * training, evaluation and explanation share them on the GPU. Free them with the engine's release().
 */
export function networkParameters(network: Network): NetworkParameters {
  const known = made.get(network.weights)
  if (known) return known
  const entries = [...network.weights].map(([name, { shape, data }]) => [name, parameter(shape, data, name)] as const)
  const parameters = new Map(entries)
  made.set(network.weights, parameters)
  return parameters
}

/** The network with the weights that `read` gives (a Program's read after training). */
export async function networkFromParameters(
  network: Network,
  read: (parameter: Tensor) => Promise<Float32Array>,
): Promise<Network> {
  const weights = new Map(network.weights)
  for (const [name, tensor] of networkParameters(network)) {
    weights.set(name, { shape: tensor.shape, data: await read(tensor) })
  }
  return { ...network, weights }
}

interface Context {
  readonly weight: (name: string) => Tensor
  readonly optional: (name: string) => Tensor | undefined
  readonly batch: number
  readonly training: BuildOptions['training']
  readonly effects: Node[]
  /** Number of the layer, which keeps the random numbers of dropouts apart. */
  readonly stream: number
}

type Builders = {
  readonly [T in LayerType]: (layer: LayerOf<T>, inputs: readonly [Tensor, ...Tensor[]], c: Context) => Tensor
}

const vector = (x: Tensor): Tensor => reshape(x, x.shape.slice(0, 2))
const margins = (triple: readonly number[]): number[] => [0, 0, ...triple]

const builders: Builders = {
  conv3d: ({ stride, padding, dilation, groups }, [x], c) =>
    conv3d(x, c.weight('weight'), { bias: c.optional('bias'), stride, padding, dilation, groups }),
  convTranspose3d: ({ stride, padding, outputPadding, dilation, groups }, [x], c) => {
    const bias = c.optional('bias')
    return convTranspose3d(x, c.weight('weight'), { bias, stride, padding, outputPadding, dilation, groups })
  },
  dense: (_, [x], c) => dense(x, c.weight('weight'), c.optional('bias')),
  batchNorm({ epsilon, momentum }, [x], c) {
    const gamma = c.weight('weight')
    const beta = c.weight('bias')
    const mean = c.weight('running_mean')
    const variance = c.weight('running_var')
    if (!c.training) return batchNorm(x, { gamma, beta, mean, variance, epsilon })
    const statistics = { runningMean: mean, runningVariance: variance }
    const { y, update } = c.training.batchNorm(x, { gamma, beta, ...statistics, epsilon, momentum })
    c.effects.push(update)
    return y
  },
  instanceNorm: ({ epsilon }, [x], c) =>
    instanceNorm(x, { gamma: c.weight('weight'), beta: c.weight('bias'), epsilon }),
  groupNorm: ({ groups, epsilon }, [x], c) =>
    groupNorm(x, { groups, gamma: c.weight('weight'), beta: c.weight('bias'), epsilon }),
  layerNorm: ({ axes, epsilon }, [x], c) =>
    layerNorm(x, { axes, gamma: c.weight('weight'), beta: c.weight('bias'), epsilon }),
  relu: (_, [x]) => elementwise.relu(x),
  leakyRelu: ({ slope }, [x]) => elementwise.leakyRelu(x, slope),
  prelu: (_, [x], c) => elementwise.prelu(x, c.weight('weight')),
  elu: ({ alpha }, [x]) => elementwise.elu(x, alpha),
  sigmoid: (_, [x]) => elementwise.sigmoid(x),
  tanh: (_, [x]) => elementwise.tanh(x),
  abs: (_, [x]) => elementwise.absolute(x),
  exp: (_, [x]) => elementwise.exponential(x),
  log: (_, [x]) => elementwise.logarithm(x),
  sqrt: (_, [x]) => elementwise.squareRoot(x),
  step: (_, [x]) => elementwise.step(x),
  softplus: (_, [x]) => elementwise.softplus(x),
  clamp: ({ low, high }, [x]) => elementwise.clamp(x, low, high),
  scale: ({ factor, offset }, [x]) => elementwise.affine(x, factor, offset),
  softmax: (_, [x]) => softmax(x),
  logSoftmax: (_, [x]) => logSoftmax(x),
  dropout: ({ rate }, [x], c) =>
    c.training ? c.training.dropout(x, { rate, seed: c.training.seed, stream: c.stream }) : x,
  maxPool3d: ({ kernel, stride, padding, dilation, padValue, ceilMode }, [x]) =>
    maxPool3d(x, { kernel, stride, padding, dilation, padValue, ceilMode }),
  avgPool3d: ({ kernel, stride, padding, dilation, ceilMode, countIncludePad }, [x]) =>
    avgPool3d(x, { kernel, stride, padding, dilation, ceilMode, countIncludePad }),
  globalAvgPool: (_, [x]) => vector(globalAvgPool(x)),
  globalMaxPool: (_, [x]) => vector(globalMaxPool(x)),
  add: (_, [first, ...rest]) => rest.reduce(elementwise.add, first),
  multiply: (_, [first, ...rest]) => rest.reduce(elementwise.multiply, first),
  divide: (_, [x, y]) => elementwise.divide(x, y!),
  constant: ({ shape }, _, c) => broadcastTo(c.weight('weight'), [c.batch, ...shape]),
  concat: ({ axis }, inputs) => concat(inputs, axis),
  flatten: (_, [x]) => flatten(x),
  reshape: ({ shape }, [x]) => reshape(x, [x.shape[0]!, ...shape]),
  transpose: ({ axes }, [x]) => transpose(x, axes),
  pad: ({ front, back, value }, [x]) => pad(x, { front: margins(front), back: margins(back), value }),
  crop({ front, back }, [x]) {
    const cut = margins(front).map((n, k) => n + margins(back)[k]!)
    return slice(
      x,
      margins(front),
      x.shape.map((n, k) => n - cut[k]!),
    )
  },
  gather: ({ axis, indices }, [x]) => gather(x, axis, indices),
  resample3d: ({ size, mode, coordinates, ...rest }, [x]) =>
    resample3d(x, size, mode, coordinates === 'usual' ? rest : { coordinates, ...rest }),
  gaussianBlur: ({ sigma }, [x]) => gaussianBlur(x, sigma),
}

/** What layers are built on. */
export interface LayerInputs {
  /** [N, ...] each, by the names that layers take them by: 'input' is the scan. */
  readonly inputs: ReadonlyMap<string, Tensor>
  readonly parameters: NetworkParameters
  readonly batch: number
  readonly training?: BuildOptions['training']
}

/**
 * Layers onto the graph: what each gives, by name, and the updates of running statistics.
 * @throws InputError naming a layer that the engine cannot build
 */
export function buildLayers(
  list: readonly Layer[],
  { inputs, parameters, batch, training }: LayerInputs,
): { layers: ReadonlyMap<string, Tensor>; effects: readonly Node[] } {
  const effects: Node[] = []
  const layers = new Map<string, Tensor>()
  const of = (name: string): Tensor => layers.get(name) ?? inputs.get(name)!
  list.forEach((layer, stream) => {
    const context: Context = {
      weight: (name) => parameters.get(`${layer.name}.${name}`)!,
      optional: (name) => parameters.get(`${layer.name}.${name}`),
      batch,
      training,
      effects,
      stream,
    }
    // One builder per type: the union cannot be followed through the table.
    const build = builders[layer.type] as (l: Layer, inputs: readonly Tensor[], c: Context) => Tensor
    try {
      layers.set(layer.name, build(layer, layer.inputs.map(of), context))
    } catch (error) {
      if (error instanceof ShapeError) throw new InputError(`layer "${layer.name}" (${layer.type}): ${error.message}`)
      throw error
    }
  })
  return { layers, effects }
}

/**
 * Builds a network onto the graph, for inference unless `training` is given.
 * @throws InputError when `options.input` does not fit the network, or the engine cannot build one of its layers
 */
export function buildNetwork(network: Network, options: BuildOptions = {}): BuiltNetwork {
  const { description } = network
  const parameters = networkParameters(network)
  const input = options.input ?? placeholder([options.batch ?? 1, ...description.input], 'scan')
  const fits = input.shape.length === 5 && description.input.every((n, k) => n === input.shape[k + 1])
  if (!fits) {
    throw new InputError(
      `the network "${description.name}" takes [N, ${description.input.join(', ')}], got [${input.shape.join(', ')}]`,
    )
  }
  const inputs = new Map([['input', input]])
  const built = buildLayers(description.layers, { ...options, inputs, parameters, batch: input.shape[0]! })
  const last = description.layers.at(-1)!
  const end = built.layers.get(last.name)!
  const before = built.layers.get(last.inputs[0]!) ?? input
  const trainable = new Map([...parameters].filter(([name]) => !/\.running_(mean|var)$/.test(name)))
  const common = { input, parameters, trainable, ...built }
  if (description.output === 'logits') return { ...common, logits: end, probabilities: softmax(end) }
  if (description.output === 'probabilities') return { ...common, logits: before, probabilities: end }
  const voxels = last.type === 'softmax' ? before : end
  const shares = last.type === 'softmax' ? end : softmax(end)
  return { ...common, voxels, logits: mean(voxels, [2, 3, 4]), probabilities: mean(shares, [2, 3, 4]) }
}
