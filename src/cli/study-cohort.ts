/** The scans of a study: found in the cohort's table, read once, as each network sees them. */
import { totalmem } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import { tensorSpacing } from '../explain/explain.ts'
import type { MaskInput } from '../explain/mask.ts'
import type { Cohort, CohortRow } from '../io/cohort/cohort.ts'
import { participantKey, sessionKey } from '../io/cohort/cohort.ts'
import { findScans } from '../io/cohort/cohort-files.node.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { type Grid, sameGrid } from '../io/resample.ts'
import type { Volume } from '../io/volume.ts'
import { keepLoaded } from '../model/crossval/scan-set.ts'
import type { Network } from '../model/description.ts'
import type { PredictionRow } from '../model/evaluation/predictions.ts'
import { product } from '../model/layer-rules.ts'
import { applyRecipe } from '../model/recipe/recipe.ts'
import { residualModel } from '../model/recipe/recipe-input.ts'
import { residualise, type ScanCovariates } from '../model/recipe/residual.ts'

/** What to call a cohort: its table's name, or that of its folder where all cohorts have a participants.tsv. */
export function cohortName(table: string): string {
  const stem = basename(table).replace(/\.[tc]sv$/i, '')
  return stem === 'participants' ? basename(dirname(resolve(table))) || stem : stem
}

/** Rows of a cohort by who they are of. */
export function rowFinder(cohort: Cohort): (who: Pick<PredictionRow, 'participant' | 'session'>) => number {
  const key = (row: Pick<CohortRow, 'participant' | 'session'>) => `${participantKey(row)}\n${sessionKey(row)}`
  const places = new Map(cohort.rows.map((row, n) => [key(row), n]))
  return (who) => {
    const place = places.get(key(who))
    if (place !== undefined) return place
    const name = who.session === undefined ? who.participant : `${who.participant}, ${who.session}`
    throw new InputError(
      `${cohort.name} has no row of ${name}, whom the networks were tested on; give the table that they were trained on`,
    )
  }
}

export interface StudyScans {
  /** Where all scans lie. */
  readonly grid: Grid
  /** Mean of the scans, NaN and infinite voxels as 0. */
  readonly mean: Volume
  /** Size of a network's voxels in mm along [D, H, W]. */
  spacing(description: Network['description']): [number, number, number]
  /** A row's scan as a network sees it. */
  input(network: Network, row: number): Promise<MaskInput>
}

/**
 * Reads scans, keeping what fits in memory.
 * @param network any of those that will see them: all have its recipe, but for residuals
 * @param rows of the cohort
 * @throws InputError naming the file that cannot be used, or that lies on another grid
 */
export async function readStudyScans(
  cohort: Cohort,
  rows: readonly number[],
  { description }: Network,
  covariates: (row: number) => ScanCovariates,
  onProgress?: (done: number, total: number) => void,
): Promise<StudyScans> {
  const { residual: _, ...recipe } = description.recipe
  const prepare = (path: string, volume: Volume) => {
    try {
      return applyRecipe(recipe, volume, description.input).tensor
    } catch (error) {
      throw error instanceof InputError && !error.message.includes(path)
        ? new InputError(`${path}: ${error.message}`)
        : error
    }
  }
  const pathOf = (row: number) => cohort.rows[row]!.scan!
  let grid: Grid | undefined
  let sum = new Float64Array()
  const seen = new Set<number>()
  const add = (row: number, volume: Volume) => {
    if (!grid) {
      grid = { shape: volume.shape, affine: volume.affine }
      sum = new Float64Array(volume.data.length)
    }
    if (!sameGrid(volume, grid)) {
      throw new InputError(
        `${pathOf(row)} lies on another grid than ${pathOf(rows[0]!)}; bring all scans to one, where maps can be compared voxel by voxel`,
      )
    }
    for (let v = 0; v < sum.length; v++) if (Number.isFinite(volume.data[v]!)) sum[v]! += volume.data[v]!
    seen.add(row)
  }
  const read = async (row: number) => {
    const volume = await readVolumeFile(pathOf(row))
    if (!seen.has(row)) add(row, volume)
    return prepare(pathOf(row), volume)
  }
  const load = keepLoaded(read, 4 * product(description.input), totalmem() / 3)
  for (const [n, row] of rows.entries()) {
    await load(row)
    onProgress?.(n + 1, rows.length)
  }
  if (!grid) throw new InputError('the study has no scans')
  const spacing = tensorSpacing(recipe, grid.affine)
  const place = grid.affine
  return {
    grid,
    spacing: (own) => tensorSpacing(own.recipe, place),
    mean: { ...grid, data: Float32Array.from(sum, (value) => value / rows.length) },
    input: async (network, row) => inputOf(network, await load(row), covariates(row), spacing),
  }
}

function inputOf(
  network: Network,
  plain: Float32Array,
  covariates: ScanCovariates,
  spacing: readonly [number, number, number],
): MaskInput {
  const model = residualModel(network)
  if (!model) return { tensor: plain, spacing }
  return { tensor: residualise(plain, covariates, model).tensor, plain, spacing }
}

/** What phantoms call the column of their true maps. */
const TRUTH_COLUMN = 'atrophy_path'

/**
 * The mean true map of rows, where the table has any.
 * @param column of their paths; default: that of phantoms, if it is there
 * @throws InputError for a column that the table has not, or a map that cannot be read or lies on another grid
 */
export async function meanTruth(
  cohort: Cohort,
  rows: readonly number[],
  grid: Grid,
  column: string | undefined,
): Promise<Volume | undefined> {
  if (column === undefined && !cohort.columns.includes(TRUTH_COLUMN)) return undefined
  const truths = await findScans(cohort, dirname(resolve(cohort.name)), { path: column ?? TRUTH_COLUMN })
  const sum = new Float64Array(product(grid.shape))
  for (const row of rows) {
    const { scan, scanFault, participant } = truths.rows[row]!
    if (scan === undefined) throw new InputError(`${participant}: no true map (${scanFault ?? 'the cell is empty'})`)
    const volume = await readVolumeFile(scan)
    if (!sameGrid(volume, grid)) throw new InputError(`${scan} lies on another grid than the scans`)
    for (let v = 0; v < sum.length; v++) if (Number.isFinite(volume.data[v]!)) sum[v]! += volume.data[v]!
  }
  return { ...grid, data: Float32Array.from(sum, (value) => value / rows.length) }
}
