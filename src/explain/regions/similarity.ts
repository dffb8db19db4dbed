/** How alike maps are, region by region (ROI similarity of Thibeau-Sutre et al. 2020). */
import type { Atlas } from '../../io/atlas/atlas.ts'
import { InputError } from '../../io/errors.ts'

/**
 * Mean of a map in each region, in the order of the atlas; of a mask m give 1 - m. NaN and infinite values count as 0, regions
 * without a voxel have 0.
 * @param map values on the grid of the atlas (see atlasOnGrid)
 * @throws InputError when the map has another number of voxels than the atlas
 */
export function regionMeans(map: Float32Array, { labels, regions }: Atlas): Float64Array {
  if (map.length !== labels.length) {
    throw new InputError(`the map has ${map.length} voxels, the atlas ${labels.length}; bring the atlas to its grid`)
  }
  const sums = new Float64Array(regions.length + 1)
  const counts = new Float64Array(regions.length + 1)
  for (let v = 0; v < map.length; v++) {
    const value = map[v]!
    counts[labels[v]!]!++
    if (Number.isFinite(value)) sums[labels[v]!]! += value
  }
  return sums.subarray(1).map((sum, k) => (counts[k + 1]! > 0 ? sum / counts[k + 1]! : 0))
}

/**
 * Cosine of the angle between two vectors of region means: 1 for the same distribution over regions, whatever the strength, 0
 * for none in common. Undefined where one of them is 0 in all regions, as of an empty mask: nothing can be said then.
 */
export function roiSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number | undefined {
  if (a.length !== b.length) throw new InputError(`vectors of ${a.length} and ${b.length} regions cannot be compared`)
  return cosine(a, b)
}

/** Cosine of the angle between two vectors of one length; undefined where one is zero. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number | undefined {
  let [dot, aa, bb] = [0, 0, 0]
  for (let k = 0; k < a.length; k++) {
    dot += a[k]! * b[k]!
    aa += a[k]! * a[k]!
    bb += b[k]! * b[k]!
  }
  // Rounding may bring the cosine of equal vectors beyond 1.
  return aa > 0 && bb > 0 ? Math.max(-1, Math.min(1, dot / Math.sqrt(aa) / Math.sqrt(bb))) : undefined
}

/** Similarity of every vector with every other, [n][n]. */
export function similarityMatrix(vectors: readonly ArrayLike<number>[]): (number | undefined)[][] {
  return vectors.map((a) => vectors.map((b) => roiSimilarity(a, b)))
}
