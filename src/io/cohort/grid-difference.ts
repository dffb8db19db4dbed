/** How grids are described, and in what two of them differ. */
import { closestOrientation } from '../orient.ts'
import { type Grid, sameGrid } from '../resample.ts'
import { type Affine, voxelSize, voxelToWorld } from '../volume.ts'

/** Where i, j and k run to: RAS, LPI, ... (the closest of the anatomical directions). */
export function orientationName(affine: Affine): string {
  const { axis, flip } = closestOrientation(affine)
  const letters = ['', '', '']
  axis.forEach((voxelAxis, world) => {
    letters[voxelAxis] = (flip[world] ? 'LPI' : 'RAS')[world]!
  })
  return letters.join('')
}

/** `121 x 145 x 121 voxels of 1.5 mm, RAS`. */
export function describeGrid({ shape, affine }: Grid): string {
  return `${shape.join(' x ')} voxels of ${sizes(affine)}, ${orientationName(affine)}`
}

function sizes(affine: Affine): string {
  const edges = voxelSize(affine).map((edge) => String(Number(edge.toPrecision(4))))
  return `${edges.every((edge) => edge === edges[0]) ? edges[0] : edges.join(' x ')} mm`
}

/** Voxels that lie apart by less than this share of their edge are taken for the same: headers round. */
const TOLERANCE = 0.01

/** Whether voxels of one index lie in one place on both grids, but for rounding. */
export function gridsAgree(a: Grid, b: Grid): boolean {
  return sameGrid(a, b, TOLERANCE * Math.min(...voxelSize(b.affine)))
}

/** In what a grid differs from a wanted one, in words; empty where they agree. */
export function gridDifferences(grid: Grid, wanted: Grid): string[] {
  if (gridsAgree(grid, wanted)) return []
  const differences: string[] = []
  if (grid.shape.some((n, axis) => n !== wanted.shape[axis])) differences.push(`shape ${grid.shape.join(' x ')}`)
  const [own, other] = [voxelSize(grid.affine), voxelSize(wanted.affine)]
  if (own.some((edge, axis) => Math.abs(edge - other[axis]!) > 1e-3 * other[axis]!)) {
    differences.push(`voxel size ${sizes(grid.affine)}`)
  }
  const orientation = orientationName(grid.affine)
  if (orientation !== orientationName(wanted.affine)) differences.push(`orientation ${orientation}`)
  if (differences.length > 0) return differences
  // Same shape, voxels and orientation: only the place is left, a shift or a slant.
  const [first, place] = [voxelToWorld(grid.affine, 0, 0, 0), voxelToWorld(wanted.affine, 0, 0, 0)]
  const shift = Math.hypot(...first.map((mm, axis) => mm - place[axis]!))
  const at = (point: readonly number[]) => point.map((mm) => Number(mm.toFixed(2))).join(', ')
  if (shift > TOLERANCE) return [`affine: first voxel at ${at(first)} mm, not ${at(place)}`]
  return ['affine: turned about its first voxel']
}
