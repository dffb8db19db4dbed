/** Cohorts from disk: the table, and where its scans lie (Node only). */
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { InputError } from '../errors.ts'
import { readFileChecked } from '../files.node.ts'
import { type Cohort, type CohortOptions, type CohortRow, findColumn, parseCohort, unsafeName } from './cohort.ts'
import { BIDS_PATTERNS, capsPatterns, completePattern, expandPattern, type PatternStep } from './cohort-pattern.ts'
import { decodeTable } from './table.ts'

/** Where scans lie. Give one of path, bids and caps; with none, a path column is looked for. */
export interface ScanSource {
  /** Column of paths, absolute or relative to the table. Default: the first there is of path, scan, filename, ... */
  path?: string
  /** A BIDS-derivatives folder (see BIDS_PATTERNS), CAT12 files included. */
  bids?: string
  /** A CAPS folder of Clinica (see capsPatterns). */
  caps?: string
  /** Of a CAPS folder's maps: modulated (Jacobian-scaled) or not; default 'on'. */
  modulated?: 'on' | 'off'
  /** Of a CAPS folder's maps: full width of their smoothing in mm; default: not smoothed. */
  fwhm?: number
  /** Which files (see cohort-pattern.ts), below `bids`, `caps` or the table's folder; instead of the usual ones. */
  pattern?: string
}

const PATH_COLUMNS = ['path', 'scan', 'filename', 'scan_path', 'file', 'image']

/**
 * Reads a cohort's table and finds its scans. Rows without a scan keep the reason (scanFault); whether files are there
 * and sound is for checkCohortFiles.
 * @throws InputError for a table that cannot be read (see parseCohort), or a source that does not exist
 */
export async function openCohort(file: string, options: CohortOptions & ScanSource = {}): Promise<Cohort> {
  const cohort = parseCohort(decodeTable(await readFileChecked(file), file), options, file)
  return findScans(cohort, dirname(resolve(file)), options)
}

/**
 * Gives each row its scan.
 * @param folder what relative paths in the table are relative to
 * @throws InputError for a folder or column that is not there, a pattern that will not do, or two sources at once
 */
export async function findScans(cohort: Cohort, folder: string, source: ScanSource = {}): Promise<Cohort> {
  const named = (['path', 'bids', 'caps'] as const).filter((key) => source[key] !== undefined)
  if (named.length > 1 || (source.path !== undefined && source.pattern !== undefined)) {
    const both = [...named, ...(source.pattern === undefined ? [] : ['pattern'])].join(' and ')
    throw new InputError(`${both} were given; say one thing about where scans lie`)
  }
  const root = source.bids ?? source.caps ?? (source.pattern === undefined ? undefined : folder)
  if (root === undefined) return scansFromColumn(cohort, folder, source.path)
  const about = await stat(root).catch(() => undefined)
  if (!about?.isDirectory()) {
    throw new InputError(
      `the folder of scans ${root} ${about ? 'is a file, not a folder' : 'does not exist'}; check the path`,
    )
  }
  const usual = source.caps === undefined ? BIDS_PATTERNS : capsPatterns(source.modulated ?? 'on', source.fwhm)
  const patterns = source.pattern === undefined ? usual : [completePattern(source.pattern)]
  return scansByPattern(cohort, resolve(root), patterns)
}

function scansFromColumn(cohort: Cohort, folder: string, wanted: string | undefined): Cohort {
  const column = findColumn(cohort.columns, wanted === undefined ? PATH_COLUMNS : [wanted])
  if (column === undefined) {
    const what = wanted === undefined ? 'none of the columns path, scan and filename' : `no column "${wanted}"`
    throw new InputError(
      `${cohort.name} has ${what} (it has ${cohort.columns.join(', ')}); ` +
        'name the column of the scans, or the BIDS or CAPS folder that holds them',
    )
  }
  const rows = cohort.rows.map((row) => {
    const path = row.cells[column]
    return path ? { ...row, scan: resolve(folder, path) } : { ...row, scanFault: `no path in the column "${column}"` }
  })
  return { ...cohort, rows, source: `column ${column}` }
}

/**
 * Of several patterns, the one that finds the one scan of the most rows is used for all of them, so that a cohort never mixes
 * maps of different pipelines; of equally good ones the first.
 */
async function scansByPattern(cohort: Cohort, root: string, patterns: readonly string[]): Promise<Cohort> {
  const list = makeLister()
  const unsafe = cohort.rows.map((row) => unsafeName(row.participant) ?? (row.session && unsafeName(row.session)))
  let best: { pattern: string; found: string[][]; count: number } | undefined
  for (const pattern of patterns) {
    const found: string[][] = []
    for (const [n, row] of cohort.rows.entries()) {
      found.push(unsafe[n] || row.participant === '' ? [] : await matches(root, pattern, row, list))
    }
    // A row with one scan counts for more than any number with several, of which none can be told to be the right one.
    const single = found.filter((paths) => paths.length === 1).length
    const count = single + found.filter((paths) => paths.length > 1).length / (cohort.rows.length + 1)
    if (!best || count > best.count) best = { pattern, found, count }
    if (single === cohort.rows.length) break
  }
  const { pattern, found } = best!
  const looked = best!.count > 0 ? pattern : patterns.join(' or ')
  const rows = cohort.rows.map((row, n): CohortRow => {
    const paths = found[n]!
    if (paths.length === 1) return { ...row, scan: paths[0]! }
    return { ...row, scanFault: unsafe[n] || faultOf(row, paths, looked, root) }
  })
  return { ...cohort, rows, source: `${root}, ${looked}` }
}

function faultOf(row: CohortRow, paths: readonly string[], pattern: string, root: string): string {
  if (row.participant === '') return 'no participant_id to look for'
  if (paths.length === 0) return `no file in ${root} is ${pattern}`
  const names = paths.slice(0, 3).map((path) => relative(root, path))
  const more = paths.length > names.length ? `, and ${paths.length - names.length} more` : ''
  return `${paths.length} files could be meant: ${names.join(', ')}${more}; tell by a pattern or by session_id`
}

/** How deep `**` looks. */
const DEEPEST = 6

type Lister = (folder: string) => Promise<readonly Dirent[]>

/** Lists each folder once, in order of names and without hidden ones; what cannot be listed is empty. */
function makeLister(): Lister {
  const known = new Map<string, Promise<Dirent[]>>()
  return (folder) => {
    let entries = known.get(folder)
    if (!entries) {
      entries = readdir(folder, { withFileTypes: true })
        .then((all) => all.filter(({ name }) => !name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1)))
        .catch(() => [])
      known.set(folder, entries)
    }
    return entries
  }
}

async function matches(root: string, pattern: string, row: CohortRow, list: Lister): Promise<string[]> {
  const found = new Set<string>()
  for (const steps of expandPattern(pattern, row)) await walk(root, steps, list, found)
  return [...found].sort()
}

/** Adds the files below a folder that the steps lead to. Links count as what they may lead to (git-annex has them). */
async function walk(
  folder: string,
  steps: readonly PatternStep[],
  list: Lister,
  found: Set<string>,
  depth = 0,
): Promise<void> {
  const [step, ...rest] = steps
  if (step === undefined) return
  const entries = await list(folder)
  if (step === 'any folders') {
    await walk(folder, rest, list, found)
    if (depth === DEEPEST) return
    // Links to folders are not followed here: they may lead in a circle.
    for (const entry of entries)
      if (entry.isDirectory()) await walk(join(folder, entry.name), steps, list, found, depth + 1)
    return
  }
  for (const entry of entries) {
    if ('name' in step ? entry.name !== step.name : !step.names.test(entry.name)) continue
    const path = join(folder, entry.name)
    if (rest.length > 0) await walk(path, rest, list, found)
    else if (!entry.isDirectory()) found.add(path)
  }
}
