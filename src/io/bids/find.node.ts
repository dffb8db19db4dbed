/** Who has grey-matter maps in a BIDS-derivatives, CAT12 or CAPS folder, with what its tables say of them (Node only). */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Cohort,
  type CohortRow,
  findColumn,
  PARTICIPANT_COLUMNS,
  parseCohort,
  participantKey,
  SESSION_COLUMNS,
  sessionKey,
  unsafeName,
} from '../cohort/cohort.ts'
import { findScans } from '../cohort/cohort-files.node.ts'
import { decodeTable, parseTable } from '../cohort/table.ts'
import { InputError } from '../errors.ts'
import { readFileChecked } from '../files.node.ts'
import type { TsvRow } from '../tsv.ts'

export interface FindOptions {
  /** Participants and sessions to look for, with or without sub- and ses-; default: all. */
  readonly participants?: readonly string[]
  readonly sessions?: readonly string[]
  readonly pattern?: string
  readonly modulated?: 'on' | 'off'
  readonly fwhm?: number
  readonly labelColumn?: string
}

/**
 * A cohort out of a folder: the participants of participants.tsv, else the folders sub-*, else the files mri/mwp1* of CAT12;
 * a row for each of their sessions. Cells of sub-*_sessions.tsv go before those of participants.tsv. Rows that are unsafe as
 * part of a path, and those whose map is ambiguous, have a scanFault; those without any map have one, too.
 * @returns everybody, as what a column means may depend on all of it, and the rows that were asked for
 * @throws InputError for a folder that is none, a table that cannot be read, or a participant asked for that is not there
 */
export async function findDataset(
  root: string,
  options: FindOptions = {},
): Promise<{ cohort: Cohort; asked: readonly number[] }> {
  const about = await stat(root).catch(() => undefined)
  if (!about?.isDirectory()) {
    throw new InputError(`the data set ${root} ${about ? 'is a file, not a folder' : 'does not exist; check the path'}`)
  }
  const caps = (await foldersIn(join(root, 'subjects'), 'sub-')).length > 0
  const subjects = caps ? join(root, 'subjects') : root
  const given = await readTable(root, options)
  const named = given?.cohort ?? parseCohort(asTable(await participantsOf(root, subjects)), {}, root)
  if (named.rows.length === 0) {
    throw new InputError(`${root} has no participants: neither participants.tsv nor folders sub-* nor mri/mwp1* files`)
  }
  const rows = (await Promise.all(named.rows.map((row) => withSessions(subjects, row)))).flat()
  const of = keepAsked(rows, options.participants, 'participant', participantKey, root)
  const asked = keepAsked(of, options.sessions, 'session', sessionKey, root)
  const columns = [...new Set([...named.columns, ...rows.flatMap(({ cells }) => Object.keys(cells))])]
  const { pattern, modulated, fwhm } = options
  const source = caps ? { caps: root, modulated, fwhm, pattern } : { bids: root, pattern }
  const cohort = await findScans({ ...named, columns, rows }, root, source)
  return { cohort, asked: asked.map((row) => rows.indexOf(row)) }
}

async function readTable(root: string, { labelColumn }: FindOptions): Promise<{ cohort: Cohort } | undefined> {
  const file = join(root, 'participants.tsv')
  if (!(await stat(file).catch(() => undefined))) return undefined
  return { cohort: parseCohort(decodeTable(await readFileChecked(file), file), { labelColumn }, file) }
}

const asTable = (names: readonly string[]) => `participant_id\n${names.join('\n')}\n`

async function participantsOf(root: string, subjects: string): Promise<string[]> {
  const folders = await foldersIn(subjects, 'sub-')
  if (folders.length > 0) return folders
  const flat = [...(await namesIn(root)), ...(await namesIn(join(root, 'mri')))]
  const stems = flat.flatMap((name) => /^mwp1(.+?)\.nii(?:\.gz)?$/.exec(name)?.[1] ?? [])
  return [...new Set(stems.map((stem) => /^sub-[0-9A-Za-z]+/.exec(stem)?.[0] ?? stem))].sort()
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort()
}

async function foldersIn(folder: string, prefix: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.flatMap((entry) => (entry.name.startsWith(prefix) && !entry.isFile() ? [entry.name] : [])).sort()
}

/** One row a session of the participant; the row itself where it names a session already, or has no folders of sessions. */
async function withSessions(subjects: string, row: CohortRow): Promise<CohortRow[]> {
  if (row.session !== undefined || row.participant === '' || unsafeName(row.participant)) return [row]
  const sub = `sub-${participantKey(row)}`
  const sessions = await foldersIn(join(subjects, sub), 'ses-')
  if (sessions.length === 0) return [row]
  const told = await sessionsTable(join(subjects, sub, `${sub}_sessions.tsv`))
  return sessions.map((session) => {
    const cells = told.get(session.slice('ses-'.length)) ?? {}
    const there = Object.fromEntries(Object.entries(cells).filter(([, cell]) => cell !== null))
    return { ...row, session, cells: { ...row.cells, ...there } }
  })
}

/** Cells of a sessions.tsv by session. */
async function sessionsTable(file: string): Promise<Map<string, TsvRow>> {
  if (!(await stat(file).catch(() => undefined))) return new Map()
  const { columns, rows } = parseTable(decodeTable(await readFileChecked(file), file), file)
  const column = findColumn(columns, SESSION_COLUMNS)
  const others = columns.filter((name) => name !== column && !PARTICIPANT_COLUMNS.includes(name))
  return new Map(
    rows.map(({ cells }) => [
      sessionKey({ session: (column && cells[column]) || '' }),
      Object.fromEntries(others.map((name) => [name, cells[name] ?? null])),
    ]),
  )
}

/** The rows that were asked for. @throws InputError naming those that are not there */
function keepAsked(
  rows: readonly CohortRow[],
  asked: readonly string[] | undefined,
  what: 'participant' | 'session',
  keyOf: (row: CohortRow) => string,
  root: string,
): readonly CohortRow[] {
  if (asked === undefined) return rows
  const prefix = what === 'participant' ? /^sub-/ : /^ses-/
  const keys = new Set(asked.map((name) => name.replace(prefix, '')))
  const there = new Set(rows.map(keyOf))
  const missing = [...keys].filter((key) => !there.has(key))
  if (missing.length > 0) throw new InputError(`${root} has no ${what} ${missing.join(', ')}; check --${what}-label`)
  return rows.filter((row) => keys.has(keyOf(row)))
}
