/** Explanations of scans: from a volume to a map on the volume's own grid. */
import type { Gpu } from '../engine/gpu.ts'
import { InputError } from '../io/errors.ts'
import { type Affine, type Volume, voxelSize } from '../io/volume.ts'
import type { Network } from '../model/description.ts'
import { applyRecipe, invertRecipe, type Recipe } from '../model/recipe.ts'
import { type MaskOptions, type MaskResult, optimiseMask } from './mask.ts'

export interface Explanation<V extends Volume = Volume> {
  /** Relevance 1 - m on the scan's own grid and affine; 0 outside what the network sees. */
  readonly map: V
  readonly result: MaskResult
  /** NaN and infinite voxels that were set to zero, over all scans. */
  readonly nonFinite: number
  /** What the user should know about how the scans fit the recipe. */
  readonly notes: readonly string[]
}

/**
 * Explains one scan: the mask that drives the class's score down.
 * @throws InputError when the scan does not fit the network; GpuError when the GPU fails.
 */
export function explainScan<V extends Volume>(
  gpu: Gpu,
  network: Network,
  scan: V,
  options: MaskOptions = {},
): Promise<Explanation<V>> {
  return explainGroup(gpu, network, [scan], options)
}

/**
 * Explains a group of scans with one shared mask; the map is on the first scan's grid.
 * @throws InputError when a scan does not fit the network; GpuError when the GPU fails.
 */
export async function explainGroup<V extends Volume>(
  gpu: Gpu,
  network: Network,
  scans: readonly V[],
  options: MaskOptions = {},
): Promise<Explanation<V>> {
  const { recipe, input } = network.description
  const first = scans[0]
  if (!first) throw new InputError('nothing to explain: no scan was given')
  const prepared = scans.map((scan) => applyRecipe(recipe, scan, input))
  const spacing = options.spacing ?? tensorSpacing(recipe, first.affine)
  const tensors = prepared.map((p) => p.tensor)
  const result = await optimiseMask(gpu, network, tensors, { ...options, spacing })
  const relevance = result.mask.map((m) => 1 - m)
  return {
    map: invertRecipe(recipe, relevance, first),
    result,
    nonFinite: prepared.reduce((n, p) => n + p.nonFinite, 0),
    notes: [...new Set(prepared.flatMap((p) => p.notes))],
  }
}

/** Size of the network's voxels in mm along [D, H, W]. */
export function tensorSpacing(recipe: Recipe, affine: Affine): [number, number, number] {
  const size = voxelSize(recipe.grid?.affine ?? affine)
  return recipe.axes.map((axis) => size['xyz'.indexOf(axis)]!) as [number, number, number]
}
