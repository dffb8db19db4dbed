/** Atlases: a volume of labels with the regions' names, brought to the grid of a scan. */
import { multiplyAffine } from '../affine.ts'
import { InputError } from '../errors.ts'
import { type Grid, invertAffine, resample, sameGrid } from '../resample.ts'
import { type Volume, voxelToWorld } from '../volume.ts'
import type { RegionName } from './region-names.ts'

export interface Region {
  readonly name: string
  /** Its labels in the atlas's file; several where regions were merged. */
  readonly values: readonly number[]
}

/** Labels on a grid. They count regions from 1 whatever the file's numbers are, so that 16 bits hold every atlas. */
export interface Atlas extends Grid {
  /** Place in `regions` plus 1, or 0 for no region; i fastest, as in volumes. */
  readonly labels: Uint16Array
  readonly regions: readonly Region[]
}

/** Whole numbers below are exact in a volume's float32; this one may have been the next. */
const LARGEST_LABEL = 2 ** 24

/** As far from a whole number as a file's scaling may bring a label. */
const ROUNDING = 1e-3

/**
 * An atlas out of a volume and names of its labels. Regions that the volume lacks are left out, so tables may hold more.
 * NaN counts as no region.
 * @param what how to call the atlas in error messages
 * @throws InputError for labels without names, values that are no labels, and volumes without any
 */
export function makeAtlas(volume: Volume, names: readonly RegionName[], what = 'the atlas'): Atlas {
  const values = labelsOf(volume, what)
  const there = new Set(values)
  there.delete(0)
  if (there.size === 0) throw new InputError(`${what} has no labels: all of its voxels are 0`)
  const named = byLabel(names, there)
  const missing = [...there].filter((value) => !named.has(value)).sort((a, b) => a - b)
  if (missing.length > 0) {
    const some = `${missing.slice(0, 5).join(', ')}${missing.length > 5 ? `, ... (${missing.length} labels)` : ''}`
    throw new InputError(
      `${what} has labels without names: ${some}; give the table that belongs to it, or add them there`,
    )
  }
  const regions = [...named].filter(([value]) => there.has(value)).map(([value, name]) => ({ name, values: [value] }))
  if (regions.length > 65535)
    throw new InputError(`${what} has ${regions.length} regions; at most 65535 can be told apart`)
  const place = new Map(regions.map(({ values: [value] }, k) => [value!, k + 1]))
  const labels = Uint16Array.from(values, (value) => place.get(value) ?? 0)
  return { shape: volume.shape, affine: volume.affine, labels, regions }
}

function labelsOf({ data }: Volume, what: string): Float64Array {
  return Float64Array.from(data, (v) => {
    const value = Math.round(v)
    if (Number.isNaN(v)) return 0
    if (!(Math.abs(v - value) <= ROUNDING && value >= 0)) {
      throw new InputError(
        `${what} has the value ${v}, but labels are whole numbers from 0; is it a map of probabilities?`,
      )
    }
    if (value >= LARGEST_LABEL) {
      throw new InputError(`${what} has the label ${value}; from ${LARGEST_LABEL} on they cannot be told apart`)
    }
    return value
  })
}

/** Names by label: by the table's first numbers, or by its second ones where only they are those of the volume. */
function byLabel(names: readonly RegionName[], there: ReadonlySet<number>): Map<number, string> {
  const first = new Map(names.map(({ value, name }) => [value, name]))
  const second = new Map(names.flatMap(({ code, name }) => (code === undefined ? [] : [[code, name] as const])))
  const fits = (map: ReadonlyMap<number, string>) => [...there].every((value) => map.has(value))
  return !fits(first) && fits(second) ? second : first
}

/**
 * The atlas on another grid: each voxel has the label at its centre. Regions stay the same, also those without a voxel there.
 * @throws InputError when no labelled voxel of the atlas lies in the grid
 */
export function atlasOnGrid(atlas: Atlas, grid: Grid): Atlas {
  if (sameGrid(atlas, grid)) return atlas
  const { data } = resample({ ...atlas, data: Float32Array.from(atlas.labels) }, grid, 'nearest')
  const labels = Uint16Array.from(data)
  if (!labels.some((label) => label > 0)) {
    throw new InputError(
      `the atlas and the volume do not overlap: the atlas lies at ${formatBox(atlas)}, the volume at ${formatBox(grid)}; ` +
        'both must be in one space (MNI, for most atlases)',
    )
  }
  return { shape: grid.shape, affine: grid.affine, labels, regions: atlas.regions }
}

/** What a grid covers along x, y and z, from the centres of its corner voxels. */
function formatBox({ shape, affine }: Grid): string {
  const corners = Array.from({ length: 8 }, (_, c) => {
    const [i, j, k] = shape.map((n, axis) => ((c >> axis) & 1) * (n - 1)) as [number, number, number]
    return voxelToWorld(affine, i, j, k)
  })
  const range = ['x', 'y', 'z'].map((letter, axis) => {
    const along = corners.map((corner) => Math.round(corner[axis]!))
    return `${letter} ${Math.min(...along)} to ${Math.max(...along)}`
  })
  return `${range.join(', ')} mm`
}

/** The region at a place in world mm, as under a crosshair; undefined for none. */
export function regionAt(
  { shape, affine, labels, regions }: Atlas,
  mm: readonly [number, number, number],
): Region | undefined {
  const place = multiplyAffine(invertAffine(affine), [1, 0, 0, mm[0], 0, 1, 0, mm[1], 0, 0, 1, mm[2], 0, 0, 0, 1])
  const [i, j, k] = [place[3]!, place[7]!, place[11]!].map((x) => Math.floor(x + 0.5)) as [number, number, number]
  const inside = [i, j, k].every((n, axis) => n >= 0 && n < shape[axis]!)
  return inside ? regions[labels[i + shape[0] * (j + shape[1] * k)]! - 1] : undefined
}
