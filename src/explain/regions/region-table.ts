/** What a map amounts to in each region of an atlas. */
import { affineDeterminant } from '../../io/affine.ts'
import { type Atlas, atlasOnGrid, type Region } from '../../io/atlas/atlas.ts'
import { InputError } from '../../io/errors.ts'
import { sameGrid } from '../../io/resample.ts'
import { formatTsv } from '../../io/tsv.ts'
import { type Volume, voxelToWorld } from '../../io/volume.ts'

export interface RegionRow extends Region {
  readonly voxels: number
  readonly mm3: number
  /** Sum of the values above 0, and of those below. */
  readonly positive: number
  readonly negative: number
  /** Sum over the number of voxels: for maps whose values mean something by themselves, as a mask's. */
  readonly mean: number
  /** Sum over mm3: for maps whose sum means something, as relevance's; it does not depend on the voxel size. */
  readonly density: number
  /** The value furthest from 0, and where it is in world mm; 0 and undefined where the region is nothing but 0. */
  readonly peak: number
  readonly peakMm?: readonly [number, number, number]
  /** Tissue in mm3: sum of the scan's values times the volume of a voxel; where a scan is given. */
  readonly tissueMm3?: number
  /** Sum over tissueMm3, 0 where there is none: what a mm3 of tissue gets, however thin it is spread in the region. */
  readonly perTissue?: number
}

/**
 * One row a region, in the order of the atlas, also for regions without a voxel on the map's grid (zeros). Float64 sums; NaN
 * and infinite values count as 0.
 * @param map on any grid; the atlas is brought to it (bring it there once with atlasOnGrid for many maps)
 * @param scan grey matter on the grid of the map, 0 to 1
 * @throws InputError when atlas and map do not overlap, or the scan is on another grid
 */
export function regionTable(map: Volume, atlas: Atlas, { scan }: { scan?: Volume } = {}): RegionRow[] {
  if (scan && !sameGrid(scan, map)) {
    throw new InputError(
      `the scan has ${scan.shape.join(' x ')} voxels, the map ${map.shape.join(' x ')}, or they lie elsewhere; give the scan of the map`,
    )
  }
  const { labels, regions } = atlasOnGrid(atlas, map)
  const voxelMm3 = Math.abs(affineDeterminant(map.affine))
  const count = regions.length + 1
  const zeros = () => new Float64Array(count)
  const [voxels, positive, negative, tissue] = [zeros(), zeros(), zeros(), zeros()]
  const peaks = new Int32Array(count).fill(-1)
  labels.forEach((label, v) => {
    const value = finite(map.data[v]!)
    voxels[label]!++
    if (value > 0) positive[label]! += value
    else negative[label]! += value
    if (scan) tissue[label]! += finite(scan.data[v]!)
    const best = peaks[label]! < 0 ? 0 : map.data[peaks[label]!]!
    if (Math.abs(value) > Math.abs(best)) peaks[label] = v
  })
  const [nx, ny] = map.shape
  return regions.map((region, k): RegionRow => {
    const n = voxels[k + 1]!
    const sum = positive[k + 1]! + negative[k + 1]!
    const v = peaks[k + 1]!
    const sizes = { voxels: n, mm3: n * voxelMm3, positive: positive[k + 1]!, negative: negative[k + 1]! }
    const means = n > 0 ? { mean: sum / n, density: sum / n / voxelMm3 } : { mean: 0, density: 0 }
    const line = Math.floor(v / nx)
    const peak =
      v < 0
        ? { peak: 0 }
        : { peak: map.data[v]!, peakMm: voxelToWorld(map.affine, v % nx, line % ny, Math.floor(line / ny)) }
    const tissueMm3 = tissue[k + 1]! * voxelMm3
    const perTissue = tissueMm3 > 0 ? sum / tissueMm3 : 0
    return { ...region, ...sizes, ...means, ...peak, ...(scan && { tissueMm3, perTissue }) }
  })
}

const finite = (value: number) => (Number.isFinite(value) ? value : 0)

/** Regions by a column, highest first; those without a voxel are left out. */
export function topRegions(
  rows: readonly RegionRow[],
  count = rows.length,
  by: 'mean' | 'density' | 'positive' | 'peak' | 'perTissue' = 'mean',
): RegionRow[] {
  const there = rows.filter(({ voxels }) => voxels > 0)
  return there.sort((a, b) => (b[by] ?? 0) - (a[by] ?? 0)).slice(0, count)
}

/** The table as TSV, one line a region. */
export function formatRegionTable(rows: readonly RegionRow[]): string {
  const table = regionColumns(rows)
  return formatTsv(table.columns, table.rows)
}

/** The table's columns and lines, to be joined with others. */
export function regionColumns(rows: readonly RegionRow[]): {
  columns: string[]
  rows: Record<string, string | number | undefined>[]
} {
  const tissue = rows.some(({ tissueMm3 }) => tissueMm3 !== undefined)
  const columns = [
    ...['name', 'labels', 'voxels', 'volume_mm3', 'positive', 'negative', 'mean', 'density_per_mm3'],
    ...['peak', 'peak_x_mm', 'peak_y_mm', 'peak_z_mm', ...(tissue ? ['tissue_mm3', 'per_tissue_mm3'] : [])],
  ]
  const lines = rows.map((row) => ({
    name: row.name,
    labels: row.values.join('+'),
    voxels: row.voxels,
    volume_mm3: row.mm3,
    positive: row.positive,
    negative: row.negative,
    mean: row.mean,
    density_per_mm3: row.density,
    peak: row.peak,
    peak_x_mm: row.peakMm?.[0],
    peak_y_mm: row.peakMm?.[1],
    peak_z_mm: row.peakMm?.[2],
    tissue_mm3: row.tissueMm3,
    per_tissue_mm3: row.perTissue,
  }))
  return { columns, rows: lines }
}
