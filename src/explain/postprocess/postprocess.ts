/** All steps from a relevance map to what is looked at, in their order. */
import type { Volume } from '../../io/volume.ts'
import { type Clusters, findClusters, keepClusters } from './clusters.ts'
import { smoothVolume } from './smooth.ts'
import {
  type Normalisation,
  negativePart,
  normaliseMap,
  positivePart,
  type Threshold,
  thresholdMap,
  thresholdOf,
} from './values.ts'

export interface PostprocessOptions {
  /** Gaussian smoothing: full width at half maximum in mm. Default 0, none. */
  readonly smooth?: number
  /** Keep one sign; 'negative' gives its magnitudes. Default 'both'. */
  readonly part?: 'both' | 'positive' | 'negative'
  /** Default 'none'. */
  readonly normalise?: Normalisation
  /** Of normalise 'percentile'. Default 99.99. */
  readonly percentile?: number
  /** Smaller magnitudes become 0; in units after normalisation. Default 0. */
  readonly threshold?: Threshold
  /** Smaller clusters of what is left become 0, in voxels. Default 1. */
  readonly minCluster?: number
}

export interface Postprocessed {
  readonly map: Volume
  /** What the values were divided by. */
  readonly scale: number
  /** The threshold as a magnitude of the map. */
  readonly threshold: number
  /** Clusters of the map, largest first. */
  readonly found: Clusters
  /** What was done, in words, for captions and side files. */
  readonly steps: readonly string[]
}

/**
 * Smooths, takes one sign, normalises, thresholds, drops small clusters: in this order, each only where asked for.
 * Smoothing comes first because it treats the noise of the map as a whole; signs chosen first would smear into each other.
 * @param volume a map on a scan's grid
 * @throws InputError for options out of their range
 */
export function postprocess(volume: Volume, options: PostprocessOptions = {}): Postprocessed {
  const { smooth = 0, part = 'both', normalise = 'none', percentile = 99.99, minCluster = 1 } = options
  const steps: string[] = []
  const smoothed = smoothVolume(volume, smooth)
  if (smooth > 0) steps.push(`smoothed by a Gaussian of ${smooth} mm FWHM`)
  let data = smoothed.data
  if (part !== 'both') {
    data = part === 'positive' ? positivePart(data) : negativePart(data)
    steps.push(`${part} part`)
  }
  const { map, scale } = normaliseMap(data, normalise, percentile)
  if (normalise !== 'none') {
    steps.push(`divided by its ${normalise === 'max' ? 'maximum' : `percentile ${percentile}`}, ${short(scale)}`)
  }
  const least = thresholdOf(map, options.threshold ?? 0)
  if (least > 0) steps.push(`magnitudes below ${short(least)} left out`)
  const kept: Volume = { ...volume, data: thresholdMap(map, least) }
  const found = findClusters(kept, { minVoxels: minCluster })
  if (minCluster > 1) steps.push(`clusters of fewer than ${minCluster} voxels left out`)
  return { map: keepClusters(kept, found), scale, threshold: least, found, steps }
}

const short = (value: number) => String(Number(value.toPrecision(4)))
