/** Per-voxel ordinary least squares, one pass over the scans. */
import { InputError } from '../../io/errors.ts'
import type { ResidualModel } from './residual.ts'
import type { ResidualDesign } from './residual-design.ts'

/**
 * Fits every voxel to the covariates of a design. Scans are taken one at a time; besides one of them, the work holds
 * eight bytes for each voxel and coefficient. Sums and solution are float64, the coefficients float32.
 * @param shape of the network's input, [C, D, H, W]
 * @param scans inputs of the design's controls, in its order, as the recipe's other steps leave them (applyRecipe)
 * @throws InputError when scans are too many, too few or of another size, or hold a value that is not finite
 */
export async function fitResidual(
  { recipe, basis, triangle }: ResidualDesign,
  shape: readonly number[],
  scans: Iterable<Float32Array> | AsyncIterable<Float32Array>,
): Promise<ResidualModel> {
  const voxels = shape.reduce((a, b) => a * b, 1)
  const sums = basis.map(() => new Float64Array(voxels))
  const anything = new Uint8Array(voxels)
  let taken = 0
  for await (const scan of scans) {
    if (scan.length !== voxels) {
      throw new InputError(`control ${taken + 1} has ${scan.length} voxels, but the network takes ${voxels}`)
    }
    if (taken === recipe.controls) throw new InputError(`more scans than the ${recipe.controls} controls of the fit`)
    const n = taken++
    for (let i = 0; i < voxels; i++) if (scan[i] !== 0) anything[i] = 1
    basis.forEach((q, k) => {
      const sum = sums[k]!
      const weight = q[n]!
      for (let i = 0; i < voxels; i++) sum[i] = sum[i]! + weight * scan[i]!
    })
  }
  if (taken < recipe.controls) throw new InputError(`${taken} scans for the ${recipe.controls} controls of the fit`)
  solve(sums, triangle)
  const data = new Float32Array(sums.length * voxels)
  sums.forEach((sum, k) => {
    for (let i = 0; i < voxels; i++) if (anything[i]) data[k * voxels + i] = sum[i]!
  })
  const bad = data.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new InputError(`a control has values that are not finite, in voxel ${bad % voxels} of its input`)
  return { recipe, coefficients: { shape: [sums.length, ...shape], data } }
}

/** From Q'y to the coefficients, in place: R b = Q'y from the last one up. */
function solve(sums: readonly Float64Array[], triangle: readonly Float64Array[]): void {
  for (let j = sums.length - 1; j >= 0; j--) {
    const own = sums[j]!
    const column = triangle[j]!
    for (let i = 0; i < own.length; i++) own[i] = own[i]! / column[j]!
    for (let k = 0; k < j; k++) {
      const other = sums[k]!
      const factor = column[k]!
      for (let i = 0; i < own.length; i++) other[i] = other[i]! - factor * own[i]!
    }
  }
}
