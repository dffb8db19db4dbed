/** GPU memory of a training before it starts, and the batch that fits. */
import type { Gpu } from '../../engine/gpu.ts'
import { type MemoryReport, planProgram } from '../../engine/plan.ts'
import { bytesOf } from '../../engine/tensor.ts'
import { classCount, type Network } from '../description.ts'
import { evaluationGraph } from './train-evaluate.ts'
import type { StepOptions } from './train-options.ts'
import { batchGraph, type Graph, makeShared, residentsOf, sumGraph } from './train-step.ts'

export interface TrainingPlan extends MemoryReport {
  /** The largest single buffer, which adapters limit on its own. */
  readonly largest: number
}

/**
 * What train() holds on the GPU with batches of one size, nothing allocated: the training programs, evaluation with the
 * same batch, weights, moments and, where gradients are accumulated, their sums.
 * @throws ShapeError for a batch that batch normalisation cannot work with
 */
export function planTraining(gpu: Gpu, network: Network, options: StepOptions, batch: number): TrainingPlan {
  // Weights of a map of its own, so that the plan leaves nothing behind.
  const own: Network = { ...network, weights: new Map(network.weights) }
  const classWeights = new Array<number>(classCount(network.description)).fill(1)
  const settings = { ...options, learningRate: 0, weightDecay: 0, seed: 0, classWeights }
  const shared = makeShared(own, settings, 1)
  const after = sumGraph(own, shared, settings)
  const training = [batchGraph(own, shared, settings, batch), ...(after ? [after] : [])]
  const evaluation = evaluationGraph(own, batch, 1)
  const graphs: Graph[] = [...training, evaluation]
  const plans = [
    ...training.map(({ outputs, effects }) => planProgram(gpu, outputs, { effects, precision: options.precision })),
    planProgram(gpu, evaluation.outputs, { effects: evaluation.effects }),
  ]
  const buffers = plans.flatMap(({ temporaries, inputs, fixed, residents }) => [
    ...temporaries.buffers,
    ...[...inputs, ...fixed, ...residents].map(bytesOf),
  ])
  return { ...totalMemory(plans, graphs), largest: Math.max(...buffers) }
}

/** Memory of programs that share what is resident. */
export function totalMemory(programs: readonly { memory: MemoryReport }[], graphs: readonly Graph[]): MemoryReport {
  const sum = (key: 'temporaries' | 'fixed') => programs.reduce((total, { memory }) => total + memory[key], 0)
  const temporaries = sum('temporaries')
  const fixed = sum('fixed')
  const resident = [...residentsOf(graphs)].reduce((total, tensor) => total + bytesOf(tensor), 0)
  return { temporaries, fixed, resident, total: temporaries + fixed + resident }
}

/**
 * The largest batch whose training fits into so many bytes and into the adapter's largest buffer, by planning.
 * @param most where to stop looking; default 1024
 * @returns 0 where not even one scan fits
 */
export function largestBatch(gpu: Gpu, network: Network, options: StepOptions, bytes: number, most = 1024): number {
  const fits = (batch: number): boolean => {
    const { total, largest } = planTraining(gpu, network, options, batch)
    return total <= bytes && largest <= gpu.limits.maxBufferSize
  }
  let low = 0
  let high = 1
  while (high <= most && fits(high)) {
    low = high
    high *= 2
  }
  high = Math.min(high, most + 1)
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (fits(middle)) low = middle
    else high = middle
  }
  return low
}
