/** How well a map meets what is known to be true. Values are never negative: |relevance|, or its positive part. */
import { descending, ranksOf } from './ranking.ts'

/**
 * Voxels that are truly of interest: 1 where the truth exceeds a share of its maximum.
 * @returns undefined where there are none: a control without atrophy
 */
export function truthMask(truth: Float32Array, threshold: number): Uint8Array | undefined {
  const most = truth.reduce((a, b) => Math.max(a, b), 0)
  return most > 0 ? Uint8Array.from(truth, (value) => Number(value > threshold * most)) : undefined
}

/** Share of relevance that lies inside (Arras et al. 2022; Quantus RelevanceMassAccuracy); undefined for a map of zeros. */
export function massAccuracy(map: Float32Array, inside: Uint8Array): number | undefined {
  let [own, all] = [0, 0]
  for (let i = 0; i < map.length; i++) {
    all += map[i]!
    if (inside[i]) own += map[i]!
  }
  return all > 0 ? own / all : undefined
}

/**
 * Share of the K most relevant voxels that lie inside, K being the number of voxels inside (Arras et al. 2022; Quantus
 * RelevanceRankAccuracy).
 * @param mixed all voxels in random order, so that ties do not favour a place
 */
export function rankAccuracy(map: Float32Array, inside: Uint8Array, mixed: Uint32Array): number {
  const count = inside.reduce((sum, value) => sum + value, 0)
  const top = descending(map, mixed).subarray(0, count)
  return top.reduce((sum, index) => sum + inside[index]!, 0) / count
}

/**
 * Area under the ROC curve of voxels, inside against outside, ties counting half (Quantus AUC).
 * @param among voxels to compare; undefined where they are all inside, or all outside
 */
export function voxelAuc(map: Float32Array, inside: Uint8Array, among: Uint32Array): number | undefined {
  const ranks = ranksOf(map, among)
  let [sum, count] = [0, 0]
  for (let n = 0; n < among.length; n++) {
    if (!inside[among[n]!]) continue
    sum += ranks[n]!
    count++
  }
  const others = among.length - count
  return count > 0 && others > 0 ? (sum - (count * (count + 1)) / 2) / (count * others) : undefined
}

/**
 * Pointing game (Zhang et al. 2018; Quantus PointingGame): 1 when the most relevant voxel lies inside, 0 when not; where
 * several are the most relevant, the share of them. Undefined for a map of zeros.
 */
export function pointing(map: Float32Array, inside: Uint8Array): number | undefined {
  const most = map.reduce((a, b) => Math.max(a, b), 0)
  if (most === 0) return undefined
  let [hits, all] = [0, 0]
  for (let i = 0; i < map.length; i++) {
    if (map[i] !== most) continue
    all++
    hits += inside[i]!
  }
  return hits / all
}
