/** Splits that somebody else made: who is in which set, by name. */

import { InputError } from '../errors.ts'
import { findColumn, PARTICIPANT_COLUMNS, SESSION_COLUMNS } from './cohort.ts'
import { parseTable } from './table.ts'

/** A participant, or one session of a participant, in a set. */
export interface SplitMember {
  readonly participant: string
  readonly session?: string
}

export interface GivenSplit {
  /** What it is called: `split-0`. */
  readonly name: string
  readonly train: readonly SplitMember[]
  readonly validation: readonly SplitMember[]
  readonly test: readonly SplitMember[]
}

/**
 * Reads the members of a set from a TSV or CSV with participant_id and, where sessions are told apart, session_id.
 * @throws InputError for a table that cannot be read, without a column of participants, or with a row of nobody
 */
export function parseMembers(text: string, name: string): SplitMember[] {
  const { columns, rows } = parseTable(text, name)
  const participantColumn = findColumn(columns, PARTICIPANT_COLUMNS)
  const sessionColumn = findColumn(columns, SESSION_COLUMNS)
  if (participantColumn === undefined) {
    throw new InputError(`${name} has no column participant_id; it has ${columns.join(', ')}`)
  }
  return rows.map(({ line, cells }) => {
    const participant = cells[participantColumn]
    const session = sessionColumn === undefined ? null : cells[sessionColumn]
    if (!participant) throw new InputError(`${name}, line ${line}: no participant_id`)
    return { participant, ...(session && { session }) }
  })
}
