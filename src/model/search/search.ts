/** Random search: networks and training options drawn from a space, trained one after the other, the best kept. */
import type { Gpu } from '../../engine/gpu.ts'
import { InputError } from '../../io/errors.ts'
import type { ArchitectureOptions } from '../architectures.ts'
import type { Network } from '../description.ts'
import { NonFiniteLossError, type Samples, type TrainOptions, type TrainResult, train } from '../training/train.ts'
import { type EpochReport, METRICS, type Metric } from '../training/train-progress.ts'
import type { SearchSpace } from './space.ts'
import {
  bestTrial,
  type PrepareOptions,
  prepareTrial,
  type ReadyTrial,
  type TrialLimits,
  type TrialOutcome,
  withoutTimes,
} from './trial.ts'

export type { SearchSpace, TrialChoice } from './space.ts'
export { defaultSpace, drawTrial, readSpace, trialNetwork } from './space.ts'
export { bestTrial, type TrialLimits, type TrialOutcome } from './trial.ts'

/** Where a search keeps its trials, so that one that was ended goes on where it was. */
export interface TrialStore {
  /** The outcome of a trial that is over; undefined: it is still to be done. */
  read(trial: number): Promise<TrialOutcome | undefined>
  /** A trial is about to start. @returns where its training's checkpoints go, and the last one there is */
  begin(trial: number, ready: ReadyTrial): Promise<Pick<TrainOptions, 'resume' | 'onCheckpoint'>>
  /** A trial is over; the result is undefined where it was rejected or diverged. */
  finish(outcome: TrialOutcome, result: TrainResult | undefined): Promise<void>
  /** All trials so far, by their numbers, and the best of them. */
  list(outcomes: readonly TrialOutcome[], best: TrialOutcome | undefined): Promise<void>
  /** The network of a trial that is over. */
  network(trial: number): Promise<Network>
}

/** Options of train() that a trial does not draw. */
export type SearchTraining = Omit<
  TrainOptions,
  | 'batch'
  | 'learningRate'
  | 'weightDecay'
  | 'seed'
  | 'metric'
  | 'validation'
  | 'memoryLimit'
  | 'resume'
  | 'onCheckpoint'
  | 'onEpoch'
>

export interface SearchOptions {
  space: SearchSpace
  /** Trials, numbered from 0. More of them later change nothing in those before. */
  trials: number
  /** Of everything that is drawn; default 1. */
  seed?: number
  /** What decides which trial, and which of its epochs, is best; default 'loss'. */
  metric?: Metric
  /** Input, classes and recipe of the networks. */
  network: ArchitectureOptions
  training: SearchTraining
  /** Decides; never the scans of a test set. */
  validation: Samples
  limits?: TrialLimits
  complete?: PrepareOptions['complete']
  /** Called after each epoch of a trial. */
  onEpoch?: (entry: EpochReport, trial: number) => void
  store: TrialStore
  /** Called when a trial is over, also for one that was over before. */
  onTrial?: (outcome: TrialOutcome) => void
}

export interface SearchResult {
  readonly outcomes: readonly TrialOutcome[]
  /** Undefined when no trial ended with a network. */
  readonly best?: { readonly outcome: TrialOutcome; readonly network: Network }
}

/**
 * Runs the trials of a search that are not over yet. What a trial draws depends on the seed and its number alone, so a
 * search that was ended at any time, or by kill -9, and goes on comes to the same end.
 * @throws InputError for a number out of range, scans that do not fit, or a store of another search
 * @throws GpuError when the GPU is lost or its memory is used up; the search can go on from there
 */
export async function search(gpu: Gpu, data: Samples, options: SearchOptions): Promise<SearchResult> {
  const { trials, store, metric = 'loss' } = options
  if (!Number.isInteger(trials) || trials < 1) throw new InputError(`${trials} trials: give a whole number from 1 up`)
  if (!METRICS.includes(metric)) throw new InputError(`metric is "${metric}", need one of ${METRICS.join(', ')}`)
  const outcomes: TrialOutcome[] = []
  for (let trial = 0; trial < trials; trial++) {
    const before = await store.read(trial)
    const outcome = before ?? (await runTrial(gpu, data, { ...options, metric }, trial))
    outcomes.push(outcome)
    // Also after one that was over before: the search may have been killed between its end and the list.
    await store.list(outcomes, bestTrial(outcomes, metric))
    options.onTrial?.(outcome)
  }
  const best = bestTrial(outcomes, metric)
  return { outcomes, ...(best && { best: { outcome: best, network: await store.network(best.trial) } }) }
}

async function runTrial(
  gpu: Gpu,
  data: Samples,
  options: SearchOptions & { metric: Metric },
  trial: number,
): Promise<TrialOutcome> {
  const { space, seed = 1, training, validation, limits, complete, store, metric, onEpoch } = options
  const ready = prepareTrial(gpu, space, { seed, trial }, options.network, { limits, complete, step: training })
  if ('status' in ready) {
    await store.finish(ready, undefined)
    return ready
  }
  const { choice, network, parameters, memory } = ready
  const { batch, learningRate, weightDecay } = choice
  const kept = await store.begin(trial, ready)
  const known = { trial, choice, parameters, memory }
  try {
    const result = await train(gpu, network, data, {
      ...training,
      ...kept,
      ...{ batch, learningRate, weightDecay, metric, validation, seed: ready.seed },
      onEpoch: (entry) => onEpoch?.(entry, trial),
    })
    const outcome: TrialOutcome = {
      ...known,
      status: 'done',
      epochs: result.history.length,
      best: withoutTimes(result.best),
    }
    await store.finish(outcome, result)
    return outcome
  } catch (error) {
    if (!(error instanceof NonFiniteLossError)) throw error
    const outcome: TrialOutcome = { ...known, status: 'diverged', reason: error.message }
    await store.finish(outcome, undefined)
    return outcome
  }
}
