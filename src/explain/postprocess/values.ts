/** Signs, scale and threshold of a map's values. Nothing here changes what it is given. */
import { InputError } from '../../io/errors.ts'

/** What speaks for the class: values above 0, the others 0. */
export function positivePart(map: Float32Array): Float32Array {
  return map.map((v) => Math.max(v || 0, 0))
}

/** What speaks against the class, as a map of its own: -v where v is below 0, the others 0. */
export function negativePart(map: Float32Array): Float32Array {
  return map.map((v) => (v < 0 ? -v : 0))
}

/**
 * Percentile q, 0 to 100, of the absolute values, linear between order statistics (NumPy's default). NaN counts as 0.
 * @param among all values, or those that are not 0: most of a map lies outside of the brain
 * @returns 0 where there are none
 * @throws InputError for a q outside of 0 to 100
 */
export function percentileOfMagnitudes(map: Float32Array, q: number, among: 'all' | 'nonzero' = 'all'): number {
  if (!(q >= 0 && q <= 100)) throw new InputError(`a percentile is a number from 0 to 100, got ${q}`)
  const magnitudes = map.map((v) => Math.abs(v) || 0)
  const sorted = (among === 'all' ? magnitudes : magnitudes.filter((v) => v > 0)).sort()
  if (sorted.length === 0) return 0
  const place = (q / 100) * (sorted.length - 1)
  const low = Math.floor(place)
  const [a, b] = [sorted[low]!, sorted[Math.min(low + 1, sorted.length - 1)]!]
  return a + (b - a) * (place - low)
}

/** What becomes 1: the largest magnitude, or a percentile of all of them (99.99 in Dyrba et al. 2021). */
export type Normalisation = 'none' | 'max' | 'percentile'

/**
 * Values divided by one number, so that maps of several scans can share a colour scale.
 * @returns the map, and the number it was divided by (1 where that would be 0)
 */
export function normaliseMap(
  map: Float32Array,
  how: Normalisation,
  percentile = 99.99,
): { map: Float32Array; scale: number } {
  const scale = how === 'none' ? 1 : percentileOfMagnitudes(map, how === 'max' ? 100 : percentile) || 1
  return { map: scale === 1 ? map.slice() : map.map((v) => v / scale), scale }
}

/** A magnitude; or a percentile, 0 to 100, of the magnitudes above 0. */
export type Threshold = number | { readonly percentile: number }

/** The magnitude that a threshold means for a map. @throws InputError for one that is negative or not finite */
export function thresholdOf(map: Float32Array, threshold: Threshold): number {
  if (typeof threshold !== 'number') return percentileOfMagnitudes(map, threshold.percentile, 'nonzero')
  if (!(threshold >= 0 && threshold < Number.POSITIVE_INFINITY)) {
    throw new InputError(`a threshold is a number of at least 0, got ${threshold}; it is one of magnitudes`)
  }
  return threshold
}

/** 0 where the magnitude is below the threshold. */
export function thresholdMap(map: Float32Array, threshold: Threshold): Float32Array {
  const least = thresholdOf(map, threshold)
  return map.map((v) => (Math.abs(v) >= least ? v : 0))
}
