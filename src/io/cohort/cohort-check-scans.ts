/** Checks of a cohort's files: there, readable, each once, and all on one grid. */

import type { Grid } from '../resample.ts'
import type { Cohort, CohortRow } from './cohort.ts'
import { type CohortProblem, problemOf, sharing } from './cohort-problem.ts'
import { describeGrid, gridDifferences, gridsAgree } from './grid-difference.ts'

/** What is known of a file before its voxels are read. */
export interface ScanFacts {
  /** Why it cannot be used; the rest is absent then. `missing`: there is no such file. */
  readonly fault?: { readonly kind: 'missing' | 'unreadable'; readonly message: string }
  /** The same for two paths that lead to one file. */
  readonly identity?: string
  /** The same for two files of the same bytes; absent where that would need reading all of it. */
  readonly checksum?: string
  readonly grid?: Grid
  /** Bytes of the file. */
  readonly bytes?: number
}

export function checkScans(
  cohort: Cohort,
  facts: ReadonlyMap<string, ScanFacts>,
  wanted: Grid | undefined,
): { problems: CohortProblem[]; notes: string[]; grid?: Grid } {
  const factsOf = (row: CohortRow) => (row.scan === undefined ? undefined : facts.get(row.scan))
  const unknown = cohort.rows.flatMap((row) =>
    row.scan === undefined ? [{ row, detail: row.scanFault ?? 'no scan' }] : [],
  )
  const faulty = (kind: 'missing' | 'unreadable') =>
    cohort.rows.flatMap((row) => {
      const fault = factsOf(row)?.fault
      return fault?.kind === kind ? [{ row, detail: fault.message }] : []
    })
  const problems: CohortProblem[] = []
  const add = (kind: 'scan' | 'header', message: string, rows: { row: CohortRow; detail: string }[]) => {
    if (rows.length > 0) problems.push(problemOf(kind, message, rows))
  }
  add('scan', 'rows whose scan could not be told; see each, or name the files in a column "path"', unknown)
  add('scan', 'scans that are missing', faulty('missing'))
  add('header', 'files that are no usable volume; make or copy them again', faulty('unreadable'))
  for (const rows of sharing(cohort.rows, (row) => factsOf(row)?.identity)) {
    const message = `one file is named by ${rows.length} rows; each scan may stand in the table once`
    problems.push(
      problemOf(
        'same-file',
        message,
        rows.map((row) => ({ row, detail: row.scan! })),
      ),
    )
  }
  const usable = cohort.rows.filter((row) => factsOf(row)?.grid !== undefined)
  const grid = wanted ?? commonGrid(usable.map((row) => factsOf(row)!.grid!))
  if (grid) problems.push(...checkGrids(usable, (row) => factsOf(row)!.grid!, grid, wanted !== undefined))
  return { problems, notes: copyNotes(cohort, factsOf), ...(grid && { grid }) }
}

/** The grid that most scans lie on; of equally many, the one seen first. */
function commonGrid(grids: readonly Grid[]): Grid | undefined {
  const kinds: { grid: Grid; count: number }[] = []
  for (const grid of grids) {
    const kind = kinds.find((other) => gridsAgree(grid, other.grid))
    if (kind) kind.count++
    else kinds.push({ grid, count: 1 })
  }
  return kinds.reduce<(typeof kinds)[number] | undefined>(
    (best, kind) => (best && best.count >= kind.count ? best : kind),
    undefined,
  )?.grid
}

/** One problem for each way in which scans differ. */
function checkGrids(rows: readonly CohortRow[], gridOf: (row: CohortRow) => Grid, wanted: Grid, given: boolean) {
  const ways = new Map<string, CohortRow[]>()
  for (const row of rows) {
    const difference = gridDifferences(gridOf(row), wanted).join(', ')
    if (difference !== '') ways.set(difference, [...(ways.get(difference) ?? []), row])
  }
  const others = given ? 'is needed' : 'most scans have'
  return [...ways].map(([difference, deviating]) => {
    const message = `another grid (${difference}) than ${others} (${describeGrid(wanted)}); resample, or leave out`
    return problemOf(
      'grid',
      message,
      deviating.map((row) => ({ row, detail: row.scan! })),
    )
  })
}

/** Copies under several names are no fault of the table, but the same brain in two sets would be. */
function copyNotes(cohort: Cohort, factsOf: (row: CohortRow) => ScanFacts | undefined): string[] {
  const copies = sharing(cohort.rows, (row) => factsOf(row)?.checksum)
  const different = copies.filter((rows) => new Set(rows.map((row) => factsOf(row)!.identity)).size > 1)
  return different.map((rows) => {
    const names = rows.map((row) => `${row.participant}${row.session ? ` ${row.session}` : ''}`)
    return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''} have scans with the same content (checksum)`
  })
}
