/** What is counted of maps, in a worker of its own: the engine's may be busy compiling. Nothing here needs a GPU. */
import { type Cluster, findClusters, keepClusters } from '../../src/explain/postprocess/clusters.ts'
import { percentileOfMagnitudes, thresholdMap } from '../../src/explain/postprocess/values.ts'
import { formatRegionTable, type RegionRow, regionTable } from '../../src/explain/regions/region-table.ts'
import { type Atlas, atlasOnGrid, makeAtlas } from '../../src/io/atlas/atlas.ts'
import { parseRegionNames } from '../../src/io/atlas/region-names.ts'
import { InputError } from '../../src/io/errors.ts'
import { readVolume } from '../../src/io/nifti.ts'
import { closestOrientation } from '../../src/io/orient.ts'
import { type Grid, resample } from '../../src/io/resample.ts'
import { type Volume, voxelSize, voxelToWorld } from '../../src/io/volume.ts'
import { serve } from '../shared/rpc.ts'
import { type PictureRequest, picture, type ReportRequest, report } from './report.ts'

/** Sums of a map along a world axis, a slice each. */
export interface SliceSums {
  /** World mm of the first slice, and from one to the next. */
  readonly first: number
  readonly step: number
  readonly positive: Float64Array
  readonly negative: Float64Array
}

export interface Analysis {
  /** Values that are shown; 0 elsewhere. */
  readonly shown: Float32Array
  /** The same as it is to be drawn, where clusters are left out; what is below the threshold the GPU leaves out itself. */
  readonly drawn: Float32Array | undefined
  /** Cluster of every voxel, 0 for none; of clusters that are large enough. */
  readonly labels: Uint32Array
  readonly clusters: readonly Cluster[]
  /** Voxels of every cluster before small ones are left out, largest first. */
  readonly sizes: readonly number[]
  /** Along x, y, z. */
  readonly sums: readonly [SliceSums, SliceSums, SliceSums]
  /** Of what is shown, in the atlas's order; empty without an atlas that overlaps. */
  readonly regions: readonly RegionRow[]
}

/** Share of the magnitudes that a map's own colour scale covers. */
const SCALE_PERCENTILE = 99.9

/** Voxels as stored; a page cannot hold more several times over, however small the file is packed. */
const MOST_BYTES = 1e9

/** Voxels larger than this are made smaller for display, so that thresholds have smooth edges. */
const DISPLAY_MM = 2

const maps = new Map<string, Volume>()
let atlas: Atlas | undefined
let placed: { readonly grid: Grid; readonly atlas: Atlas | undefined } | undefined

const calls = {
  /** Reads a file. @returns the volume, and the same as it is to be drawn */
  read({ bytes, name }: { bytes: Uint8Array; name: string }) {
    const { shape, data, affine } = readVolume(bytes, { name, maxBytes: MOST_BYTES })
    return { volume: { shape, data, affine }, display: forDisplay({ shape, data, affine }) }
  },

  atlas({ volume, names }: { volume: Uint8Array; names: string }): void {
    atlas = makeAtlas(readVolume(volume), parseRegionNames(names))
    placed = undefined
  },

  /** The atlas on a grid; undefined where it does not reach. */
  regions({ grid }: { grid: Grid }): { labels: Uint16Array; names: readonly string[] } | undefined {
    const on = atlasOn(grid)
    return on && { labels: on.labels.slice(), names: on.regions.map(({ name }) => name) }
  },

  /** Keeps a map under an id. @returns it as it is to be drawn, and the magnitude that its own colour scale ends with */
  map({ id, volume }: { id: string; volume: Volume }): { display: Volume | undefined; max: number } {
    maps.set(id, volume)
    const max = percentileOfMagnitudes(volume.data, SCALE_PERCENTILE, 'nonzero') || 1
    return { display: forDisplay(volume), max }
  },

  analyse({ id, threshold, minVoxels }: { id: string; threshold: number; minVoxels: number }): Analysis {
    const map = mapOf(id)
    const volume = { ...map, data: thresholdMap(map.data, threshold) }
    const all = findClusters(volume)
    const found = minVoxels > 1 ? findClusters(volume, { minVoxels }) : all
    const kept = keepClusters(volume, found)
    const on = atlasOn(map)
    return {
      shown: kept.data,
      drawn: minVoxels > 1 ? (forDisplay(kept)?.data ?? kept.data.slice()) : undefined,
      labels: found.labels,
      clusters: found.clusters,
      sizes: all.clusters.map(({ voxels }) => voxels),
      sums: sliceSums(kept),
      regions: on ? regionTable(kept, on) : [],
    }
  },

  picture: (request: PictureRequest): Uint8Array => picture(request),
  report: (request: ReportRequest): string => report(request),

  /** The region table of a whole map, as `voxplain explain` writes it. */
  table({ id }: { id: string }): string {
    const map = mapOf(id)
    const on = atlasOn(map)
    if (!on) throw new InputError('there is no atlas in the space of this map')
    return formatRegionTable(regionTable(map, on))
  },
}

export type AnalysisCalls = typeof calls

serve(calls)

function mapOf(id: string): Volume {
  const map = maps.get(id)
  if (!map) throw new InputError(`there is no map ${id}`)
  return map
}

function atlasOn(grid: Grid): Atlas | undefined {
  if (!atlas) return undefined
  const key = ({ shape, affine }: Grid) => `${shape} ${affine}`
  if (placed && key(placed.grid) === key(grid)) return placed.atlas
  let on: Atlas | undefined
  try {
    on = atlasOnGrid(atlas, grid)
  } catch (error) {
    // A scan of another space has no regions, which is no reason not to look at it.
    if (!(error instanceof InputError)) throw error
  }
  placed = { grid: { shape: grid.shape, affine: grid.affine }, atlas: on }
  return on
}

function forDisplay(volume: Volume): Volume | undefined {
  const size = voxelSize(volume.affine)
  const times = size.map((mm) => Math.max(1, Math.round(mm / DISPLAY_MM)))
  if (times.every((n) => n === 1)) return undefined
  const shape = volume.shape.map((n, axis) => (n - 1) * times[axis]! + 1) as [number, number, number]
  const affine = volume.affine.map((value, n) => (n < 12 && n % 4 < 3 ? value / times[n % 4]! : value))
  return resample(volume, { shape, affine }, 'linear')
}

function sliceSums(volume: Volume): [SliceSums, SliceSums, SliceSums] {
  const { shape, data, affine } = volume
  const { axis, flip } = closestOrientation(affine)
  const totals = shape.map((n) => ({ positive: new Float64Array(n), negative: new Float64Array(n) }))
  const [nx, ny] = shape
  data.forEach((value, v) => {
    if (value === 0) return
    const line = Math.floor(v / nx)
    const at = [v % nx, line % ny, Math.floor(line / ny)]
    totals.forEach(({ positive, negative }, a) => {
      if (value > 0) positive[at[a]!]! += value
      else negative[at[a]!]! += value
    })
  })
  const along = (world: number): SliceSums => {
    const a = axis[world]!
    const place = (n: number) => {
      const at = shape.map((length) => (length - 1) / 2) as [number, number, number]
      at[a] = n
      return voxelToWorld(affine, ...at)[world]!
    }
    const last = shape[a]! - 1
    const [first, second] = flip[world] ? [last, last - 1] : [0, 1]
    const turn = (sums: Float64Array) => (flip[world] ? sums.reverse() : sums)
    const { positive, negative } = totals[a]!
    return {
      first: place(first),
      step: place(second) - place(first),
      positive: turn(positive),
      negative: turn(negative),
    }
  }
  return [along(0), along(1), along(2)]
}
