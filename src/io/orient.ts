/**
 * Reordering a volume's axes to the closest RAS+ orientation: i to the right, j to the front, k up.
 */

import { multiplyAffine } from './affine.ts'
import { InputError } from './errors.ts'
import { type Volume, voxelSize } from './volume.ts'

/** For each world axis x, y, z: the voxel axis closest to it, and whether that axis runs against it. */
export interface Orientation {
  readonly axis: readonly [number, number, number]
  readonly flip: readonly [boolean, boolean, boolean]
}

const PERMUTATIONS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const

/** The assignment of voxel axes to world axes with the largest summed |cosine|; ties keep the earlier axis order. */
export function closestOrientation(affine: readonly number[]): Orientation {
  const size = voxelSize(affine)
  const cosine = (row: number, column: number) => affine[4 * row + column]! / size[column]!
  const fit = (p: readonly number[]) => p.reduce((sum, column, row) => sum + Math.abs(cosine(row, column)), 0)
  // The margin keeps rounding from deciding a tie.
  const axis = PERMUTATIONS.reduce((best, p) => (fit(p) > fit(best) + 1e-9 ? p : best))
  const flip = [0, 1, 2].map((row) => cosine(row, axis[row]!) < 0) as [boolean, boolean, boolean]
  return { axis, flip }
}

/**
 * The same voxels in the order closest to RAS+, with the affine that keeps each in its place in the world. Nothing is
 * interpolated: an oblique volume stays oblique.
 * @throws InputError when shape and data do not fit together
 */
export function toClosestCanonical(volume: Volume): Volume {
  const { shape, data, affine } = volume
  if (data.length !== shape[0] * shape[1] * shape[2]) {
    throw new InputError(`a volume of shape [${shape.join(', ')}] needs another number of values than ${data.length}`)
  }
  const { axis, flip } = closestOrientation(affine)
  const strides = [1, shape[0], shape[0] * shape[1]]
  const size = axis.map((a) => shape[a]!) as [number, number, number]
  const step = axis.map((a, n) => (flip[n] ? -1 : 1) * strides[a]!) as [number, number, number]
  let start = 0
  // Columns say where each new axis runs in old voxel indices.
  const toOld = new Array<number>(16).fill(0)
  toOld[15] = 1
  axis.forEach((a, n) => {
    toOld[4 * a + n] = flip[n] ? -1 : 1
    if (!flip[n]) return
    toOld[4 * a + 3] = shape[a]! - 1
    start += strides[a]! * (shape[a]! - 1)
  })
  const ordered = new Float32Array(data.length)
  let out = 0
  for (let k = 0; k < size[2]; k++) {
    for (let j = 0; j < size[1]; j++) {
      for (let i = 0, at = start + j * step[1] + k * step[2]; i < size[0]; i++, at += step[0])
        ordered[out++] = data[at]!
    }
  }
  return { shape: size, data: ordered, affine: multiplyAffine(affine, toOld) }
}
