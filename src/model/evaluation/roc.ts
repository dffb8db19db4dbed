/** ROC curves, and how sure the area under them is (DeLong). */
import { InputError } from '../../io/errors.ts'
import { normalCdf, normalQuantile } from './distributions.ts'
import { areaUnderRoc, midranks } from './metrics.ts'

/** Lower and upper end. */
export type Interval = readonly [number, number]

export interface RocPoint {
  /** Share of negatives that are called positive: 1 - specificity. */
  readonly fpr: number
  /** Share of positives that are called positive: sensitivity. */
  readonly tpr: number
  /** Samples that score at least this are called positive; the first point's is Infinity. */
  readonly threshold: number
}

/**
 * The corners of a ROC curve from (0, 0) to (1, 1), one for each distinct score, so that ties become slopes. Undefined
 * when positives or negatives are missing.
 */
export function rocCurve(positive: readonly boolean[], scores: ArrayLike<number>): RocPoint[] | undefined {
  requireScores(positive, scores)
  const positives = positive.filter(Boolean).length
  const negatives = positive.length - positives
  if (positives === 0 || negatives === 0) return undefined
  const order = Array.from(positive.keys()).sort(
    (a, b) => Number(scores[b]! > scores[a]!) - Number(scores[b]! < scores[a]!),
  )
  const points: RocPoint[] = [{ fpr: 0, tpr: 0, threshold: Number.POSITIVE_INFINITY }]
  let hits = 0
  for (const [at, n] of order.entries()) {
    if (positive[n]) hits++
    const next = order[at + 1]
    if (next !== undefined && scores[next] === scores[n]) continue
    points.push({ fpr: (at + 1 - hits) / negatives, tpr: hits / positives, threshold: scores[n]! })
  }
  return points
}

export interface AucEstimate {
  readonly auc: number
  /** Of the estimate; undefined with fewer than two subjects of a kind. */
  readonly variance: number | undefined
  /** See aucInterval; undefined where nothing can be said. */
  readonly interval: Interval | undefined
}

export interface AucOptions {
  /** Subject of each sample, where one subject has several (sessions). Default: each sample is its own. */
  readonly subjects?: readonly unknown[]
  /** Confidence of intervals, in (0, 1). Default 0.95. */
  readonly level?: number
}

/**
 * Area under the ROC curve with DeLong's variance (DeLong, DeLong, Clarke-Pearson, Biometrics 1988; by ranks as Sun and
 * Xu, IEEE SPL 2014). Several samples of one subject are taken as a cluster (Obuchowski, Biometrics 1997), which is
 * DeLong's formula when each subject has one.
 * @returns undefined when positives or negatives are missing
 * @throws InputError for lengths that differ or a score that is NaN
 */
export function delongAuc(
  positive: readonly boolean[],
  scores: ArrayLike<number>,
  options: AucOptions = {},
): AucEstimate | undefined {
  const placed = placements(positive, scores, options.subjects)
  if (!placed) return undefined
  const variance = covariance(placed, placed)
  return { auc: placed.auc, variance, interval: aucInterval(placed, variance, options.level ?? 0.95) }
}

export interface AucComparison {
  readonly first: number
  readonly second: number
  /** first - second. */
  readonly difference: number
  /** Of the difference. */
  readonly interval: Interval | undefined
  readonly z: number | undefined
  /** Two-sided. */
  readonly p: number | undefined
}

/**
 * DeLong's test of two areas measured on the same samples (two networks, one cohort).
 * @returns undefined when positives or negatives are missing; z and p are undefined when the difference has no variance
 *   (both rank the samples alike)
 */
export function compareAucs(
  positive: readonly boolean[],
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  options: AucOptions = {},
): AucComparison | undefined {
  const a = placements(positive, first, options.subjects)
  const b = placements(positive, second, options.subjects)
  if (!a || !b) return undefined
  const [aa, bb, ab] = [covariance(a, a), covariance(b, b), covariance(a, b)]
  const difference = a.auc - b.auc
  const areas = { first: a.auc, second: b.auc, difference }
  const variance = aa === undefined || bb === undefined || ab === undefined ? 0 : aa + bb - 2 * ab
  // What rounding leaves of a variance that is zero.
  if (variance < 1e-15) return { ...areas, interval: undefined, z: undefined, p: undefined }
  const error = Math.sqrt(variance)
  const reach = error * normalQuantile(0.5 + (options.level ?? 0.95) / 2)
  const z = difference / error
  return { ...areas, interval: [difference - reach, difference + reach], z, p: 2 * normalCdf(-Math.abs(z)) }
}

function requireScores(positive: readonly boolean[], scores: ArrayLike<number>): void {
  if (scores.length !== positive.length) {
    throw new InputError(`${positive.length} labels and ${scores.length} scores: need one for each`)
  }
  for (let n = 0; n < scores.length; n++) if (Number.isNaN(scores[n]!)) throw new InputError(`score ${n} is NaN`)
}

interface Placements {
  readonly auc: number
  readonly positives: number
  readonly negatives: number
  /** A subject's positives, each by the share of negatives below it, minus the area, summed; subjects with any. */
  readonly ofPositives: ReadonlyMap<unknown, number>
  /** The same for negatives, by the share of positives above. */
  readonly ofNegatives: ReadonlyMap<unknown, number>
}

function placements(
  positive: readonly boolean[],
  scores: ArrayLike<number>,
  subjects: readonly unknown[] = Array.from(positive.keys()),
): Placements | undefined {
  requireScores(positive, scores)
  if (subjects.length !== positive.length) {
    throw new InputError(`${positive.length} samples and ${subjects.length} subjects: need one for each`)
  }
  const kind = (wanted: boolean) => Array.from(positive.keys()).filter((n) => positive[n] === wanted)
  const [ups, downs] = [kind(true), kind(false)]
  if (ups.length === 0 || downs.length === 0) return undefined
  const auc = areaUnderRoc(positive, scores)
  const among = midranks(scores)
  const summed = (members: readonly number[], placement: (n: number, ownRank: number) => number) => {
    const own = midranks(members.map((n) => scores[n]!))
    const sums = new Map<unknown, number>()
    members.forEach((n, k) => {
      const subject = subjects[n]
      sums.set(subject, (sums.get(subject) ?? 0) + placement(n, own[k]!) - auc)
    })
    return sums
  }
  return {
    auc,
    positives: ups.length,
    negatives: downs.length,
    ofPositives: summed(ups, (n, own) => (among[n]! - own) / downs.length),
    ofNegatives: summed(downs, (n, own) => 1 - (among[n]! - own) / ups.length),
  }
}

/** Covariance of two areas over the same samples; undefined with fewer than two subjects of a kind. */
function covariance(a: Placements, b: Placements): number | undefined {
  const clusters = [a.ofPositives.size, a.ofNegatives.size] as const
  if (clusters[0] < 2 || clusters[1] < 2) return undefined
  const products = (one: ReadonlyMap<unknown, number>, other: ReadonlyMap<unknown, number>) => {
    let sum = 0
    for (const [subject, value] of one) sum += value * (other.get(subject) ?? 0)
    return sum
  }
  const all = new Set([...a.ofPositives.keys(), ...a.ofNegatives.keys()]).size
  const between = products(a.ofPositives, b.ofNegatives) + products(a.ofNegatives, b.ofPositives)
  return (
    (clusters[0] / (clusters[0] - 1)) * (products(a.ofPositives, b.ofPositives) / a.positives ** 2) +
    (clusters[1] / (clusters[1] - 1)) * (products(a.ofNegatives, b.ofNegatives) / a.negatives ** 2) +
    (all / (all - 1)) * (between / (a.positives * a.negatives))
  )
}

/**
 * On the logit scale (Pepe 2003, 5.2): the interval stays within [0, 1] and covers better than the plain one when the
 * area is near 1 and samples are few. At exactly 1 or 0 DeLong's variance is zero, which says nothing. There k pairs
 * of subjects that share nobody are all ordered the same way, which happens with probability area^k: the exact bound is
 * (1 - level)/2 to the power 1/k (conservative).
 */
function aucInterval(placed: Placements, variance: number | undefined, level: number): Interval | undefined {
  if (!(level > 0 && level < 1)) throw new InputError(`the confidence level is ${level}, need a number between 0 and 1`)
  const { auc, ofPositives, ofNegatives } = placed
  if (auc === 1 || auc === 0) {
    const all = new Set([...ofPositives.keys(), ...ofNegatives.keys()]).size
    const pairs = Math.max(1, Math.min(ofPositives.size, ofNegatives.size, Math.floor(all / 2)))
    const bound = ((1 - level) / 2) ** (1 / pairs)
    return auc === 1 ? [bound, 1] : [0, 1 - bound]
  }
  if (variance === undefined || variance <= 0) return undefined
  const logit = Math.log(auc / (1 - auc))
  const reach = (normalQuantile(0.5 + level / 2) * Math.sqrt(variance)) / (auc * (1 - auc))
  const back = (x: number) => 1 / (1 + Math.exp(-x))
  return [back(logit - reach), back(logit + reach)]
}
