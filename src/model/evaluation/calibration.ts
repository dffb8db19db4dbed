/** Whether probabilities mean what they say. */
import { InputError } from '../../io/errors.ts'
import { normalQuantile } from './distributions.ts'
import type { Interval } from './roc.ts'

/** Predictions of similar probability. */
export interface ReliabilityBin {
  /** The bin holds probabilities from `from` (included) to `to` (left out, but in the last bin). */
  readonly from: number
  readonly to: number
  readonly count: number
  /** Mean predicted probability; undefined in an empty bin. */
  readonly predicted: number | undefined
  /** Share of positives; undefined in an empty bin. */
  readonly observed: number | undefined
  /** Of the share of positives (Wilson's score interval). */
  readonly interval: Interval | undefined
}

export interface Calibration {
  /** Mean squared distance of the probability from 0 or 1 (Brier 1950, the binary form). */
  readonly brier: number
  /** Mean over samples of |predicted - observed| of their bin (expected calibration error). */
  readonly error: number
  readonly bins: readonly ReliabilityBin[]
}

/**
 * Brier score and reliability in bins of equal width.
 * @param positive whether each sample is positive. @param probabilities of being positive, 0 to 1
 * @throws InputError for lengths that differ, no samples, or something that is not a probability
 */
export function calibration(
  positive: readonly boolean[],
  probabilities: ArrayLike<number>,
  { bins = 10, level = 0.95 }: { bins?: number; level?: number } = {},
): Calibration {
  const count = positive.length
  if (count === 0 || probabilities.length !== count) {
    throw new InputError(`${count} labels and ${probabilities.length} probabilities: need one for each, at least one`)
  }
  const sums = Array.from({ length: bins }, () => ({ count: 0, predicted: 0, positives: 0 }))
  let squares = 0
  positive.forEach((truth, n) => {
    const p = probabilities[n]!
    if (!(p >= 0 && p <= 1)) throw new InputError(`sample ${n} has probability ${p}, need 0 to 1`)
    squares += (p - Number(truth)) ** 2
    const bin = sums[Math.min(bins - 1, Math.floor(p * bins))]!
    bin.count++
    bin.predicted += p
    bin.positives += Number(truth)
  })
  const distances = sums.map((bin) => Math.abs(bin.predicted - bin.positives))
  return {
    brier: squares / count,
    error: distances.reduce((a, b) => a + b, 0) / count,
    bins: sums.map((bin, k) => ({
      from: k / bins,
      to: (k + 1) / bins,
      count: bin.count,
      predicted: bin.count > 0 ? bin.predicted / bin.count : undefined,
      observed: bin.count > 0 ? bin.positives / bin.count : undefined,
      interval: wilsonInterval(bin.positives, bin.count, level),
    })),
  }
}

/** Interval of a share (Wilson 1927); undefined for a share of nothing. */
export function wilsonInterval(part: number, whole: number, level = 0.95): Interval | undefined {
  if (whole === 0) return undefined
  const z2 = normalQuantile(0.5 + level / 2) ** 2
  const share = part / whole
  const centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
  const reach = Math.sqrt(z2 * ((share * (1 - share)) / whole + z2 / (4 * whole * whole))) / (1 + z2 / whole)
  return [Math.max(0, centre - reach), Math.min(1, centre + reach)]
}
