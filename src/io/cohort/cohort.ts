/**
 * A cohort: a table of scans with who they are of, what they are labelled, and all else that the table says. Making one
 * never looks at files, and leaves what is wrong with single rows to checkCohort, which tells all of it at once.
 */

import { InputError } from '../errors.ts'
import type { TsvRow } from '../tsv.ts'
import { identityMapping, type LabelMapping, orderClasses, parseLabelMapping } from './cohort-labels.ts'
import { parseTable } from './table.ts'

export interface CohortRow {
  /** Line in the table; the header is line 1. */
  readonly line: number
  /** participant_id as the table has it; empty where it has none. */
  readonly participant: string
  /** session_id; absent where the table has none. */
  readonly session?: string
  /** Class name; absent where the label is missing or belongs to no class. */
  readonly label?: string
  /** The label as the table has it. */
  readonly givenLabel?: string
  /** Path of the scan, once it is known (see findScans). */
  readonly scan?: string
  /** Why no scan is known, in words that follow a row's name. */
  readonly scanFault?: string
  /** All cells by column name, null where missing. */
  readonly cells: TsvRow
}

export interface Cohort {
  /** What to call it in messages: the table's path. */
  readonly name: string
  readonly columns: readonly string[]
  /** Column of the labels; absent where the table has none. */
  readonly labelColumn?: string
  /** Class names; a class's index is its place here. */
  readonly classes: readonly string[]
  readonly rows: readonly CohortRow[]
  /** Rows that were left out on request, and why. */
  readonly leftOut: readonly { readonly row: CohortRow; readonly reason: string }[]
  /** Where scans were looked for, in words. */
  readonly source?: string
}

export interface CohortOptions {
  /** Column of the labels. Default: the first there is of diagnosis, label and group. */
  labelColumn?: string
  /** Which label belongs to which class: a mapping, or its text such as `AD=1,CN=0`. Default: each label is a class. */
  labels?: LabelMapping | string
  /** Class names in order; other labels are unmapped. Not together with `labels`. Default: see orderClasses. */
  classes?: readonly string[]
  /** What becomes of rows whose label is missing or in no class. Default 'refuse': checkCohort lists them. */
  unmapped?: 'refuse' | 'drop'
}

/** What the columns of participants and sessions are called, the usual name first. */
export const PARTICIPANT_COLUMNS = ['participant_id', 'subject_id', 'participant', 'subject']
export const SESSION_COLUMNS = ['session_id', 'session']
const LABEL_COLUMNS = ['diagnosis', 'label', 'group']

/**
 * Reads a cohort from a table's text: BIDS participants.tsv, ClinicaDL TSV, or CSV (see parseTable).
 * @param name what to call the table in messages
 * @throws InputError for a table that cannot be read, no column of participants, or a label column that is not there
 */
export function parseCohort(text: string, options: CohortOptions = {}, name = 'the cohort'): Cohort {
  const { columns, rows } = parseTable(text, name)
  const participantColumn = findColumn(columns, PARTICIPANT_COLUMNS)
  if (participantColumn === undefined) {
    throw new InputError(`${name} has no column participant_id; it has ${columns.join(', ')}`)
  }
  const sessionColumn = findColumn(columns, SESSION_COLUMNS)
  const labelColumn = findColumn(columns, options.labelColumn === undefined ? LABEL_COLUMNS : [options.labelColumn])
  if (options.labelColumn !== undefined && labelColumn === undefined) {
    throw new InputError(`${name} has no column "${options.labelColumn}"; it has ${columns.join(', ')}`)
  }
  const given = rows.map(({ cells }) => (labelColumn === undefined ? null : cells[labelColumn]))
  const mapping = chooseMapping(options, given)
  const all = rows.map(({ line, cells }, n): CohortRow => {
    const session = sessionColumn === undefined ? null : cells[sessionColumn]
    const label = mapping.classOf.get(given[n] ?? '')
    return {
      line,
      participant: cells[participantColumn] ?? '',
      ...(session && { session }),
      ...(label !== undefined && { label }),
      ...(given[n] && { givenLabel: given[n] }),
      cells,
    }
  })
  const cohort = {
    name,
    columns,
    ...(labelColumn && { labelColumn }),
    classes: mapping.classes,
    rows: all,
    leftOut: [],
  }
  if (options.unmapped !== 'drop') return cohort
  return leaveOut(cohort, (row) =>
    row.label !== undefined ? undefined : row.givenLabel ? `label "${row.givenLabel}" is in no class` : 'no label',
  )
}

function chooseMapping(
  { labels, classes }: CohortOptions,
  given: readonly (string | null | undefined)[],
): LabelMapping {
  if (labels !== undefined && classes !== undefined) {
    throw new InputError('give either a label mapping or a list of classes, not both')
  }
  if (labels !== undefined) return typeof labels === 'string' ? parseLabelMapping(labels) : labels
  return identityMapping(classes ?? orderClasses(given.filter((label) => typeof label === 'string')))
}

/** The first of these names that is a column; where none is, the first whose case alone differs. */
export function findColumn(columns: readonly string[], names: readonly string[]): string | undefined {
  const exact = names.find((name) => columns.includes(name))
  if (exact !== undefined) return exact
  const lower = columns.map((column) => column.toLowerCase())
  const close = names.find((name) => lower.includes(name.toLowerCase()))
  return close === undefined ? undefined : columns[lower.indexOf(close.toLowerCase())]
}

/** The cohort without the rows that have a reason to be left out; they are kept apart, with it. */
export function leaveOut(cohort: Cohort, reason: (row: CohortRow, index: number) => string | undefined): Cohort {
  const reasons = cohort.rows.map(reason)
  const gone = cohort.rows.flatMap((row, n) => (reasons[n] === undefined ? [] : [{ row, reason: reasons[n] }]))
  return {
    ...cohort,
    rows: cohort.rows.filter((_, n) => reasons[n] === undefined),
    leftOut: [...cohort.leftOut, ...gone],
  }
}

/** Who a row is of: the participant without BIDS's `sub-`, so that sub-01 and 01 are one person. */
export function participantKey(row: Pick<CohortRow, 'participant'>): string {
  return row.participant.replace(/^sub-/, '')
}

/** A session without BIDS's `ses-`; empty where there is none. */
export function sessionKey(row: Pick<CohortRow, 'session'>): string {
  return (row.session ?? '').replace(/^ses-/, '')
}

/** A row as messages name it: participant, session, line. */
export function rowName({ participant, session, line }: CohortRow): string {
  return `${[participant || 'nobody', session].filter(Boolean).join(' ')} (line ${line})`
}

/** Index of a row's class in cohort.classes, or -1. */
export function classIndex(cohort: Cohort, row: CohortRow): number {
  return row.label === undefined ? -1 : cohort.classes.indexOf(row.label)
}

/**
 * Why a name from a table may not become part of a path, or undefined where it may. Names go into the paths of scans
 * that are looked for and of results that are written.
 */
export function unsafeName(name: string): string | undefined {
  if (/[/\\]/.test(name)) return `"${name}" holds a slash and could lead to another folder`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return `${JSON.stringify(name)} holds a control character`
  if (name.startsWith('.')) return `"${name}" begins with a dot and would name a hidden file or another folder`
  return undefined
}
