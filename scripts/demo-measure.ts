/** How well a relevance map meets the truth of a phantom. */
import { groupMean, groupMoments } from '../src/explain/postprocess/group.ts'
import { regionMeans } from '../src/explain/regions/similarity.ts'
import { makeAtlas } from '../src/io/atlas/atlas.ts'
import type { Volume } from '../src/io/volume.ts'

/** Grey matter lost, in the units of a scan (1 is a voxel full of grey matter), from which a voxel counts as lost. */
export const LOST = 0.1
/** Grey matter before the loss from which a voxel counts as grey matter. */
export const GREY = 0.1

export interface Concentration {
  /** Relevance mass accuracy (Arras et al. 2022): share of the map's sum in voxels that lost at least LOST. */
  readonly inside: number
  /** Those voxels' share of the grey matter's: what an even map would have. */
  readonly chance: number
}

/** @param map relevance >= 0; scan and atrophy on the same grid, their sum is the grey matter before the loss */
export function concentration(map: Volume, scan: Volume, atrophy: Volume): Concentration {
  let total = 0
  let within = 0
  let grey = 0
  let lost = 0
  map.data.forEach((value, v) => {
    const isLost = atrophy.data[v]! >= LOST
    total += value
    if (isLost) within += value
    if (scan.data[v]! + atrophy.data[v]! >= GREY || isLost) grey++
    if (isLost) lost++
  })
  return { inside: total > 0 ? within / total : 0, chance: lost / grey }
}

/** How often the map hits what was lost, compared with an even map; a dash where no voxel lost that much. */
export function timesChance({ inside, chance }: Concentration): string {
  return chance > 0 ? `${(inside / chance).toFixed(1)} ×` : '–'
}

export interface RegionDensity {
  readonly name: string
  /** Mean relevance of the region's voxels. */
  readonly density: number
  /** Share of the region's grey matter that was lost. */
  readonly lost: number
}

/** Regions by mean relevance, highest first. All volumes on one grid. */
export function regionDensities(
  map: Volume,
  scan: Volume,
  atrophy: Volume,
  atlas: Volume,
  labels: readonly { readonly index: number; readonly name: string }[],
): RegionDensity[] {
  const regions = makeAtlas(
    atlas,
    labels.map(({ index, name }) => ({ value: index, name })),
  )
  const [density, left, gone] = [map, scan, atrophy].map(({ data }) => regionMeans(data, regions)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  return regions.regions
    .map(({ name }, k) => {
      const whole = left[k]! + gone[k]!
      return { name, density: density[k]!, lost: whole > 0 ? gone[k]! / whole : 0 }
    })
    .sort((a, b) => b.density - a.density)
}

/** The mean of volumes on one grid. */
export function meanVolume(volumes: readonly Volume[]): Volume {
  return { ...volumes[0]!, data: groupMean(groupMoments(volumes.map(({ data }) => data))) }
}
