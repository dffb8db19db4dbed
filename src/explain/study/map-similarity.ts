/** How alike two maps on one grid are, voxel by voxel. */
import { InputError } from '../../io/errors.ts'
import { midranks } from '../../model/evaluation/metrics.ts'
import { linearFit } from '../../model/evaluation/regression.ts'
import { cosine } from '../regions/similarity.ts'

export interface MapSimilarity {
  /** Voxels compared. */
  readonly voxels: number
  /** Pearson's correlation; undefined where a map is constant. */
  readonly pearson: number | undefined
  /** Spearman's. */
  readonly spearman: number | undefined
  /** Cosine of the angle between the maps as vectors; undefined where a map is zero. */
  readonly cosine: number | undefined
}

/**
 * @param within voxels to compare: true where either map or the scan has something. Without it: voxels where either map
 *   is not 0, so that the empty space around a brain does not make maps alike
 * @throws InputError for maps of different sizes, or values that are not finite
 */
export function mapSimilarity(a: Float32Array, b: Float32Array, within?: (voxel: number) => boolean): MapSimilarity {
  requireSameSize(a, b)
  const kept = (voxel: number) => (within ? within(voxel) : a[voxel] !== 0 || b[voxel] !== 0)
  const [x, y]: [number[], number[]] = [[], []]
  for (let voxel = 0; voxel < a.length; voxel++) {
    if (!kept(voxel)) continue
    x.push(a[voxel]!)
    y.push(b[voxel]!)
  }
  return {
    voxels: x.length,
    pearson: linearFit(x, y)?.r,
    spearman: linearFit(midranks(x), midranks(y))?.r,
    cosine: cosine(x, y),
  }
}

/**
 * Dice overlap of the strongest voxels of two maps, the same number in both, so that neither scale nor threshold matters:
 * 2 |A and B| / (|A| + |B|).
 * @param count how many voxels of each; those of a map that are 0 or below are never taken
 * @returns undefined where a map has no positive voxel
 */
export function diceAtCount(a: Float32Array, b: Float32Array, count: number): number | undefined {
  requireSameSize(a, b)
  const [top, other] = [strongest(a, count), strongest(b, count)]
  if (top.length === 0 || other.length === 0) return undefined
  const set = new Set(top)
  const both = other.reduce((n, voxel) => n + (set.has(voxel) ? 1 : 0), 0)
  return (2 * both) / (top.length + other.length)
}

/** Indices of the largest positive values, largest first; equal ones by their index. */
export function strongest(map: Float32Array, count: number): number[] {
  const positive: number[] = []
  for (let voxel = 0; voxel < map.length; voxel++) if (map[voxel]! > 0) positive.push(voxel)
  return positive.sort((p, q) => map[q]! - map[p]! || p - q).slice(0, count)
}

function requireSameSize(a: Float32Array, b: Float32Array): void {
  if (a.length !== b.length) throw new InputError(`maps of ${a.length} and ${b.length} voxels cannot be compared`)
}
