/** Maps of many people, voxel by voxel: mean, spread, and Student's t against zero or between two groups. */
import { InputError } from '../../io/errors.ts'

/**
 * Means and sums of squares of maps that come one at a time (Welford 1962, float64): memory does not grow with their number.
 * Maps are Float32Arrays of the same voxels.
 */
export interface GroupMoments {
  readonly n: number
  readonly mean: Float64Array
  /** Sum of squared differences from the mean. */
  readonly squares: Float64Array
}

/** Moments of no maps. */
export function noMaps(voxels: number): GroupMoments {
  return { n: 0, mean: new Float64Array(voxels), squares: new Float64Array(voxels) }
}

/**
 * Moments with one map more; the arrays of `before` are used again.
 * @throws InputError when the map has another number of voxels
 */
export function addMap(before: GroupMoments, map: Float32Array): GroupMoments {
  const { mean, squares } = before
  if (map.length !== mean.length) {
    throw new InputError(`a map has ${map.length} voxels, the others ${mean.length}; bring them to one grid`)
  }
  const n = before.n + 1
  for (let v = 0; v < map.length; v++) {
    const away = map[v]! - mean[v]!
    mean[v]! += away / n
    squares[v]! += away * (map[v]! - mean[v]!)
  }
  return { n, mean, squares }
}

/** Moments of maps. @throws InputError when there are none, or they differ in size */
export function groupMoments(maps: Iterable<Float32Array>): GroupMoments {
  let moments: GroupMoments | undefined
  for (const map of maps) moments = addMap(moments ?? noMaps(map.length), map)
  if (!moments) throw new InputError('a group needs at least one map')
  return moments
}

/** The mean map of a group. */
export function groupMean({ mean }: GroupMoments): Float32Array {
  return Float32Array.from(mean)
}

/**
 * t = mean / (s / sqrt n) with n - 1 degrees of freedom: is the mean other than 0? Voxels in which all maps are the same,
 * as outside of the brain, have t = 0.
 * @throws InputError for fewer than two maps
 */
export function oneSampleT({ n, mean, squares }: GroupMoments): { t: Float32Array; df: number } {
  needTwo(n)
  const t = Float32Array.from(mean, (m, v) => (squares[v]! > 0 ? m / Math.sqrt(squares[v]! / (n - 1) / n) : 0))
  return { t, df: n - 1 }
}

/**
 * Welch's t of the first group's mean minus the second's, for groups of unequal variances, with the degrees of freedom of
 * Welch and Satterthwaite in each voxel. Both are 0 where neither group varies.
 * @throws InputError for groups of fewer than two maps, or of other voxels
 */
export function welchT(first: GroupMoments, second: GroupMoments): { t: Float32Array; df: Float32Array } {
  needTwo(first.n)
  needTwo(second.n)
  if (first.mean.length !== second.mean.length) {
    throw new InputError(`one group's maps have ${first.mean.length} voxels, the other's ${second.mean.length}`)
  }
  const t = new Float32Array(first.mean.length)
  const df = new Float32Array(t.length)
  for (let v = 0; v < t.length; v++) {
    const a = first.squares[v]! / (first.n - 1) / first.n
    const b = second.squares[v]! / (second.n - 1) / second.n
    if (!(a + b > 0)) continue
    t[v] = (first.mean[v]! - second.mean[v]!) / Math.sqrt(a + b)
    df[v] = (a + b) ** 2 / (a ** 2 / (first.n - 1) + b ** 2 / (second.n - 1))
  }
  return { t, df }
}

function needTwo(n: number): void {
  if (n < 2) throw new InputError(`a t-map needs at least two maps in a group, got ${n}`)
}
