/** The learning rate over a training: a function of epoch and step alone, so that a resumed training needs no state. */
import { InputError } from '../../io/errors.ts'

/**
 * How the learning rate changes from epoch to epoch.
 * - constant: not at all.
 * - step: times `factor` after every `epochs` epochs (torch's StepLR).
 * - cosine: half a cosine wave from the full rate in the first epoch towards `lowest` times it, which an epoch after the
 *   last would have (torch's CosineAnnealingLR with T_max = epochs; Loshchilov and Hutter 2017).
 */
export type Schedule =
  | { readonly kind: 'constant' }
  | { readonly kind: 'step'; readonly epochs: number; readonly factor: number }
  | { readonly kind: 'cosine'; readonly lowest: number }

/** A schedule by name or with its numbers. */
export type ScheduleOption =
  | 'constant'
  | 'cosine'
  | { readonly kind: 'constant' }
  | { readonly kind: 'step'; readonly epochs: number; readonly factor?: number }
  | { readonly kind: 'cosine'; readonly lowest?: number }

/** @throws InputError for a schedule that is none */
export function readSchedule(given: ScheduleOption): Schedule {
  const option = typeof given === 'string' ? { kind: given } : given
  switch (option?.kind) {
    case 'constant':
      return { kind: 'constant' }
    case 'step': {
      const { epochs, factor = 0.1 } = option
      if (Number.isInteger(epochs) && epochs >= 1 && factor >= 0 && factor <= 1) return { kind: 'step', epochs, factor }
      break
    }
    case 'cosine': {
      const { lowest = 0 } = option as { lowest?: number }
      if (lowest >= 0 && lowest <= 1) return { kind: 'cosine', lowest }
    }
  }
  throw new InputError(
    `schedule is ${JSON.stringify(given)}, need 'constant', 'cosine', {kind: 'step', epochs, factor} or {kind: 'cosine', lowest}, with whole epochs and factors from 0 to 1`,
  )
}

export interface Rates {
  readonly learningRate: number
  readonly schedule: Schedule
  /** Epochs, also parts of one, over which the rate grows from nothing. */
  readonly warmUp: number
  readonly epochs: number
}

/**
 * The learning rate of one step: the schedule's, and during the warm-up of n steps a share of it, 1/n, 2/n, ..., 1.
 * @param epoch from 1. @param step of the epoch, from 0. @param steps of an epoch
 */
export function rateAt(
  { learningRate, schedule, warmUp, epochs }: Rates,
  epoch: number,
  step: number,
  steps: number,
): number {
  const warm = Math.max(1, Math.round(warmUp * steps))
  return learningRate * factorOf(schedule, epoch - 1, epochs) * Math.min(1, ((epoch - 1) * steps + step + 1) / warm)
}

function factorOf(schedule: Schedule, before: number, epochs: number): number {
  if (schedule.kind === 'step') return schedule.factor ** Math.floor(before / schedule.epochs)
  if (schedule.kind === 'constant') return 1
  return schedule.lowest + (1 - schedule.lowest) * 0.5 * (1 + Math.cos((Math.PI * before) / epochs))
}
