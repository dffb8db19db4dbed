/**
 * A volume: a 3D array of voxels with an affine. The one type that files, recipes, phantoms and maps share.
 */

/** Row-major 4x4 matrix, 16 numbers: voxel index (i, j, k, 1) -> world millimetres (x right, y anterior, z superior, 1). */
export type Affine = readonly number[]

export interface Volume {
  /** Number of voxels along i, j, k. */
  readonly shape: readonly [number, number, number]
  /** Voxel values, i fastest: index = i + shape[0] * (j + shape[1] * k). */
  readonly data: Float32Array
  /** Voxel index -> world millimetres (RAS+). */
  readonly affine: Affine
}

/** Length of each voxel edge in mm: the column norms of the affine. */
export function voxelSize(affine: Affine): [number, number, number] {
  return [0, 1, 2].map((c) => Math.hypot(affine[c]!, affine[4 + c]!, affine[8 + c]!)) as [number, number, number]
}

/** World position in mm of voxel index (i, j, k). */
export function voxelToWorld(affine: Affine, i: number, j: number, k: number): [number, number, number] {
  return [0, 1, 2].map(
    (r) => affine[4 * r]! * i + affine[4 * r + 1]! * j + affine[4 * r + 2]! * k + affine[4 * r + 3]!,
  ) as [number, number, number]
}
