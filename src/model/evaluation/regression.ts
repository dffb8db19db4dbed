/** A straight line through points, Pearson's correlation, and how sure both are. */
import { InputError } from '../../io/errors.ts'
import { normalQuantile, studentCdf, studentQuantile } from './distributions.ts'
import type { Interval } from './roc.ts'

export interface LinearFit {
  readonly count: number
  readonly slope: number
  readonly intercept: number
  /** Pearson's correlation; undefined when y is constant. */
  readonly r: number | undefined
  /** Of r, by Fisher's z; undefined with fewer than four points or |r| = 1. */
  readonly interval: Interval | undefined
  /** Two-sided, of r = 0 (t test); undefined with fewer than three points. */
  readonly p: number | undefined
  /** The line at x, and the interval of the mean of y there (Student's t). Without interval with fewer than three points. */
  at(x: number): { y: number; interval: Interval | undefined }
}

/**
 * Least squares of y on x.
 * @returns undefined with fewer than two points or a constant x
 * @throws InputError for lengths that differ or a value that is not finite
 */
export function linearFit(x: ArrayLike<number>, y: ArrayLike<number>, level = 0.95): LinearFit | undefined {
  const count = x.length
  if (y.length !== count) throw new InputError(`${count} values of x and ${y.length} of y: need one for each`)
  for (let n = 0; n < count; n++) {
    if (!Number.isFinite(x[n]!) || !Number.isFinite(y[n]!)) throw new InputError(`point ${n} is (${x[n]}, ${y[n]})`)
  }
  const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / count
  const [mx, my] = [mean(x), mean(y)]
  let [xx, xy, yy] = [0, 0, 0]
  for (let n = 0; n < count; n++) {
    xx += (x[n]! - mx) ** 2
    xy += (x[n]! - mx) * (y[n]! - my)
    yy += (y[n]! - my) ** 2
  }
  if (count < 2 || xx === 0) return undefined
  const slope = xy / xx
  const r = yy > 0 ? Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy))) : undefined
  const freedom = count - 2
  const spread = freedom > 0 ? Math.sqrt(Math.max(0, yy - slope * xy) / freedom) : undefined
  return {
    count,
    slope,
    intercept: my - slope * mx,
    r,
    interval: r === undefined ? undefined : correlationInterval(r, count, level),
    p: r === undefined ? undefined : correlationP(r, count),
    at(x0) {
      const y0 = my + slope * (x0 - mx)
      if (spread === undefined) return { y: y0, interval: undefined }
      const reach = studentQuantile(0.5 + level / 2, freedom) * spread * Math.sqrt(1 / count + (x0 - mx) ** 2 / xx)
      return { y: y0, interval: [y0 - reach, y0 + reach] }
    },
  }
}

/** Interval of a Pearson correlation by Fisher's z; undefined with fewer than four points or |r| = 1. */
export function correlationInterval(r: number, count: number, level = 0.95): Interval | undefined {
  if (count < 4 || Math.abs(r) >= 1) return undefined
  const reach = normalQuantile(0.5 + level / 2) / Math.sqrt(count - 3)
  return [Math.tanh(Math.atanh(r) - reach), Math.tanh(Math.atanh(r) + reach)]
}

/** Two-sided p-value of a correlation of zero, by Student's t; undefined with fewer than three points. */
export function correlationP(r: number, count: number): number | undefined {
  const freedom = count - 2
  if (freedom < 1) return undefined
  if (Math.abs(r) >= 1) return 0
  return 2 * studentCdf(-Math.abs(r) * Math.sqrt(freedom / (1 - r * r)), freedom)
}
