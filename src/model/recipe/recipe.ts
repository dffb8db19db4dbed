/**
 * The input recipe of a network: how a scan becomes its input tensor, and how a map in tensor order goes back to the
 * scan's own grid. Only voxels are moved, nothing is interpolated, so going there and back is exact.
 */
import { InputError } from '../../io/errors.ts'
import { type Volume, voxelToWorld } from '../../io/volume.ts'
import type { Recipe } from './recipe-read.ts'
import { scaleVoxels } from './recipe-scaling.ts'
import { eachVoxel, gridToScan, inputShape } from './recipe-voxels.ts'

export { builtinRecipes, plainRecipe, type Range, type Recipe, readRecipe, type VoxelAxis } from './recipe-read.ts'
export { inputShape, leftRightAxis } from './recipe-voxels.ts'

export interface Prepared {
  /** [1, 1, D, H, W], W fastest. */
  readonly tensor: Float32Array
  /** NaN and infinite voxels (of those the network sees) that were set to zero. */
  readonly nonFinite: number
  /** What the user should know: the scan's affine is not that of the recipe's grid. */
  readonly notes: readonly string[]
}

/**
 * A scan as the network's input. For networks that take residuals this is one half of the work: see prepareInput.
 * @param input the network's input [1, D, H, W]
 * @throws InputError when the dimensions do not fit, when scaling meets a constant image, or when the recipe takes residuals
 */
export function applyRecipe(recipe: Recipe, scan: Volume, input: readonly number[]): Prepared {
  if (recipe.residual) {
    const { covariates } = recipe.residual
    throw new InputError(
      `the recipe "${recipe.name}" takes residuals, and these need the scan's ${covariates.map((c) => c.name).join(', ') || 'network'}: ` +
        'prepare the scan with prepareInput',
    )
  }
  const tensor = new Float32Array(input.reduce((a, b) => a * b, 1))
  let nonFinite = 0
  eachVoxel(recipe, scan, input, (t, s) => {
    const value = scan.data[s]!
    if (Number.isFinite(value)) tensor[t] = value
    else nonFinite++
  })
  scaleVoxels(tensor, recipe.scaling)
  return { tensor, nonFinite, notes: gridNotes(recipe, scan) }
}

/** Says so when the scan's voxels do not lie where the recipe's grid has them (by more than half a voxel somewhere). */
function gridNotes(recipe: Recipe, scan: Volume): string[] {
  if (!recipe.grid?.affine) return []
  const axes = gridToScan(recipe, scan)
  let worst = 0
  for (let corner = 0; corner < 8; corner++) {
    const at = recipe.grid.shape.map((n, k) => ((corner >> k) & 1) * (n - 1))
    const stored = [0, 0, 0]
    axes.forEach(({ axis, backwards }, g) => {
      stored[axis] = backwards ? recipe.grid!.shape[g]! - 1 - at[g]! : at[g]!
    })
    const wanted = voxelToWorld(recipe.grid.affine, at[0]!, at[1]!, at[2]!)
    const found = voxelToWorld(scan.affine, stored[0]!, stored[1]!, stored[2]!)
    worst = Math.max(worst, Math.hypot(...wanted.map((v, k) => v - found[k]!)))
  }
  const voxel = Math.hypot(recipe.grid.affine[0]!, recipe.grid.affine[4]!, recipe.grid.affine[8]!)
  if (worst <= voxel / 2) return []
  return [
    `the scan's affine differs from the grid of the recipe "${recipe.name}" by up to ${worst.toFixed(1)} mm; ` +
      'its voxels were used by their index',
  ]
}

/**
 * A map in tensor order as a volume on the scan's own grid and affine; voxels that the network does not see are 0.
 * @param map [D, H, W] (or [1, 1, D, H, W]), W fastest
 * @param scan the scan that the tensor was made of; anything else it carries (file headers) is kept
 * @throws InputError when map and scan do not fit together
 */
export function invertRecipe<V extends Volume>(recipe: Recipe, map: Float32Array, scan: V): V {
  const input = inputShape(recipe, scan)
  const size = input.reduce((a, b) => a * b, 1)
  if (map.length !== size) {
    throw new InputError(`a map of ${map.length} values does not fit this scan, which gives the network ${size} voxels`)
  }
  const data = new Float32Array(scan.data.length)
  eachVoxel(recipe, scan, input, (t, s) => {
    data[s] = map[t]!
  })
  return { ...scan, data }
}
