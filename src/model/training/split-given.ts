/** Splits that a table's column or lists of names give. */
import { type Cohort, findColumn, participantKey, rowName, sessionKey } from '../../io/cohort/cohort.ts'
import { compareNatural } from '../../io/cohort/cohort-labels.ts'
import type { GivenSplit, SplitMember } from '../../io/cohort/given-splits.ts'
import { InputError } from '../../io/errors.ts'
import { requireSoundSplit, type Split } from './splits.ts'

/** What sets are called in columns. */
const SETS: Readonly<Record<string, keyof Split>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
  'held-out': 'test',
  heldout: 'test',
}

/**
 * Splits from a column. Either it names sets (train, validation, test), which gives one split; or it names folds (0, 1,
 * ..., fold-1, any names, and test), which gives one split for each fold with that fold as its validation set.
 * @throws InputError for a column that is not there, an empty cell, sets mixed with folds, a single fold, or a participant
 *   in two sets
 */
export function splitsFromColumn(cohort: Cohort, wanted: string): Split[] {
  const column = findColumn(cohort.columns, [wanted])
  if (column === undefined) {
    throw new InputError(`${cohort.name} has no column "${wanted}"; it has ${cohort.columns.join(', ')}`)
  }
  const values = cohort.rows.map((row): string => {
    const cell = row.cells[column]
    if (!cell) throw new InputError(`${cohort.name}: ${rowName(row)} has nothing in the column "${column}" of splits`)
    return Object.hasOwn(SETS, cell.toLowerCase()) ? SETS[cell.toLowerCase()]! : cell
  })
  const where = (keep: (value: string) => boolean) => values.flatMap((value, n) => (keep(value) ? [n] : []))
  const test = where((value) => value === 'test')
  const folds: string[] = [...new Set(values)].filter((value) => value !== 'test').sort(compareNatural)
  const sets = folds.filter((value) => value === 'train' || value === 'validation')
  if (sets.length > 0 && sets.length < folds.length) {
    const others = folds.filter((value) => value !== 'train' && value !== 'validation').map((value) => `"${value}"`)
    throw new InputError(
      `${cohort.name}: the column "${column}" names sets (${sets.join(', ')}), but also ${others.join(', ')}`,
    )
  }
  if (sets.length === 0 && folds.length < 2) {
    throw new InputError(`${cohort.name}: the column "${column}" names ${folds.length} folds; two or more are needed`)
  }
  const splits =
    sets.length > 0
      ? [{ train: where((value) => value === 'train'), validation: where((value) => value === 'validation'), test }]
      : folds.map((fold) => ({
          train: where((value) => value !== fold && value !== 'test'),
          validation: where((value) => value === fold),
          test,
        }))
  for (const split of splits) requireSoundSplit(cohort, split)
  return splits
}

/**
 * Splits from lists of names (readSplitFolder). A name with a session means that scan, one without all of the participant's.
 * Rows in no list are in no set.
 * @throws InputError naming members that the cohort does not have, or a participant in two sets
 */
export function splitsFromLists(cohort: Cohort, given: readonly GivenSplit[]): Split[] {
  const rowsBy = new Map<string, number[]>()
  const enter = (key: string, n: number) => rowsBy.set(key, [...(rowsBy.get(key) ?? []), n])
  cohort.rows.forEach((row, n) => {
    enter(participantKey(row), n)
    if (row.session !== undefined) enter(`${participantKey(row)}\n${sessionKey(row)}`, n)
  })
  return given.map(({ name, train, validation, test }) => {
    const absent: string[] = []
    const rowsOf = (members: readonly SplitMember[]) => {
      const rows = members.flatMap((member) => {
        const session = member.session === undefined ? '' : `\n${sessionKey(member)}`
        const found = rowsBy.get(participantKey(member) + session)
        if (!found) absent.push([member.participant, member.session].filter(Boolean).join(' '))
        return found ?? []
      })
      return [...new Set(rows)].sort((a, b) => a - b)
    }
    const split = { train: rowsOf(train), validation: rowsOf(validation), test: rowsOf(test) }
    if (absent.length > 0) {
      const more = absent.length > 5 ? `, and ${absent.length - 5} more` : ''
      throw new InputError(`${name} names ${absent.slice(0, 5).join(', ')}${more}, which ${cohort.name} does not have`)
    }
    requireSoundSplit(cohort, split)
    return split
  })
}
