/** The border of a region in a slice, as an SVG path in world mm: marching squares over the voxels' centres. */
import type { Volume } from '../../src/io/volume.ts'
import { type Point, voxelFinder } from './state.ts'

/**
 * @param inside whether the voxel with this index is of the region
 * @param place crosshair, which says where the slice is. @param axes of the plane: the first is x of the path
 * @param range lowest and highest mm along each world axis. @param step mm from sample to sample
 */
export function outlinePath(
  grid: Pick<Volume, 'shape' | 'affine'>,
  inside: (voxel: number) => boolean,
  place: Point,
  axes: readonly [0 | 1 | 2, 0 | 1 | 2],
  range: readonly (readonly [number, number])[],
  step: number,
): string {
  const [across, up] = axes
  const [x0, x1] = range[across]!
  const [y0, y1] = range[up]!
  const columns = Math.round((x1 - x0) / step) + 1
  const rows = Math.round((y1 - y0) / step) + 1
  const at = [...place] as [number, number, number]
  const find = voxelFinder(grid)
  const filled = new Uint8Array((columns + 2) * (rows + 2))
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      at[across] = x0 + column * step
      at[up] = y0 + row * step
      const voxel = find(at[0], at[1], at[2])
      if (voxel !== undefined && inside(voxel)) filled[(row + 1) * (columns + 2) + column + 1] = 1
    }
  }
  const parts: string[] = []
  const x = (column: number) => (x0 + (column - 1) * step).toFixed(2)
  const y = (row: number) => (y0 + (row - 1) * step).toFixed(2)
  for (let row = 0; row <= rows; row++) {
    for (let column = 0; column <= columns; column++) {
      const corner = row * (columns + 2) + column
      const below = corner + columns + 2
      const kind = filled[corner]! | (filled[corner + 1]! << 1) | (filled[below + 1]! << 2) | (filled[below]! << 3)
      for (const [from, to] of EDGES[kind]!) {
        const [a, b] = [MIDDLES[from]!, MIDDLES[to]!]
        parts.push(`M${x(column + a[0])} ${y(row + a[1])}L${x(column + b[0])} ${y(row + b[1])}`)
      }
    }
  }
  return parts.join('')
}

/** Middles of a square's sides: top, right, bottom, left. */
const MIDDLES = [
  [0.5, 0],
  [1, 0.5],
  [0.5, 1],
  [0, 0.5],
] as const

/** Sides that the border joins, by which corners are inside (bits: top left, top right, bottom right, bottom left). */
const EDGES: readonly (readonly (readonly [number, number])[])[] = [
  [],
  [[3, 0]],
  [[0, 1]],
  [[3, 1]],
  [[1, 2]],
  [
    [3, 0],
    [1, 2],
  ],
  [[0, 2]],
  [[3, 2]],
  [[2, 3]],
  [[2, 0]],
  [
    [0, 1],
    [2, 3],
  ],
  [[2, 1]],
  [[1, 3]],
  [[1, 0]],
  [[0, 3]],
  [],
]
