/**
 * What becomes of a map when the network's layers are reset from the top, and what to make of it. All methods alike: maps
 * are compared as the method gives them.
 *
 * - |relevance| alone says little of maps that are multiplied by the scan: two of them correlate through the scan, whatever
 *   the network. So maps are compared with their signs as well (Adebayo et al. 2018, "diverging").
 * - Rules that keep positive parts only make a map that later layers can but scale, by a negative number too (Sixt et al.
 *   2020). So it is the size of that correlation that counts.
 * - Upper layers that are random keep the scale of what they get (Binder et al. 2023), maps may be smooth, or of one sign:
 *   some correlation is left of any method. So each method has its own chance level, that of its maps of a network all of
 *   whose layers are reset.
 * - With the output layer reset, the answers are random. A map that hardly changes then does not explain the answer.
 */
import { meanOf } from './formulas.ts'
import type { MeasureName } from './measures.ts'
import { pearson, ranksOf } from './ranking.ts'

/** Bins of the histogram whose entropy is a map's complexity: Quantus's default. */
const BINS = 100

export const randomisationMeasures = [
  'randomisation',
  'signedRandomisation',
  'outputReset',
  'complexityRise',
] as const satisfies readonly MeasureName[]

/** How many of the layers must be reset, the first one the last of the network, for what is asked; none: nothing is. */
export function depthsFor(asked: ReadonlySet<MeasureName>, layers: number): number[] {
  const every = Array.from({ length: layers }, (_, n) => n + 1)
  if (asked.has('randomisation') || asked.has('signedRandomisation')) return every
  if (asked.has('outputReset')) return every.filter((count) => count === 1 || count === layers)
  return asked.has('complexityRise') ? every.slice(-1) : []
}

/** A map of one scan against that of a reset network. null: one of the two is the same everywhere. */
export interface Likeness {
  /** Spearman's correlation of |relevance|. */
  readonly absolute: number | null
  /** Size of Spearman's correlation of relevance with its sign. */
  readonly signed: number | null
  /** Relative rise of the entropy (Hedström et al. 2024). */
  readonly rise: number | null
}

/**
 * Compares maps of reset networks with the trained one's.
 * @param among voxels that are compared
 */
export function likenessTo(map: Float32Array, among: Uint32Array): (other: Float32Array) => Likeness {
  const own = [map.map(Math.abs), map].map((values) => ranksOf(values, among)) as [Float64Array, Float64Array]
  const entropy = histogramEntropy(map, among)
  return (other) => {
    const signed = pearson(own[1], ranksOf(other, among))
    return {
      absolute: pearson(own[0], ranksOf(other.map(Math.abs), among)) ?? null,
      signed: signed === undefined ? null : Math.abs(signed),
      rise: entropy > 0 ? histogramEntropy(other, among) / entropy - 1 : null,
    }
  }
}

/** Entropy in nats of a histogram from the smallest to the largest value (Quantus discrete_entropy); 0 where all are alike. */
export function histogramEntropy(values: Float32Array, among: Uint32Array): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const i of among) {
    low = Math.min(low, values[i]!)
    high = Math.max(high, values[i]!)
  }
  if (!(high > low)) return 0
  const counts = new Uint32Array(BINS)
  for (const i of among) counts[Math.min(BINS - 1, Math.floor((BINS * (values[i]! - low)) / (high - low)))]!++
  return counts.reduce(
    (sum, count) => (count > 0 ? sum - (count / among.length) * Math.log(count / among.length) : sum),
    0,
  )
}

/**
 * A map fails the check when more than half of what sets it apart from chance is kept by a network whose answers are random.
 * The other measures grade, this one only says that something is wrong: by itself a low value is no merit (Binder et al. 2023).
 */
export const FAILS_ABOVE = 0.5

/**
 * How much of a map is kept when the output layer is reset, above the chance level c = that of all layers reset:
 * (r - c) / (1 - c), as Cohen's kappa corrects agreement. 1: all of it, as of a map that takes no notice of weights.
 */
export function keptAboveChance(first: number, chance: number): number {
  return chance > 1 - 1e-9 ? 1 : (first - chance) / (1 - chance)
}

/**
 * The measures and curves of one scan.
 * @param found by layers reset, then by draw; those of `depthsFor`
 */
export function randomisationValues(found: ReadonlyMap<number, readonly Likeness[]>, asked: ReadonlySet<MeasureName>) {
  const curve = (of: keyof Likeness) =>
    [...found.values()].map((draws) => meanOf(draws.flatMap((draw) => draw[of] ?? [])) ?? null)
  const [absolute, signed, rise] = [curve('absolute'), curve('signed'), curve('rise')]
  const [first, chance] = [signed[0], signed.at(-1)]
  const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null)
  const all = {
    randomisation: meanOf(known(absolute)),
    signedRandomisation: meanOf(known(signed)),
    outputReset: typeof first === 'number' && typeof chance === 'number' ? keptAboveChance(first, chance) : undefined,
    complexityRise: rise.at(-1) ?? undefined,
  }
  return {
    values: Object.fromEntries(randomisationMeasures.flatMap((name) => (asked.has(name) ? [[name, all[name]]] : []))),
    curves: {
      ...(asked.has('randomisation') && { randomisation: absolute }),
      ...(asked.has('signedRandomisation') && { signedRandomisation: signed }),
    },
  }
}
