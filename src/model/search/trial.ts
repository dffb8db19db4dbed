/** One trial of a random search: what it came to, and whether it may start at all. */

import { ShapeError } from '../../engine/errors.ts'
import { type Gpu, megabytes } from '../../engine/gpu.ts'
import { InputError } from '../../io/errors.ts'
import type { ArchitectureOptions } from '../architectures.ts'
import { initialise } from '../architectures.ts'
import type { Network, NetworkDescription } from '../description.ts'
import { summarise } from '../summary.ts'
import { planTraining } from '../training/train-memory.ts'
import type { StepOptions } from '../training/train-options.ts'
import type { EpochReport, Metric } from '../training/train-progress.ts'
import { drawTrial, type SearchSpace, type TrialChoice, trialNetwork, trialSeed } from './space.ts'

/** What became of a trial. */
export interface TrialOutcome {
  /** From 0. */
  readonly trial: number
  /** 'rejected': it never started; 'diverged': its loss stopped being a number. */
  readonly status: 'done' | 'rejected' | 'diverged'
  /** Why it was rejected, or where it diverged. */
  readonly reason?: string
  readonly choice: TrialChoice
  /** Trained values; unknown where there is no network. */
  readonly parameters?: number
  /** GPU memory that was planned, in bytes. */
  readonly memory?: number
  /** Epochs that were trained, and the best of them by the search's metric. */
  readonly epochs?: number
  readonly best?: TrialReport
}

/** An epoch without its times: equal trials have equal outcomes. */
export type TrialReport = Omit<EpochReport, 'seconds' | 'waited' | 'scansPerSecond'>

export function withoutTimes({ seconds: _, waited: __, scansPerSecond: ___, ...rest }: EpochReport): TrialReport {
  return rest
}

export interface TrialLimits {
  /** GPU memory of a training, in bytes; default: the adapter's largest buffer is the only limit. */
  memory?: number
  /** Trained values; default: any number. */
  parameters?: number
}

export interface PrepareOptions {
  limits?: TrialLimits
  /** Of the training. */
  step?: StepOptions
  /** What a network is given besides its layers and weights: how its inputs' residuals are taken. Default: nothing. */
  complete?: (network: Network) => Network
}

/** A trial that may start. */
export interface ReadyTrial {
  readonly choice: TrialChoice
  readonly network: Network
  /** Of the training. */
  readonly seed: number
  readonly parameters: number
  readonly memory: number
}

/** A value of f32 has its gradient and two moments beside it, at the least. */
const BYTES_A_PARAMETER = 16

/**
 * Draws a trial and plans its training; nothing is allocated on the GPU.
 * @param network input, classes and recipe of its network
 * @returns a trial that may start, or the outcome of one that may not
 */
export function prepareTrial(
  gpu: Gpu,
  space: SearchSpace,
  { seed, trial }: { seed: number; trial: number },
  network: ArchitectureOptions,
  { limits = {}, step = {}, complete = (own) => own }: PrepareOptions,
): ReadyTrial | TrialOutcome {
  const choice = drawTrial(space, seed, trial)
  const refuse = (reason: string, known: Partial<TrialOutcome> = {}): TrialOutcome => {
    return { trial, status: 'rejected', reason, choice, ...known }
  }
  const { memory: most = Number.POSITIVE_INFINITY, parameters: mostParameters = Number.POSITIVE_INFINITY } = limits
  let parameters: number | undefined
  try {
    const description: NetworkDescription = { ...trialNetwork(choice, network), name: `trial_${trial}` }
    parameters = summarise({ description }).parameters
    if (parameters > mostParameters) {
      return refuse(`${parameters} parameters, more than the ${mostParameters} allowed`, { parameters })
    }
    // Before its weights are made: a network that is far too large would not fit into the host's memory either.
    const least = BYTES_A_PARAMETER * parameters
    const bound = Math.min(most, 4 * gpu.limits.maxBufferSize)
    if (least > bound) {
      const text = `the weights and their moments alone need ${megabytes(least)}, more than the ${megabytes(bound)}`
      return refuse(`${text} there is`, { parameters, memory: least })
    }
    const initial = initialise(description, trialSeed(seed, trial))
    const { total, largest } = planTraining(gpu, initial, step, choice.batch)
    const known = { parameters, memory: total }
    if (total > most)
      return refuse(`training needs ${megabytes(total)}, more than the ${megabytes(most)} allowed`, known)
    if (largest > gpu.limits.maxBufferSize) {
      const allowed = megabytes(gpu.limits.maxBufferSize)
      return refuse(`training needs a buffer of ${megabytes(largest)}, and ${gpu.name} allows ${allowed}`, known)
    }
    return { choice, network: complete(initial), seed: trialSeed(seed, trial), parameters, memory: total }
  } catch (error) {
    if (error instanceof InputError || error instanceof ShapeError) return refuse(error.message, { parameters })
    throw error
  }
}

/** What an epoch is worth by a metric: higher is better. */
function worth(report: TrialReport, metric: Metric): number {
  if (metric === 'loss') return -(report.validationLoss ?? report.loss)
  return report[metric] ?? Number.NaN
}

/** The best of some trials by a metric on the validation scans, the first of several that are equal. */
export function bestTrial(outcomes: readonly TrialOutcome[], metric: Metric): TrialOutcome | undefined {
  let best: TrialOutcome | undefined
  for (const outcome of outcomes) {
    if (!outcome.best || Number.isNaN(worth(outcome.best, metric))) continue
    if (!best || worth(outcome.best, metric) > worth(best.best!, metric)) best = outcome
  }
  return best
}
