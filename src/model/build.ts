/**
 * A network on the engine's graph.
 */

import { gaussianBlur } from '../engine/ops/blur.ts'
import { conv3d, convTranspose3d } from '../engine/ops/conv.ts'
import { dense } from '../engine/ops/dense.ts'
import { dropout } from '../engine/ops/dropout.ts'
import * as elementwise from '../engine/ops/elementwise.ts'
import { batchNorm, batchNormTraining, instanceNorm } from '../engine/ops/norm.ts'
import { avgPool3d, globalAvgPool, globalMaxPool, maxPool3d } from '../engine/ops/pool.ts'
import { resample3d } from '../engine/ops/resample.ts'
import { concat, flatten, pad, reshape, slice, transpose } from '../engine/ops/shape.ts'
import { logSoftmax, softmax } from '../engine/ops/softmax.ts'
import { type Node, parameter, input as placeholder, type Tensor } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from './description.ts'
import type { Layer, LayerOf, LayerType } from './layer.ts'

/** The weights of a network as leaves of the graph, by name. */
export type NetworkParameters = ReadonlyMap<string, Tensor>

export interface BuildOptions {
  /** Scans at a time. Default 1; taken from `input` where that is given. */
  batch?: number
  /** What the network sees, [N, C, D, H, W]; default a new input of the graph. */
  input?: Tensor
  /** Use batch statistics and dropout. `seed` is engine's dropoutSeed(); advance it after backward. */
  training?: { readonly seed: Tensor }
}

export interface BuiltNetwork {
  /** [N, C, D, H, W]. */
  readonly input: Tensor
  /** [N, classes]. */
  readonly logits: Tensor
  /** [N, classes], softmax of the logits. */
  readonly probabilities: Tensor
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
    const { y, update } = batchNormTraining(x, { gamma, beta, ...statistics, epsilon, momentum })
    c.effects.push(update)
    return y
  },
  instanceNorm: ({ epsilon }, [x], c) =>
    instanceNorm(x, { gamma: c.weight('weight'), beta: c.weight('bias'), epsilon }),
  relu: (_, [x]) => elementwise.relu(x),
  leakyRelu: ({ slope }, [x]) => elementwise.leakyRelu(x, slope),
  prelu: (_, [x], c) => elementwise.prelu(x, c.weight('weight')),
  elu: ({ alpha }, [x]) => elementwise.elu(x, alpha),
  sigmoid: (_, [x]) => elementwise.sigmoid(x),
  tanh: (_, [x]) => elementwise.tanh(x),
  clamp: ({ low, high }, [x]) => elementwise.clamp(x, low, high),
  scale: ({ factor, offset }, [x]) => elementwise.affine(x, factor, offset),
  softmax: (_, [x]) => softmax(x),
  logSoftmax: (_, [x]) => logSoftmax(x),
  dropout: ({ rate }, [x], c) => (c.training ? dropout(x, { rate, seed: c.training.seed, stream: c.stream }) : x),
  maxPool3d: ({ kernel, stride, padding, dilation, padValue, ceilMode }, [x]) =>
    maxPool3d(x, { kernel, stride, padding, dilation, padValue, ceilMode }),
  avgPool3d: ({ kernel, stride, padding, ceilMode, countIncludePad }, [x]) =>
    avgPool3d(x, { kernel, stride, padding, ceilMode, countIncludePad }),
  globalAvgPool: (_, [x]) => vector(globalAvgPool(x)),
  globalMaxPool: (_, [x]) => vector(globalMaxPool(x)),
  add: (_, [first, ...rest]) => rest.reduce(elementwise.add, first),
  multiply: (_, [first, ...rest]) => rest.reduce(elementwise.multiply, first),
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
  resample3d: ({ size, mode }, [x]) => resample3d(x, size, mode),
  gaussianBlur: ({ sigma }, [x]) => gaussianBlur(x, sigma),
}

/**
 * Builds a network onto the graph, for inference unless `training` is given.
 * @throws InputError when `options.input` does not fit the network
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
  const effects: Node[] = []
  const layers = new Map<string, Tensor>()
  const of = (name: string): Tensor => (name === 'input' ? input : layers.get(name)!)
  description.layers.forEach((layer, stream) => {
    const context: Context = {
      weight: (name) => parameters.get(`${layer.name}.${name}`)!,
      optional: (name) => parameters.get(`${layer.name}.${name}`),
      training: options.training,
      effects,
      stream,
    }
    // One builder per type: the union cannot be followed through the table.
    const build = builders[layer.type] as (l: Layer, inputs: readonly Tensor[], c: Context) => Tensor
    layers.set(layer.name, build(layer, layer.inputs.map(of), context))
  })
  const last = description.layers.at(-1)!
  const end = of(last.name)
  const logits = description.output === 'probabilities' ? of(last.inputs[0]!) : end
  const probabilities = description.output === 'probabilities' ? end : softmax(end)
  const trainable = new Map([...parameters].filter(([name]) => !/\.running_(mean|var)$/.test(name)))
  return { input, logits, probabilities, parameters, trainable, effects, layers }
}
