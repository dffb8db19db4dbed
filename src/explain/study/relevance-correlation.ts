/** How relevance in a region goes with another number of the same people: its volume, age, a test score. */
import { InputError } from '../../io/errors.ts'
import { normalQuantile } from '../../model/evaluation/distributions.ts'
import { midranks } from '../../model/evaluation/metrics.ts'
import { correlationInterval, correlationP, linearFit } from '../../model/evaluation/regression.ts'
import type { Interval } from '../../model/evaluation/roc.ts'
import { leastSquares } from './relevance-residuals.ts'

export interface Correlation {
  /** Undefined where one of the two is constant. */
  readonly r: number | undefined
  /** 95 %, by Fisher's z. */
  readonly interval: Interval | undefined
  /** Two-sided, of r = 0. */
  readonly p: number | undefined
}

export interface Correlations {
  /** Pairs of which both numbers are known. */
  readonly n: number
  readonly pearson: Correlation
  readonly spearman: Correlation
}

const UNKNOWN: Correlation = { r: undefined, interval: undefined, p: undefined }
const LEVEL = 0.95

/**
 * Pearson's and Spearman's correlation; pairs with a value that is not finite are left out. Pearson's interval is Fisher's,
 * Spearman's has the standard error of Bonett and Wright (Psychometrika 2000), its p Student's t of the ranks.
 */
export function correlate(x: ArrayLike<number>, y: ArrayLike<number>): Correlations {
  return ofPairs(knownPairs([x, y]), 0)
}

/**
 * Partial correlations: of what is left of both after least squares on the covariates, in the same people; every covariate
 * costs a degree of freedom. Spearman's is of the ranks of what is left.
 * @param covariates one list a covariate; people of whom one is not known are left out
 */
export function partialCorrelate(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  covariates: readonly ArrayLike<number>[],
): Correlations {
  const [a, b, ...others] = knownPairs([x, y, ...covariates])
  // Too few people for the covariates: everything would be explained.
  if (a!.length < others.length + 4) return { n: a!.length, pearson: UNKNOWN, spearman: UNKNOWN }
  const { residuals, columns } = leastSquares([a!, b!], others)
  return ofPairs(residuals, columns)
}

function knownPairs(lists: readonly ArrayLike<number>[]): number[][] {
  const count = lists[0]!.length
  const odd = lists.find(({ length }) => length !== count)
  if (odd) throw new InputError(`${count} and ${odd.length} values: need one a person of each`)
  const known = Array.from({ length: count }, (_, n) => n).filter((n) =>
    lists.every((list) => Number.isFinite(list[n]!)),
  )
  return lists.map((list) => known.map((n) => list[n]!))
}

/** @param taken degrees of freedom that covariates took */
function ofPairs(lists: readonly ArrayLike<number>[], taken: number): Correlations {
  const [x, y] = lists as [ArrayLike<number>, ArrayLike<number>]
  const n = x.length
  const pearson = linearFit(x, y)?.r
  const spearman = linearFit(midranks(x), midranks(y))?.r
  const free = n - taken
  return {
    n,
    pearson:
      pearson === undefined
        ? UNKNOWN
        : { r: pearson, interval: correlationInterval(pearson, free, LEVEL), p: correlationP(pearson, free) },
    spearman:
      spearman === undefined
        ? UNKNOWN
        : { r: spearman, interval: rankInterval(spearman, free), p: correlationP(spearman, free) },
  }
}

function rankInterval(r: number, count: number): Interval | undefined {
  if (count < 4 || Math.abs(r) >= 1) return undefined
  const reach = normalQuantile(0.5 + LEVEL / 2) * Math.sqrt((1 + (r * r) / 2) / (count - 3))
  return [Math.tanh(Math.atanh(r) - reach), Math.tanh(Math.atanh(r) + reach)]
}
