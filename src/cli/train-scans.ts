/** Cohorts that are trained on, from table to inputs: checked, read once where they fit in memory, else when wanted. */
import { totalmem } from 'node:os'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Command, Option } from 'commander'
import type { Cohort } from '../io/cohort/cohort.ts'
import { type CheckedCohort, openCheckedCohort } from '../io/cohort/cohort-check.node.ts'
import { type CheckOptions, requireSound } from '../io/cohort/cohort-check.ts'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import { isGzip } from '../io/gunzip.ts'
import { type NiftiVolume, readVolume } from '../io/nifti.ts'
import type { Grid } from '../io/resample.ts'
import { keepLoaded, type LoadScan, type ResidualChoice, type ScanSet } from '../model/crossval/scan-set.ts'
import { product } from '../model/layer-rules.ts'
import { applyRecipe, inputShape, type Recipe } from '../model/recipe/recipe.ts'
import { type CohortCommandOptions, cohortOptions } from './cohort-options.ts'
import { bytesOption, listOption } from './options.ts'
import type { Progress } from './progress.ts'

export interface ScanCommandOptions extends CohortCommandOptions {
  residualise?: string[]
  controls?: string
  cache?: number
}

/** Adds options about inputs that the recipe does not have: residuals, and memory for what was read. */
export function addScanOptions(command: Command): Command {
  return command
    .option('--residualise <covariates>', 'take off what they explain in training controls: age,sex,tiv', listOption)
    .option('--controls <class>', 'whom that is fitted on (default: the first class)')
    .addOption(
      new Option('--cache <bytes>', "memory for scans; others are read again (default: half the machine's)").argParser(
        bytesOption,
      ),
    )
}

/**
 * A cohort with labels and scans.
 * @param further checks besides those that the options ask for
 * @throws InputError for a table without labels, or with any problem
 */
export async function openLabelledCohort(
  table: string,
  options: ScanCommandOptions,
  further: CheckOptions = {},
): Promise<CheckedCohort & { grid: Grid }> {
  const covariates = [...new Set([...(options.covariates ?? []), ...(options.residualise ?? [])])]
  const checked = await openCheckedCohort(table, { ...cohortOptions(options), covariates, ...further })
  const { cohort, report } = checked
  if (cohort.labelColumn === undefined) {
    const columns = cohort.columns.join(', ')
    throw new InputError(`${table} has no column of labels (it has ${columns}); name it with --label-column`)
  }
  requireSound(cohort, report)
  return { ...checked, grid: report.summary.grid! }
}

/** @throws InputError for controls that are none of the classes */
export function residualChoice(
  { residualise, controls, missing }: ScanCommandOptions,
  classes: readonly string[],
): ResidualChoice | undefined {
  if (!residualise) {
    if (controls !== undefined) throw new InputError('--controls is for --residualise; name covariates there')
    return undefined
  }
  const healthy = controls ?? classes[0]!
  if (!classes.includes(healthy)) {
    throw new InputError(`--controls ${healthy} is none of the classes ${classes.join(', ')}`)
  }
  return { covariates: residualise, controls: healthy, missing: missing === 'mean' ? 'mean' : 'refuse' }
}

/** Input [1, D, H, W] that a recipe makes of scans on a grid. */
export function inputOn(recipe: Recipe, { shape, affine }: Grid): [number, number, number, number] {
  return inputShape(recipe, { shape, affine, data: new Float32Array() })
}

const gunzipApart = promisify(gunzip)

/** A volume whose gunzip runs beside the main thread, which has a GPU to feed. @throws InputError as readVolumeFile */
async function readVolumeApart(path: string): Promise<NiftiVolume> {
  const bytes = await readFileChecked(path)
  // What zlib will not take is judged by readVolume, in its words.
  const plain = isGzip(bytes) ? await gunzipApart(bytes, { maxOutputLength: 2 ** 31 }).catch(() => bytes) : bytes
  return readVolume(plain, { name: path })
}

export interface OpenSet extends ScanSet {
  /** Loads all scans that there is room for. */
  readAhead(progress: Progress, label?: string): Promise<void>
}

/**
 * Cohorts as sets of scans that share the room for what was read; earlier ones come first.
 * @param onNote what the user should know of a scan, once
 */
export function openSets(
  cohorts: readonly { readonly name: string; readonly cohort: Cohort }[],
  recipe: Recipe,
  input: readonly number[],
  cache: number | undefined,
  onNote: (note: string) => void,
): { sets: OpenSet[]; room: number } {
  const bytes = 4 * product(input)
  let room = cache ?? totalmem() / 2
  const sets = cohorts.map(({ name, cohort }): OpenSet => {
    const told = new Set<number>()
    const read = async (n: number) => {
      const path = cohort.rows[n]!.scan!
      try {
        const { tensor, nonFinite, notes } = applyRecipe(recipe, await readVolumeApart(path), input)
        if (!told.has(n)) {
          if (nonFinite > 0) onNote(`${path}: ${nonFinite} NaN or infinite voxels were set to zero`)
          for (const note of notes) onNote(`${path}: ${note}`)
        }
        told.add(n)
        return tensor
      } catch (error) {
        const named = error instanceof InputError && !error.message.includes(path)
        throw named ? new InputError(`${path}: ${error.message}`) : error
      }
    }
    const own = Math.min(room, cohort.rows.length * bytes)
    room -= own
    const load = keepLoaded(read, bytes, own)
    return { name, cohort, load, readAhead: (progress) => loadAll(load, Math.floor(own / bytes), progress) }
  })
  return { sets, room }
}

/** Scans that are read at once: one is gunzipped while another is prepared. */
const ABREAST = 4

async function loadAll(load: LoadScan, count: number, progress: Progress): Promise<void> {
  let next = 0
  let done = 0
  const work = async () => {
    while (next < count) {
      await load(next++)
      progress.update(++done, count)
    }
  }
  await Promise.all(Array.from({ length: ABREAST }, work))
}
