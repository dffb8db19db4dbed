/**
 * Splits of a cohort into training, validation and test, by participant: all scans of a participant are in one set.
 * Who is where depends on the participants' names and classes and on the seed, not on the order of rows.
 */
import { type Cohort, type CohortRow, participantKey, sessionKey } from '../../io/cohort/cohort.ts'
import { compareNatural } from '../../io/cohort/cohort-labels.ts'
import { InputError } from '../../io/errors.ts'
import { uniformStream } from '../random.ts'

/** Indices of rows of the cohort, ascending. */
export interface Split {
  readonly train: readonly number[]
  /** Picks epochs and networks. */
  readonly validation: readonly number[]
  /** Never used for any choice. */
  readonly test: readonly number[]
}

export interface SplitOptions {
  /** Share of the participants of each class that is held out as the test set, from 0 up to 1; default 0. */
  test?: number
  /** Default 1. */
  seed?: number
}

export interface FoldOptions extends SplitOptions {
  /** Default 5. */
  folds?: number
  /** Another number, other folds, but the same test set; default 0. */
  repeat?: number
}

/** A participant as splits see one. */
export interface Participant {
  /** Without `sub-`. */
  readonly key: string
  /** Index of the class of the first session, by the session's name in natural order (M0 before M6 before M12). */
  readonly label: number
  /** Indices of the participant's rows, ascending. */
  readonly rows: readonly number[]
}

/**
 * The participants of a cohort, by name. One whose class changes between sessions counts as of the class of the first
 * session; each scan keeps its own.
 * @throws InputError naming a row without a class
 */
export function participantsOf(cohort: Cohort): Participant[] {
  const rowsOf = new Map<string, number[]>()
  cohort.rows.forEach((row, n) => {
    if (row.label === undefined || row.participant === '') {
      throw new InputError(`${cohort.name}, line ${row.line}: a split needs a participant and a class in each row`)
    }
    const key = participantKey(row)
    const rows = rowsOf.get(key)
    if (rows) rows.push(n)
    else rowsOf.set(key, [n])
  })
  const place = (n: number) => cohort.classes.indexOf(cohort.rows[n]!.label!)
  const earlier = (a: number, b: number) =>
    compareNatural(sessionKey(cohort.rows[a]!), sessionKey(cohort.rows[b]!)) || place(a) - place(b)
  return [...rowsOf]
    .map(([key, rows]) => ({ key, rows, label: place([...rows].sort(earlier)[0]!) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
}

/**
 * Stratified k-fold: each participant outside the test set is in the validation set of exactly one fold. In every fold,
 * the participants of each class, and all together, differ by at most one from an even share.
 * @returns one split a fold; the test set is the same in all of them, and in all repeats
 * @throws InputError for a number out of range, or naming a class with too few participants
 */
export function stratifiedFolds(cohort: Cohort, options: FoldOptions = {}): Split[] {
  const { folds = 5, repeat = 0, test = 0, seed = 1 } = options
  if (!Number.isInteger(folds) || folds < 2) throw new InputError(`${folds} folds: give a whole number from 2 up`)
  const { held, left } = holdApart(cohort, test, seed, 'test', folds)
  const foldOf = new Map<Participant, number>()
  // Each class goes on where the one before ended, so that folds are of even size altogether, too.
  for (const members of left) {
    for (const member of shuffle(members, seed, `folds ${repeat}`)) foldOf.set(member, foldOf.size % folds)
  }
  return Array.from({ length: folds }, (_, fold) => {
    const of = (own: boolean) => [...foldOf].flatMap(([member, k]) => ((k === fold) === own ? [member] : []))
    return { train: rowsOf(of(false)), validation: rowsOf(of(true)), test: rowsOf(held) }
  })
}

/**
 * One stratified split: shares of the participants of each class, to the nearest whole number and at least one.
 * @param options.validation share of all participants outside the test set, from 0 up to 1; default 0.2
 * @throws InputError for a share out of range, or naming a class with too few participants
 */
export function holdOut(cohort: Cohort, options: SplitOptions & { validation?: number } = {}): Split {
  const { validation = 0.2, test = 0, seed = 1 } = options
  const { held, left } = holdApart(cohort, test, seed, 'test', validation > 0 ? 2 : 1)
  const parts = left.map((members) => takeShare(members, validation, seed, 'validation', 1, cohort))
  return {
    train: rowsOf(parts.flatMap((part) => part.left)),
    validation: rowsOf(parts.flatMap((part) => part.held)),
    test: rowsOf(held),
  }
}

/** Participants of each class in a set of their own, and the rest by class. */
function holdApart(cohort: Cohort, share: number, seed: number, purpose: string, atLeast: number) {
  const people = participantsOf(cohort)
  const parts = cohort.classes.map((_, label) =>
    takeShare(
      people.filter((one) => one.label === label),
      share,
      seed,
      purpose,
      atLeast,
      cohort,
    ),
  )
  return { held: parts.flatMap((part) => part.held), left: parts.map((part) => part.left) }
}

function takeShare(
  members: readonly Participant[],
  share: number,
  seed: number,
  purpose: string,
  atLeast: number,
  cohort: Cohort,
): { held: Participant[]; left: Participant[] } {
  if (!(share >= 0 && share < 1)) throw new InputError(`${purpose} share ${share}: give a number from 0 up to 1`)
  const count = share === 0 ? 0 : Math.max(1, Math.round(share * members.length))
  if (members.length > 0 && members.length - count < atLeast) {
    const name = cohort.classes[members[0]!.label]
    const aside = count > 0 ? ` once ${count} are set aside for ${purpose}` : ''
    throw new InputError(
      `class ${name} has ${members.length} participants${aside}, and ${atLeast} must be left; use fewer folds or a smaller share`,
    )
  }
  const order = shuffle(members, seed, purpose)
  return { held: order.slice(0, count), left: order.slice(count) }
}

/** In an order that each member's own name decides: one more member does not move the others. */
function shuffle(members: readonly Participant[], seed: number, purpose: string): Participant[] {
  const drawn = members.map((member) => ({ member, at: uniformStream(seed, `${purpose} ${member.key}`)() }))
  drawn.sort((a, b) => a.at - b.at || (a.member.key < b.member.key ? -1 : 1))
  return drawn.map(({ member }) => member)
}

function rowsOf(members: readonly Participant[]): number[] {
  return members.flatMap((member) => member.rows).sort((a, b) => a - b)
}

/** Somebody, or a file, in more than one set. */
export interface Leak {
  readonly participant: string
  /** The file, where it is in several sets under different names. */
  readonly scan?: string
  readonly sets: readonly string[]
}

export interface LeakOptions {
  /** Whether equal names mean the same person: not so between cohorts of their own. Default true. */
  sameNames?: boolean
}

/** Participants, and files, that are in more than one of these sets. */
export function findLeaks(sets: Readonly<Record<string, readonly CohortRow[]>>, options: LeakOptions = {}): Leak[] {
  const people = new Map<string, { participant: string; sets: Set<string> }>()
  const files = new Map<string, { participant: string; sets: Set<string> }>()
  const enter = (where: typeof people, key: string, { participant }: CohortRow, set: string) => {
    const known = where.get(key)
    if (known) known.sets.add(set)
    else where.set(key, { participant, sets: new Set([set]) })
  }
  for (const [set, rows] of Object.entries(sets)) {
    for (const row of rows) {
      if (options.sameNames !== false) enter(people, participantKey(row), row, set)
      if (row.scan !== undefined) enter(files, row.scan, row, set)
    }
  }
  const leaks: Leak[] = []
  for (const { participant, sets: own } of people.values()) {
    if (own.size > 1) leaks.push({ participant, sets: [...own] })
  }
  const told = new Set(leaks.map((leak) => leak.participant))
  for (const [scan, { participant, sets: own }] of files) {
    if (own.size > 1 && !told.has(participant)) leaks.push({ participant, scan, sets: [...own] })
  }
  return leaks
}

/** @throws InputError naming who, or which file, is in more than one set */
export function requireNoLeaks(sets: Readonly<Record<string, readonly CohortRow[]>>, options: LeakOptions = {}): void {
  const leaks = findLeaks(sets, options)
  if (leaks.length === 0) return
  const some = leaks.slice(0, 5).map(({ participant, scan, sets: own }) => `${scan ?? participant} (${own.join(', ')})`)
  const more = leaks.length > some.length ? `, and ${leaks.length - some.length} more` : ''
  throw new InputError(`in more than one set: ${some.join(', ')}${more}; each participant may be in one only`)
}

/** The same for a split of a cohort. */
export function requireSoundSplit(cohort: Cohort, split: Split): void {
  const rows = (indices: readonly number[]) => indices.map((n) => cohort.rows[n]!)
  requireNoLeaks({ train: rows(split.train), validation: rows(split.validation), test: rows(split.test) })
}
