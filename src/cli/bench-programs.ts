/** One step of what people wait for, as a graph: a mask step, a prediction, a training step. */
import { backward } from '../engine/backward.ts'
import '../engine/gradients/conv-weight.ts'
import type { CompileOptions } from '../engine/compile.ts'
import { advance, dropoutSeed } from '../engine/ops/dropout.ts'
import { crossEntropy } from '../engine/ops/loss.ts'
import { adam, stepCounter } from '../engine/ops/optimizer.ts'
import type { Program } from '../engine/program.ts'
import { input, sizeOf, type Tensor } from '../engine/tensor.ts'
import { batchEffects, buildGraph, cellWeights } from '../explain/mask-graph.ts'
import { maskSettings } from '../explain/mask-options.ts'
import { resetMasks, startMasks } from '../explain/mask-state.ts'
import { buildNetwork } from '../model/build.ts'
import { classCount, type Network } from '../model/description.ts'
import { uniformStream } from '../model/random.ts'
import { trainingLayers } from '../model/training/training-layers.ts'
import { brainTemplate, gridOf } from '../phantom/brain.ts'

export interface Step {
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly options: CompileOptions
  /** Writes what a step starts from. */
  start(program: Program): void
}

/** More steps than any bench takes: a mask that has used up its steps costs less. */
const STEPS = 4096

/** A step of masks with the default options: apply, network, gradient, regularisers, Adam, clamp, loss terms. */
function maskStep(network: Network, batch: number): Step {
  const settings = maskSettings({ iterations: STEPS, tolerance: 0 }, classCount(network.description))
  const graph = buildGraph(network, settings, batch)
  const { mask, x, target, probabilities, live } = graph
  return {
    outputs: { probabilities },
    options: { effects: batchEffects(graph), frozen: true, live },
    start(program) {
      const scans = brains(x.shape)
      program.write(x, scans)
      program.write(target, new Float32Array(batch))
      const weights = cellWeights(settings, settings, mask)
      program.write(
        mask.weights,
        Float32Array.from({ length: 2 * batch }, (_, k) => weights[k % 2]!),
      )
      resetMasks(program, mask)
      // As an optimisation does: once everything, then what the mask within the tissue changes.
      program.setLive()
      program.run()
      program.setLive(Uint8Array.from(scans, (v) => (v === 0 ? 0 : 1)))
      startMasks(program, mask, batch)
    },
  }
}

/** Probabilities of a batch. */
function predictStep(network: Network, batch: number): Step {
  const { input: x, probabilities } = buildNetwork(network, { batch })
  return {
    outputs: { probabilities },
    options: { frozen: true },
    start: (program) => program.write(x, brightness(x.shape)),
  }
}

/** Forward with batch statistics and dropout, backward, Adam, running statistics. */
function trainStep(network: Network, batch: number): Step {
  const seed = dropoutSeed(1)
  const built = buildNetwork(network, { batch, training: trainingLayers(seed) })
  const labels = input([batch], 'labels', 'u32')
  const loss = crossEntropy(built.logits, labels)
  const trainable = [...built.trainable.values()]
  const gradients = backward(loss, trainable)
  const counter = stepCounter()
  const options = { learningRate: 1e-4, weightDecay: 1e-4, counter }
  const steps = trainable.map((tensor, k) => adam(tensor, gradients[k]!, options).node)
  const classes = classCount(network.description)
  return {
    outputs: { loss },
    options: { effects: [...built.effects, ...steps, advance(seed)] },
    start(program) {
      program.write(built.input, brightness(built.input.shape))
      program.write(
        labels,
        Uint32Array.from({ length: batch }, (_, k) => k % classes),
      )
    },
  }
}

/** The phantom's intact brain in a whole field of view, for each of the batch: like a real map, most of it is empty. */
function brains(shape: readonly number[]): Float32Array {
  const [batch, , d, h, w] = shape as [number, number, number, number, number]
  const { data } = brainTemplate(gridOf([w, h, d]))
  const all = new Float32Array(batch * data.length)
  for (let k = 0; k < batch; k++) all.set(data, k * data.length)
  return all
}

/** Scans of noise in [0, 1). */
function brightness(shape: readonly number[]): Float32Array {
  const next = uniformStream(1, 'scan')
  return new Float32Array(sizeOf(shape)).map(() => next())
}

/** By the name of the command line's --program. */
export const steps = { mask: maskStep, predict: predictStep, train: trainStep } as const
