/** A problem of a cohort: what is wrong, what to do, and the rows it is about. */
import { type CohortRow, rowName } from './cohort.ts'

export type ProblemKind =
  | 'participant'
  | 'duplicate'
  | 'label'
  | 'class'
  | 'covariate'
  | 'scan'
  | 'header'
  | 'same-file'
  | 'grid'

export interface CohortProblem {
  readonly kind: ProblemKind
  /** One sentence: what is wrong and what to do. */
  readonly message: string
  /** The rows it is about; empty where it is about the whole table. */
  readonly rows: readonly { readonly line: number; readonly name: string; readonly detail?: string }[]
}

/** A problem about rows. */
export function problemOf(
  kind: ProblemKind,
  message: string,
  rows: readonly { readonly row: CohortRow; readonly detail?: string }[],
): CohortProblem {
  const named = rows.map(({ row, detail }) => ({ line: row.line, name: rowName(row), ...(detail && { detail }) }))
  return { kind, message, rows: named }
}

/** Groups of two or more rows that share a key, in order of their first rows; rows without a key are passed over. */
export function sharing(rows: readonly CohortRow[], key: (row: CohortRow) => string | undefined): CohortRow[][] {
  const groups = new Map<string, CohortRow[]>()
  for (const row of rows) {
    const own = key(row)
    if (own === undefined) continue
    const group = groups.get(own)
    if (group) group.push(row)
    else groups.set(own, [row])
  }
  return [...groups.values()].filter((group) => group.length > 1)
}
