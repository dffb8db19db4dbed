/** How well a relevance map meets the truth of a phantom. */
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
  const sums = new Map(labels.map(({ index }) => [index, { count: 0, map: 0, lost: 0, whole: 0 }]))
  atlas.data.forEach((label, v) => {
    const sum = sums.get(label)
    if (!sum) return
    sum.count++
    sum.map += map.data[v]!
    sum.lost += atrophy.data[v]!
    sum.whole += scan.data[v]! + atrophy.data[v]!
  })
  return labels
    .flatMap(({ index, name }) => {
      const { count, map: mass, lost, whole } = sums.get(index)!
      return count > 0 ? [{ name, density: mass / count, lost: whole > 0 ? lost / whole : 0 }] : []
    })
    .sort((a, b) => b.density - a.density)
}

/** The mean of volumes on one grid. */
export function meanVolume(volumes: readonly Volume[]): Volume {
  const data = new Float32Array(volumes[0]!.data.length)
  for (const volume of volumes) {
    for (const [v, value] of volume.data.entries()) data[v]! += value / volumes.length
  }
  return { ...volumes[0]!, data }
}
