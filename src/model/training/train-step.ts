/**
 * The graphs of a training: forward with batch statistics and dropout, backward, optimizer step. One program does it all
 * where the optimizer steps after every batch; else programs that sum gradients, and one that steps.
 */
import { backward, reachable } from '../../engine/backward.ts'
import '../../engine/gradients/conv-weight.ts'
import { advance, dropoutSeed } from '../../engine/ops/dropout.ts'
import { multiply } from '../../engine/ops/elementwise.ts'
import { crossEntropy } from '../../engine/ops/loss.ts'
import { type LossScale, lossScale } from '../../engine/ops/loss-scale.ts'
import {
  accumulate,
  adam,
  adamUniforms,
  type OptimizerStep,
  type StepCounter,
  sgd,
  sgdUniforms,
  stepCounter,
  watch,
} from '../../engine/ops/optimizer.ts'
import { record } from '../../engine/ops/record.ts'
import { constant, type Node, parameter, input as placeholder, type Tensor } from '../../engine/tensor.ts'
import { type BuiltNetwork, buildNetwork, networkParameters } from '../build.ts'
import type { Network } from '../description.ts'
import { checkOptimizer, type StepOptions } from './train-options.ts'
import { scaledGradients } from './train-precision.ts'
import { trainingLayers } from './training-layers.ts'

/** What all graphs of one training share on the GPU. */
export interface Shared {
  /** [seed, step], step counting the runs over batches. */
  readonly seed: Tensor
  readonly classWeights: Tensor
  /** State of the step counter. */
  readonly counter: Tensor
  /** Moments of each trainable weight, by its name. */
  readonly moments: Map<string, readonly Tensor[]>
  /** Loss of every step of an epoch. */
  readonly trace: Tensor
  /** Where gradients are summed, by the name of the weight; none where the optimizer steps after every batch. */
  readonly sums: ReadonlyMap<string, Tensor> | undefined
  /** Where losses are summed. */
  readonly lossSum: Tensor
  /** Where gradients are stored as f16: the loss's scale, and where overflows are summed. */
  readonly scaling: (LossScale & { readonly overflowSum: Tensor }) | undefined
}

export interface GraphSettings extends StepOptions {
  readonly learningRate: number
  readonly weightDecay: number
  readonly seed: number
  readonly classWeights: readonly number[]
}

/** A program to be. */
export interface Graph {
  readonly effects: readonly Node[]
  readonly outputs: readonly Tensor[]
}

/** Optimizer steps; the rate is set by uniforms. */
export interface StepGraph extends Graph {
  readonly steps: readonly OptimizerStep[]
}

/** Forward and backward of one batch, with the optimizer step where every batch has one. */
export interface BatchGraph extends StepGraph {
  readonly input: Tensor
  readonly labels: Tensor
  /** Where gradients are summed: 1 / (sum of the class weights of all scans of the step), and 1 in the first batch. */
  readonly scale: Tensor
  readonly start: Tensor
}

/** @param rows steps of an epoch */
export function makeShared(network: Network, settings: GraphSettings, rows: number): Shared {
  const { classWeights, accumulate: count = 1, seed, precision } = settings
  const trainable = [...networkParameters(network)].filter(([name]) => !/\.running_(mean|var)$/.test(name))
  const sums =
    count > 1 ? trainable.map(([name, { shape }]) => [name, parameter(shape, undefined, 'sum')] as const) : undefined
  return {
    seed: dropoutSeed(seed),
    classWeights: constant([classWeights.length], Float32Array.from(classWeights), 'class weights'),
    counter: parameter([4], undefined, 'step counter'),
    moments: new Map(),
    trace: parameter([rows], undefined, 'trace'),
    sums: sums && new Map(sums),
    lossSum: parameter([], undefined, 'loss'),
    scaling: precision === 'f16' ? { ...lossScale(), overflowSum: parameter([], undefined, 'overflows') } : undefined,
  }
}

/** The network in training, with what happens to the scans before. */
export function trainingNetwork(
  network: Network,
  batch: number,
  seed: Tensor,
  prepare: StepOptions['prepare'],
): { input: Tensor; built: BuiltNetwork } {
  const input = placeholder([batch, ...network.description.input], 'scans')
  const built = buildNetwork(network, { input: prepare ? prepare(input, seed) : input, training: trainingLayers(seed) })
  return { input, built }
}

/** The graph of a batch of some size. */
export function batchGraph(network: Network, shared: Shared, settings: GraphSettings, batch: number): BatchGraph {
  const { seed, classWeights, sums, lossSum, scaling } = shared
  const { input, built } = trainingNetwork(network, batch, seed, settings.prepare)
  const labels = placeholder([batch], 'labels', 'u32')
  const scale = placeholder([], 'scale')
  const start = placeholder([1], 'start')
  const reduction = sums ? 'sum' : 'mean'
  const whole = crossEntropy(built.logits, labels, { weights: classWeights, reduction })
  const loss = sums ? multiply(whole, scale) : whole
  const names = [...built.trainable.keys()]
  const weights = [...built.trainable.values()]
  const { gradients, overflow } = scaling
    ? scaledGradients(loss, weights, scaling)
    : { gradients: backward(loss, weights), overflow: undefined }
  const own = new Map(names.map((name, k) => [name, gradients[k]!]))
  const stepped = sums ? undefined : optimise(network, shared, settings, { loss, gradients: own, overflow })
  const summed = sums
    ? [
        accumulate(lossSum, loss, start),
        ...(overflow ? [accumulate(scaling!.overflowSum, overflow, start)] : []),
        ...names.map((name) => accumulate(sums.get(name)!, own.get(name)!, start)),
      ]
    : []
  const effects = [...built.effects, ...summed, ...(stepped?.effects ?? []), advance(seed)]
  return { input, labels, scale, start, steps: stepped?.steps ?? [], effects, outputs: [] }
}

/** The graph of the step after the last batch, where gradients are summed; undefined elsewhere. */
export function sumGraph(network: Network, shared: Shared, settings: GraphSettings): StepGraph | undefined {
  const { sums, lossSum, scaling } = shared
  return sums && optimise(network, shared, settings, { loss: lossSum, gradients: sums, overflow: scaling?.overflowSum })
}

/** What the walk back has found; the gradients are those of the scaled loss where it is scaled. */
interface Found {
  readonly loss: Tensor
  readonly gradients: ReadonlyMap<string, Tensor>
  readonly overflow: Tensor | undefined
}

function optimise(
  network: Network,
  shared: Shared,
  { optimizer, learningRate, weightDecay }: GraphSettings,
  { loss, gradients, overflow }: Found,
): StepGraph {
  const choice = checkOptimizer(optimizer)
  const halt = watch(loss, shared.counter)
  const betas = choice.kind === 'sgd' ? {} : { beta1: choice.beta1, beta2: choice.beta2 }
  const scaling = overflow && { ...shared.scaling!, overflow }
  const counter = stepCounter({ ...betas, state: shared.counter, scaling })
  const parameters = networkParameters(network)
  const steps = [...gradients].map(([name, gradient]) => {
    const options = { ...choice, learningRate, weightDecay, counter, state: shared.moments.get(name) }
    const made = stepOf(options, parameters.get(name)!, gradient)
    shared.moments.set(name, made.state.slice(0, -1))
    return made
  })
  const kept = record(loss, counter, shared.trace.shape[0]!, shared.trace)
  return { steps, effects: [halt, ...steps.map(({ node }) => node), kept.node], outputs: [shared.trace] }
}

type StepChoice = ReturnType<typeof checkOptimizer> & {
  learningRate: number
  weightDecay: number
  counter: StepCounter
  state: readonly Tensor[] | undefined
}

function stepOf(choice: StepChoice, weight: Tensor, gradient: Tensor): OptimizerStep {
  if (choice.kind === 'sgd') return sgd(weight, gradient, choice)
  return adam(weight, gradient, { ...choice, decoupled: choice.kind === 'adamw' })
}

/** Uniforms that set the learning rate of a step's node. */
export function rateUniforms(optimizer: StepOptions['optimizer'], learningRate: number): Record<string, number> {
  return checkOptimizer(optimizer).kind === 'sgd' ? sgdUniforms({ learningRate }) : adamUniforms({ learningRate })
}

/** The leaves of some graphs that stay on the GPU: weights, moments, constants. */
export function residentsOf(graphs: readonly Graph[]): Set<Tensor> {
  const nodes = graphs.flatMap(({ effects, outputs }) => reachable(outputs, effects))
  const leaves = [...nodes.flatMap((node) => node.inputs), ...graphs.flatMap(({ outputs }) => outputs)]
  return new Set(leaves.filter((t) => t.leaf && t.leaf.kind !== 'input'))
}
