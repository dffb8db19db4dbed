/** Bootstrap intervals: how far a number moves when other subjects of the same kinds had been drawn. */
import { InputError } from '../../io/errors.ts'
import { uniformStream } from '../random.ts'
import type { Interval } from './roc.ts'

export interface BootstrapOptions {
  /** Drawn data sets. Default 2000. */
  readonly replicates?: number
  /** Confidence, in (0, 1). Default 0.95. */
  readonly level?: number
  /** Of the draws. Default 1. */
  readonly seed?: number
}

/**
 * Percentile intervals (Efron and Tibshirani 1993, 13.3) of several statistics from the same draws. Subjects are drawn with
 * replacement within their stratum, all samples of a subject together, so that the sizes of the classes stay.
 *
 * @param strata kind of each sample (its class). A subject whose samples are of several kinds is in a stratum of its own sort
 * @param subjects subject of each sample
 * @param statistics of a list of sample indices, in which an index may come several times
 * @returns an interval for each statistic; undefined where fewer than half the draws define it, or all draws agree (nobody was
 *   wrong, say), which would look like certainty
 * @throws InputError for lengths that differ or options out of range
 */
export function bootstrapIntervals<Name extends string>(
  strata: readonly unknown[],
  subjects: readonly unknown[],
  statistics: (samples: readonly number[]) => Readonly<Record<Name, number | undefined>>,
  { replicates = 2000, level = 0.95, seed = 1 }: BootstrapOptions = {},
): Record<Name, Interval | undefined> {
  if (strata.length !== subjects.length || strata.length === 0) {
    throw new InputError(`${strata.length} strata and ${subjects.length} subjects: need one for each, and at least one`)
  }
  if (!Number.isInteger(replicates) || replicates < 1 || !(level > 0 && level < 1)) {
    throw new InputError(
      `${replicates} bootstrap draws and level ${level}: need 1 or more, and a number between 0 and 1`,
    )
  }
  const groups = subjectsByStratum(strata, subjects)
  const next = uniformStream(seed, 'bootstrap')
  const found = new Map<Name, number[]>()
  for (let draw = 0; draw < replicates; draw++) {
    const samples: number[] = []
    for (const members of groups) {
      for (let k = 0; k < members.length; k++) samples.push(...members[Math.floor(next() * members.length)]!)
    }
    for (const [name, value] of Object.entries(statistics(samples)) as [Name, number | undefined][]) {
      if (!found.has(name)) found.set(name, [])
      if (value !== undefined) found.get(name)!.push(value)
    }
  }
  const tail = (1 - level) / 2
  const interval = (values: number[]): Interval | undefined => {
    if (values.length < replicates / 2) return undefined
    const sorted = Float64Array.from(values).sort()
    if (sorted[0] === sorted.at(-1)) return undefined
    return [quantile(sorted, tail), quantile(sorted, 1 - tail)]
  }
  return Object.fromEntries([...found].map(([name, values]) => [name, interval(values)])) as Record<
    Name,
    Interval | undefined
  >
}

/** The sample indices of each subject, by stratum, in the order of their first samples. */
function subjectsByStratum(strata: readonly unknown[], subjects: readonly unknown[]): number[][][] {
  const samplesOf = new Map<unknown, number[]>()
  subjects.forEach((subject, n) => {
    const own = samplesOf.get(subject)
    if (own) own.push(n)
    else samplesOf.set(subject, [n])
  })
  const kinds = [...new Set(strata)]
  const groups = new Map<string, number[][]>()
  for (const samples of samplesOf.values()) {
    const kind = kinds.flatMap((stratum, k) => (samples.some((n) => strata[n] === stratum) ? [k] : [])).join()
    groups.set(kind, [...(groups.get(kind) ?? []), samples])
  }
  return [...groups.values()]
}

/** Quantile of sorted values, linear between neighbours (Hyndman and Fan's type 7). */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1)
  const low = Math.floor(at)
  const [from, to] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!]
  return from + (at - low) * (to - from)
}
