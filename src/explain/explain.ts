/** Explanations of scans: from a volume to a map on the volume's own grid. */
import type { Gpu } from '../engine/gpu.ts'
import { InputError } from '../io/errors.ts'
import { type Affine, type Volume, voxelSize } from '../io/volume.ts'
import type { Network } from '../model/description.ts'
import { invertRecipe, type Prepared, type Recipe } from '../model/recipe/recipe.ts'
import { type PreparedInput, prepareInput } from '../model/recipe/recipe-input.ts'
import type { ScanCovariates } from '../model/recipe/residual.ts'
import { type MaskOptions, type MaskResult, type MasksOptions, optimiseMask, optimiseMasks } from './mask.ts'

export interface Explanation<V extends Volume = Volume> {
  /** Relevance 1 - m on the scan's own grid and affine; 0 outside what the network sees. */
  readonly map: V
  readonly result: MaskResult
  /** NaN and infinite voxels that were set to zero, over all scans. */
  readonly nonFinite: number
  /** What the user should know about how the scans fit the recipe. */
  readonly notes: readonly string[]
}

/** A scan as explanation methods take it (MethodInput, MaskInput). */
export interface PreparedScan extends PreparedInput {
  readonly spacing: readonly [number, number, number]
}

/**
 * Prepares a scan to be explained.
 * @param covariates of the scan, for networks that take residuals
 * @throws InputError when the scan does not fit the network, or a covariate is missing.
 */
export function prepareScan(network: Network, scan: Volume, covariates?: ScanCovariates): PreparedScan {
  const { recipe } = network.description
  return { ...prepareInput(network, scan, covariates), spacing: tensorSpacing(recipe, scan.affine) }
}

export interface ScanMaskOptions extends MaskOptions {
  /** Of each scan, in order, for networks that take residuals. */
  covariates?: readonly ScanCovariates[]
}

/**
 * What a mask says, on the grid of a scan.
 * @param scan the first of those that the mask was made for. @param prepared all of them.
 */
export function explanationOf<V extends Volume>(
  network: Network,
  scan: V,
  prepared: readonly Pick<Prepared, 'nonFinite' | 'notes'>[],
  result: MaskResult,
): Explanation<V> {
  const relevance = result.mask.map((m) => 1 - m)
  return {
    map: invertRecipe(network.description.recipe, relevance, scan),
    result,
    nonFinite: prepared.reduce((n, p) => n + p.nonFinite, 0),
    notes: [...new Set(prepared.flatMap((p) => p.notes))],
  }
}

/**
 * Explains one scan: the mask that drives the class's score down.
 * @throws InputError when the scan does not fit the network; GpuError when the GPU fails.
 */
export function explainScan<V extends Volume>(
  gpu: Gpu,
  network: Network,
  scan: V,
  options: ScanMaskOptions = {},
): Promise<Explanation<V>> {
  return explainGroup(gpu, network, [scan], options)
}

/**
 * Explains scans one by one, several at a time on the GPU, under one or more settings: yields an explanation for each scan
 * and setting, scan by scan. Scans are taken from the source as they are needed (see optimiseMasks). Networks that take
 * residuals need covariates with each scan: see explain and explainScan.
 * @throws InputError when a scan does not fit the network or its loss is not finite; GpuError when the GPU fails.
 */
export async function* explainScans<V extends Volume>(
  gpu: Gpu,
  network: Network,
  scans: Iterable<V> | AsyncIterable<V>,
  options: MasksOptions = {},
): AsyncGenerator<Explanation<V>, void, undefined> {
  async function* inputs() {
    for await (const volume of scans) yield { ...prepareScan(network, volume), volume }
  }
  for await (const outcome of optimiseMasks(gpu, network, inputs(), options)) {
    if ('error' in outcome) throw outcome.error
    yield explanationOf(network, outcome.scan.volume, [outcome.scan], outcome.result)
  }
}

/**
 * Explains a group of scans with one shared mask; the map is on the first scan's grid.
 * @throws InputError when a scan does not fit the network; GpuError when the GPU fails.
 */
export async function explainGroup<V extends Volume>(
  gpu: Gpu,
  network: Network,
  scans: readonly V[],
  options: ScanMaskOptions = {},
): Promise<Explanation<V>> {
  const first = scans[0]
  if (!first) throw new InputError('nothing to explain: no scan was given')
  const { covariates, ...mask } = options
  const prepared = scans.map((scan, k) => prepareScan(network, scan, covariates?.[k]))
  const spacing = options.spacing ?? prepared[0]!.spacing
  return explanationOf(network, first, prepared, await optimiseMask(gpu, network, prepared, { ...mask, spacing }))
}

/** Size of the network's voxels in mm along [D, H, W]. */
export function tensorSpacing(recipe: Recipe, affine: Affine): [number, number, number] {
  const size = voxelSize(recipe.grid?.affine ?? affine)
  return recipe.axes.map((axis) => size['xyz'.indexOf(axis)]!) as [number, number, number]
}
