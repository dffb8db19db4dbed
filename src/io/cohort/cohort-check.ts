/**
 * What is wrong with a cohort, all of it at once and before any work: rows by their names, with what to do. Files are
 * known here by what their headers said (ScanFacts); reading them is for cohort-check.node.ts.
 */

import { InputError } from '../errors.ts'
import type { Grid } from '../resample.ts'
import { type Cohort, leaveOut, participantKey } from './cohort.ts'
import { checkCovariates, checkLabels, checkPeople } from './cohort-check-rows.ts'
import { checkScans, type ScanFacts } from './cohort-check-scans.ts'
import { type CohortProblem, sharing } from './cohort-problem.ts'
import { type CohortSummary, summariseCohort } from './cohort-summary.ts'
import { type Covariates, hasCovariate, type MissingPolicy, readCovariates } from './covariates.ts'

export interface CohortReport {
  /** Empty where the cohort is sound. */
  readonly problems: readonly CohortProblem[]
  /** What was assumed, and what is odd but no fault. */
  readonly notes: readonly string[]
  readonly summary: CohortSummary
  /** Covariates that were asked for; absent where one has no column. */
  readonly covariates?: Covariates
}

export interface CheckOptions {
  /** Covariates that every row needs (see readCovariates). */
  covariates?: readonly string[]
  /** Default 'refuse'. With 'drop', rows are expected to be gone already (see dropMissing). */
  missing?: MissingPolicy
  /** Rows need no class, as where a network is only applied. Default false: each row has one, and each class a row. */
  unlabelled?: boolean
  /** Classes may be without a scan, as in a test cohort of some of a network's classes. Default false. */
  absentClasses?: boolean
  /** The grid that scans must lie on. Default: the one that most of them lie on. */
  grid?: Grid
}

/**
 * Checks a cohort.
 * @param facts what is known of each scan, by path; without it, scans are not looked at
 */
export function checkCohort(
  cohort: Cohort,
  facts: ReadonlyMap<string, ScanFacts> | undefined,
  options: CheckOptions = {},
): CohortReport {
  const notes = [...leftOutNotes(cohort), ...labelNotes(cohort)]
  const problems = [...checkPeople(cohort), ...(options.unlabelled ? [] : checkLabels(cohort, options.absentClasses))]
  const { problems: gaps, covariates } = checkCovariates(cohort, options.covariates ?? [], options.missing ?? 'refuse')
  problems.push(...gaps)
  notes.push(...(covariates?.notes ?? []))
  const scans = facts && checkScans(cohort, facts, options.grid)
  problems.push(...(scans?.problems ?? []))
  notes.push(...(scans?.notes ?? []))
  const summary = summariseCohort(cohort, scans?.grid)
  return { problems, notes, summary, ...(covariates && { covariates }) }
}

/**
 * Ends work on an unsound cohort.
 * @throws InputError telling the first problem and how many there are
 */
export function requireSound(cohort: Cohort, { problems }: Pick<CohortReport, 'problems'>): void {
  const [first] = problems
  if (!first) return
  const named = first.rows.slice(0, 3).map(({ name, detail }) => (detail ? `${name}: ${detail}` : name))
  const rest = first.rows.length > named.length ? `, and ${first.rows.length - named.length} more` : ''
  const others = problems.length > 1 ? `; ${problems.length - 1} more problems` : ''
  throw new InputError(
    `${cohort.name}: ${first.message}${named.length > 0 ? ` [${named.join('; ')}${rest}]` : ''}${others}; ` +
      '`voxplain cohort` lists all',
  )
}

/** A cohort without the rows in which one of these covariates is missing; those without a column are passed over. */
export function dropMissing(cohort: Cohort, names: readonly string[]): Cohort {
  const present = names.filter((name) => hasCovariate(cohort, name))
  const gaps = new Map<number, string>()
  for (const { row, kind, detail } of readCovariates(cohort, present).faults) {
    if (kind === 'missing' && !gaps.has(row)) gaps.set(row, detail)
  }
  return leaveOut(cohort, (_, index) => gaps.get(index))
}

function leftOutNotes({ leftOut }: Cohort): string[] {
  const counts = new Map<string, number>()
  for (const { reason } of leftOut) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts].map(([reason, count]) => `${count} ${count === 1 ? 'row was' : 'rows were'} left out: ${reason}`)
}

function labelNotes(cohort: Cohort): string[] {
  const changing = sharing(cohort.rows, (row) => participantKey(row) || undefined).filter(
    (rows) => new Set(rows.map((row) => row.label)).size > 1,
  )
  if (changing.length === 0) return []
  const names = changing.slice(0, 5).map((rows) => rows[0]!.participant)
  const more = changing.length > names.length ? ', ...' : ''
  return [
    `${changing.length} participants change class between sessions (${names.join(', ')}${more}): each scan keeps its own ` +
      'class, and splits count the participant by that of the first session',
  ]
}
