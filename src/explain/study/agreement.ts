/** How far rankings agree: Kendall's coefficient of concordance, what chance gives, and who stands at the top. */
import { InputError } from '../../io/errors.ts'
import { midranks } from '../../model/evaluation/metrics.ts'
import { uniformStream } from '../../model/random.ts'

export interface Concordance {
  /** Kendall's W: 1 when all judges rank alike, about 1 / judges by chance. Undefined when every judge ties everything. */
  readonly w: number | undefined
  /** Share of random rankings (each judge's shuffled) whose W is at least as large, counting the observed one. */
  readonly p: number | undefined
  /** Mean of W over those. */
  readonly chance: number | undefined
}

/**
 * Kendall's W with the correction for ties (Siegel & Castellan 1988, 9.3), and its permutation null.
 * @param scores one list a judge, one value an item; larger is more
 * @throws InputError with fewer than two judges or items, or lists of different lengths
 */
export function concordance(
  scores: readonly ArrayLike<number>[],
  { permutations = 2000, seed = 1 }: { permutations?: number; seed?: number } = {},
): Concordance {
  const items = scores[0]?.length ?? 0
  if (scores.length < 2 || items < 2) {
    throw new InputError(`agreement needs two judges and two items, got ${scores.length} and ${items}`)
  }
  const odd = scores.findIndex((list) => list.length !== items)
  if (odd >= 0) throw new InputError(`judge ${odd + 1} has ${scores[odd]!.length} scores, the first ${items}`)
  const ranks = scores.map((list) => midranks(list))
  const w = kendallW(ranks)
  if (w === undefined) return { w, p: undefined, chance: undefined }
  const next = uniformStream(seed, 'concordance')
  let [atLeast, sum] = [1, 0]
  for (let k = 0; k < permutations; k++) {
    for (const list of ranks) shuffle(list, next)
    const found = kendallW(ranks)!
    sum += found
    // A sum of the same numbers in another order may differ in its last bit.
    if (found >= w - 1e-12) atLeast++
  }
  return { w, p: atLeast / (permutations + 1), chance: permutations > 0 ? sum / permutations : undefined }
}

function kendallW(ranks: readonly (readonly number[])[]): number | undefined {
  const judges = ranks.length
  const items = ranks[0]!.length
  let squares = 0
  for (let n = 0; n < items; n++) {
    const sum = ranks.reduce((total, list) => total + list[n]!, 0)
    squares += (sum - (judges * (items + 1)) / 2) ** 2
  }
  const ties = ranks.reduce((total, list) => total + tieTerm(list), 0)
  const most = (judges * judges * (items ** 3 - items) - judges * ties) / 12
  return most > 0 ? squares / most : undefined
}

/** Sum of t^3 - t over groups of t equal ranks. */
function tieTerm(ranks: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const rank of ranks) counts.set(rank, (counts.get(rank) ?? 0) + 1)
  return [...counts.values()].reduce((sum, t) => sum + t ** 3 - t, 0)
}

/** Fisher and Yates, in place. */
function shuffle(values: number[], next: () => number): void {
  for (let last = values.length - 1; last > 0; last--) {
    const other = Math.floor(next() * (last + 1))
    ;[values[last], values[other]] = [values[other]!, values[last]!]
  }
}

/**
 * How often each item is among the `top` of a judge.
 * @returns one count an item. Where scores tie at the border, the earlier item is taken
 */
export function topCounts(scores: readonly ArrayLike<number>[], top: number): number[] {
  const counts = new Array<number>(scores[0]?.length ?? 0).fill(0)
  for (const list of scores) {
    const order = Array.from(list, (_, n) => n).sort((a, b) => list[b]! - list[a]! || a - b)
    for (const n of order.slice(0, top)) counts[n]!++
  }
  return counts
}

/** Mean and spread of a measure over pairs, or whatever was measured. */
export interface PairSummary {
  readonly pairs: number
  readonly mean: number | undefined
  /** Sample standard deviation; undefined with one pair. */
  readonly sd: number | undefined
}

/** @param values of pairs; those that are undefined or NaN are left out */
export function summarisePairs(values: readonly (number | undefined)[]): PairSummary {
  const good = values.filter((v): v is number => v !== undefined && !Number.isNaN(v))
  const pairs = good.length
  if (pairs === 0) return { pairs, mean: undefined, sd: undefined }
  const mean = good.reduce((a, b) => a + b, 0) / pairs
  const squares = good.reduce((sum, v) => sum + (v - mean) ** 2, 0)
  return { pairs, mean, sd: pairs > 1 ? Math.sqrt(squares / (pairs - 1)) : undefined }
}
