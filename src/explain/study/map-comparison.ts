/** Maps of several networks or methods, each with each other. */
import type { Atlas } from '../../io/atlas/atlas.ts'
import { InputError } from '../../io/errors.ts'
import { regionMeans, roiSimilarity } from '../regions/similarity.ts'
import { diceAtCount, type MapSimilarity, mapSimilarity } from './map-similarity.ts'

export interface MapPair extends MapSimilarity {
  /** Places in the list of maps. */
  readonly first: number
  readonly second: number
  /** Dice of the strongest voxels, in the order of the shares; undefined where a map has no positive value. */
  readonly dice: readonly (number | undefined)[]
  /** Cosine of the region means; undefined without an atlas, or where a map is 0 in all regions. */
  readonly roi: number | undefined
}

export interface MapComparison {
  readonly pairs: readonly MapPair[]
  /** Voxels that are compared: those where any of the maps is not 0. */
  readonly voxels: number
  /** Voxels of each map that each share amounts to, at most. */
  readonly counts: readonly number[]
}

/**
 * Compares all pairs over the same voxels.
 * @param maps on one grid, finite
 * @param shares of these voxels whose strongest values count for Dice, in (0, 1]
 * @param atlas on the grid of the maps
 * @param within the voxels to compare; default: those where any map is not 0
 * @throws InputError for fewer than two maps, maps of other sizes or 0 everywhere, or a share out of range
 */
export function compareMaps(
  maps: readonly Float32Array[],
  shares: readonly number[],
  atlas?: Atlas,
  within?: (voxel: number) => boolean,
): MapComparison {
  if (maps.length < 2) throw new InputError(`${maps.length} map cannot be compared; give two or more`)
  const odd = shares.find((share) => !(share > 0 && share <= 1))
  if (odd !== undefined) throw new InputError(`the share ${odd} is not above 0 and at most 1`)
  const used = within ?? ((v: number) => maps.some((map) => map[v] !== 0))
  const anything = Uint8Array.from(maps[0]!, (_, v) => (used(v) ? 1 : 0))
  const voxels = anything.reduce((sum, one) => sum + one, 0)
  if (voxels === 0)
    throw new InputError(
      within ? 'there is no voxel to compare the maps in' : 'all maps are 0 everywhere: there is nothing to compare',
    )
  const counts = shares.map((share) => Math.max(1, Math.round(share * voxels)))
  const regions = atlas && maps.map((map) => regionMeans(map, atlas))
  const inside = maps.map((map) => map.map((value, v) => (anything[v] === 1 ? value : 0)))
  const pairs = maps.flatMap((a, first) =>
    maps.slice(first + 1).map((b, k): MapPair => {
      const second = first + 1 + k
      return {
        first,
        second,
        ...mapSimilarity(a, b, (v) => anything[v] === 1),
        dice: counts.map((count) => diceAtCount(inside[first]!, inside[second]!, count)),
        roi: regions && roiSimilarity(regions[first]!, regions[second]!),
      }
    }),
  )
  return { pairs, voxels, counts }
}
