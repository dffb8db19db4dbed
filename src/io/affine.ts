/**
 * Arithmetic of 4x4 voxel-to-world matrices (row-major, 16 numbers, last row 0 0 0 1).
 */

import { InputError } from './errors.ts'
import type { Affine } from './volume.ts'

/** Matrix product a b: applies b first. */
export function multiplyAffine(a: Affine, b: Affine): number[] {
  const product = new Array<number>(16)
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      let sum = 0
      for (let k = 0; k < 4; k++) sum += a[4 * row + k]! * b[4 * k + column]!
      product[4 * row + column] = sum
    }
  }
  return product
}

/** Determinant of the 3x3 part: signed volume of a voxel in mm^3; negative for a left-handed grid. */
export function affineDeterminant(m: Affine): number {
  return (
    m[0]! * (m[5]! * m[10]! - m[6]! * m[9]!) -
    m[1]! * (m[4]! * m[10]! - m[6]! * m[8]!) +
    m[2]! * (m[4]! * m[9]! - m[5]! * m[8]!)
  )
}

/** True when all entries are finite and no direction of the grid collapses (relative to the lengths of the axes). */
export function isUsableAffine(m: Affine): boolean {
  if (m.length !== 16 || !m.every(Number.isFinite)) return false
  const lengths = [0, 1, 2].map((c) => Math.hypot(m[c]!, m[4 + c]!, m[8 + c]!))
  const box = lengths[0]! * lengths[1]! * lengths[2]!
  return Number.isFinite(box) && box > 0 && Math.abs(affineDeterminant(m)) > 1e-6 * box
}

/** Inverse: world mm -> voxel index. Throws InputError for a singular or non-finite matrix. */
export function invertAffine(m: Affine): number[] {
  if (!isUsableAffine(m)) throw new InputError(`the affine [${m.join(', ')}] is singular, so it cannot be inverted`)
  const d = affineDeterminant(m)
  // The 3x3 inverse is the adjugate over the determinant; the offset follows from inverse * offset.
  const rows = [
    [m[5]! * m[10]! - m[6]! * m[9]!, m[2]! * m[9]! - m[1]! * m[10]!, m[1]! * m[6]! - m[2]! * m[5]!],
    [m[6]! * m[8]! - m[4]! * m[10]!, m[0]! * m[10]! - m[2]! * m[8]!, m[2]! * m[4]! - m[0]! * m[6]!],
    [m[4]! * m[9]! - m[5]! * m[8]!, m[1]! * m[8]! - m[0]! * m[9]!, m[0]! * m[5]! - m[1]! * m[4]!],
  ].map((row) => row.map((value) => value / d))
  const inverse = rows.flatMap((r) => [r[0]!, r[1]!, r[2]!, -(r[0]! * m[3]! + r[1]! * m[7]! + r[2]! * m[11]!)])
  return [...inverse, 0, 0, 0, 1]
}
