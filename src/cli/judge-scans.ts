/** The scans of voxplain judge, with the maps of what is true of them. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { prepareScan } from '../explain/explain.ts'
import type { JudgedInput } from '../explain/judge/judge.ts'
import { findScans } from '../io/cohort/cohort-files.node.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { applyRecipe } from '../model/recipe/recipe.ts'
import type { JudgeCommandOptions } from './judge-options.ts'
import { type LoadedNetwork, withHint } from './network.ts'
import { type ListedScan, listScans, stemsOf } from './scan-list.ts'
import { tellAbout } from './scans.ts'
import type { Reporter } from './terminal.ts'

export interface JudgedScan extends ListedScan {
  /** Its name in tables. */
  readonly name: string
  /** File of its true map. */
  readonly truth?: string
}

/** What phantoms call the column of their true maps. */
const TRUTH_COLUMN = 'atrophy_path'

/**
 * The scans that are meant, and their true maps as far as there are any.
 * @throws InputError for what listScans refuses, or a --truth that is neither a column, nor files, nor a file
 */
export async function listJudged(
  paths: readonly string[],
  { network }: LoadedNetwork,
  options: JudgeCommandOptions,
): Promise<{ scans: JudgedScan[]; notes: readonly string[] }> {
  const { scans: all, notes } = await listScans(paths, network, options)
  const names = stemsOf(all)
  const table = all[0]?.row ? paths[0]! : undefined
  const scans = all.slice(0, options.limit).map((scan, n) => ({ ...scan, name: names[n]! }))
  if (options.truth !== undefined) return { scans: await withTruth(scans, table, options.truth), notes }
  return { scans: await Promise.all(scans.map((scan) => withPhantomTruth(scan, table))), notes }
}

async function withTruth(
  scans: readonly JudgedScan[],
  table: string | undefined,
  truth: string,
): Promise<JudgedScan[]> {
  const columns = Object.keys(scans[0]?.row?.cells ?? {})
  if (table !== undefined && columns.includes(truth)) {
    return scans.map((scan) => {
      const path = scan.row!.cells[truth]
      return path ? { ...scan, truth: resolve(dirname(table), path) } : scan
    })
  }
  if (await isFile(truth)) return scans.map((scan) => ({ ...scan, truth }))
  if (table === undefined)
    throw new InputError(`--truth ${truth} is no file; without a table it is one map for all scans`)
  const rows = scans.map(({ row }) => row!)
  const cohort = { name: table, columns, classes: [], leftOut: [], rows: rows.map(({ scan: _, ...row }) => row) }
  const found = await findScans(cohort, dirname(resolve(table)), { pattern: truth })
  if (found.rows.every(({ scan }) => scan === undefined)) {
    throw new InputError(
      `--truth ${truth} is no column of ${table} (${columns.join(', ')}), and there are no such files below it`,
    )
  }
  return scans.map((scan, n) => ({ ...scan, ...(found.rows[n]!.scan && { truth: found.rows[n]!.scan }) }))
}

/** A phantom's table has a column of its true maps, and its folders have them beside the scans. */
async function withPhantomTruth(scan: JudgedScan, table: string | undefined): Promise<JudgedScan> {
  const cell = scan.row?.cells[TRUTH_COLUMN]
  const truth = cell
    ? resolve(dirname(table!), cell)
    : join(dirname(scan.path), basename(scan.path).replace('_desc-phantom_', '_desc-atrophy_'))
  return truth !== scan.path && (await isFile(truth)) ? { ...scan, truth } : scan
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (about) => about.isFile(),
    () => false,
  )
}

/**
 * Reads a scan and its true map.
 * @throws InputError for a file that will not do
 */
export async function loadJudged(
  loaded: LoadedNetwork,
  { path, truth, covariates }: JudgedScan,
  target: number | undefined,
  reporter: Reporter,
): Promise<JudgedInput> {
  const { network } = loaded
  const volume = await readVolumeFile(path)
  const prepared = await withHint(loaded, volume, async () => prepareScan(network, volume, covariates))
  tellAbout(path, prepared, reporter)
  const { tensor, plain, spacing } = prepared
  if (!(plain ?? tensor).some((value) => value !== 0))
    throw new InputError(`${path} is 0 everywhere: no map of it can be judged`)
  const input = { tensor, spacing, ...(plain && { plain }), ...(target !== undefined && { target }) }
  if (truth === undefined) return input
  const { residual: _, ...recipe } = network.description.recipe
  // Where a voxel goes is the recipe's; what it holds is the truth's own.
  const plainly = { ...recipe, scaling: 'none' } as const
  return { ...input, truth: applyRecipe(plainly, await readVolumeFile(truth), network.description.input).tensor }
}
