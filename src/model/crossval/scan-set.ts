/** Scans of a cohort as trainings and evaluations take them: read once where they fit in memory, residuals where wanted. */
import { type Cohort, classIndex } from '../../io/cohort/cohort.ts'
import { type Covariates, readCovariates } from '../../io/cohort/covariates.ts'
import { InputError } from '../../io/errors.ts'
import { type ResidualModel, residualise, scanCovariates } from '../recipe/residual.ts'
import { residualDesign } from '../recipe/residual-design.ts'
import { fitResidual } from '../recipe/residual-fit.ts'
import type { Samples } from '../training/train-data.ts'

/** The network's input of one scan, [C, D, H, W]. */
export type LoadScan = (index: number) => Promise<Float32Array> | Float32Array

/** A cohort and its scans. */
export interface ScanSet {
  /** What to call it in results. */
  readonly name: string
  readonly cohort: Cohort
  /** The input of a row's scan as its recipe leaves it, residuals not yet taken. */
  readonly load: LoadScan
}

/**
 * Keeps what was loaded while there is room, so that it is loaded once; what does not fit is loaded whenever it is wanted.
 * The first that come stay: every epoch wants all of them, so replacing some by others would gain nothing.
 * @param bytes of one scan. @param room for all of them, in bytes
 */
export function keepLoaded(load: LoadScan, bytes: number, room: number): LoadScan {
  const most = Math.floor(room / bytes)
  const kept = new Map<number, Promise<Float32Array> | Float32Array>()
  return (index) => {
    const known = kept.get(index)
    if (known) return known
    const loading = load(index)
    if (kept.size >= most) return loading
    if (loading instanceof Float32Array) {
      kept.set(index, loading)
      return loading
    }
    const arriving = loading.then(
      (tensor) => {
        kept.set(index, tensor)
        return tensor
      },
      (error: unknown) => {
        kept.delete(index)
        throw error
      },
    )
    // Whoever asks for it meanwhile gets the same.
    kept.set(index, arriving)
    return arriving
  }
}

/**
 * Rows of a set as samples.
 * @param classes of the network. @param load default: the set's own
 * @param other class of rows whose label is none of the classes, where they may be among them
 * @throws InputError naming a row of no class, where there is no other
 */
export function samplesOf(
  { cohort, load: own }: ScanSet,
  rows: readonly number[],
  classes: readonly string[],
  { load = own, other }: { readonly load?: LoadScan; readonly other?: number } = {},
): Samples {
  const labels = rows.map((n) => {
    const row = cohort.rows[n]!
    const label = row.label === undefined ? -1 : classes.indexOf(row.label)
    if (label >= 0) return label
    if (other !== undefined) return other
    throw new InputError(`${cohort.name}, line ${row.line}: the label is none of the classes ${classes.join(', ')}`)
  })
  const names = rows.map((n) => cohort.rows[n]!.scan ?? `line ${cohort.rows[n]!.line}`)
  return { count: rows.length, labels, names, load: (k) => load(rows[k]!) }
}

/** Rows whose label is one of these classes. */
export function rowsOfClasses(cohort: Cohort, rows: readonly number[], classes: readonly string[]): number[] {
  return rows.filter((n) => {
    const place = classIndex(cohort, cohort.rows[n]!)
    return place >= 0 && classes.includes(cohort.classes[place]!)
  })
}

/** Which covariates are taken off, and who is healthy. */
export interface ResidualChoice {
  /** See readCovariates. */
  readonly covariates: readonly string[]
  /** Class of the controls. */
  readonly controls: string
  /** What becomes of a missing covariate; default 'refuse'. */
  readonly missing?: 'refuse' | 'mean'
}

/**
 * Fits a residualisation on the controls among some rows, which are to be training rows and no others.
 * @param input shape of the network's input, [C, D, H, W]
 * @throws InputError for covariates that are missing, too few controls, and what loading throws
 */
export async function fitOnControls(
  { cohort, load }: ScanSet,
  rows: readonly number[],
  input: readonly number[],
  { covariates, controls, missing }: ResidualChoice,
): Promise<{ model: ResidualModel; notes: readonly string[] }> {
  const healthy = rows.filter((n) => cohort.rows[n]!.label === controls)
  const design = residualDesign(readCovariates(cohort, covariates), healthy, { missing })
  async function* scans() {
    for (const n of healthy) yield await load(n)
  }
  return { model: await fitResidual(design, input, scans()), notes: design.notes }
}

/**
 * The residuals of a set's scans.
 * @param onNote gets what the user should know of a scan (a covariate beyond those of the controls), and its row
 */
export function residualLoad(
  { cohort, load }: ScanSet,
  model: ResidualModel,
  names: readonly string[],
  onNote?: (row: number, note: string) => void,
): LoadScan {
  const covariates: Covariates = readCovariates(cohort, names)
  return async (n) => {
    const { tensor, notes } = residualise(await load(n), scanCovariates(covariates, n), model)
    for (const note of notes) onNote?.(n, note)
    return tensor
  }
}
