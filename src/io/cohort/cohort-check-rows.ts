/** Checks of what a cohort's table says, row by row. */

import { InputError } from '../errors.ts'
import { type Cohort, type CohortRow, participantKey, sessionKey, unsafeName } from './cohort.ts'
import { type CohortProblem, problemOf, sharing } from './cohort-problem.ts'
import { type Covariates, type MissingPolicy, readCovariates } from './covariates.ts'

/** Every row is of somebody, each participant and session once, under a name that files can have. */
export function checkPeople(cohort: Cohort): CohortProblem[] {
  const problems: CohortProblem[] = []
  if (cohort.rows.length === 0) {
    const gone = cohort.leftOut.length > 0 ? ` after ${cohort.leftOut.length} were left out` : ''
    problems.push(problemOf('participant', `the table has no rows${gone}`, []))
  }
  const nobody = cohort.rows.filter((row) => row.participant === '')
  if (nobody.length > 0) {
    problems.push(
      problemOf(
        'participant',
        'rows without a participant_id; give each one',
        nobody.map((row) => ({ row })),
      ),
    )
  }
  const odd = cohort.rows.flatMap((row) => {
    const detail = unsafeName(row.participant) ?? (row.session && unsafeName(row.session))
    return detail ? [{ row, detail }] : []
  })
  if (odd.length > 0) {
    problems.push(
      problemOf('participant', 'participant or session names that cannot be part of a file name; rename them', odd),
    )
  }
  const key = (row: CohortRow) => (row.participant === '' ? undefined : `${participantKey(row)}\n${sessionKey(row)}`)
  for (const rows of sharing(cohort.rows, key)) {
    const what = rows[0]!.session ? 'participant and session' : 'participant'
    problems.push(
      problemOf(
        'duplicate',
        `${rows.length} rows of one ${what}; keep one, or tell them apart by session_id`,
        rows.map((row) => ({ row })),
      ),
    )
  }
  return problems
}

/** Every row has a class, and each of two classes or more a row, unless classes may be absent. */
export function checkLabels(cohort: Cohort, absentClasses = false): CohortProblem[] {
  const { labelColumn, classes, rows } = cohort
  if (labelColumn === undefined) {
    const message = `no column diagnosis, label or group; name the column of the labels (it has ${cohort.columns.join(', ')})`
    return [problemOf('label', message, [])]
  }
  const problems: CohortProblem[] = []
  const empty = rows.filter((row) => row.givenLabel === undefined)
  if (empty.length > 0) {
    const message = `rows without a label in the column "${labelColumn}"; fill them in, or leave such rows out on request`
    problems.push(
      problemOf(
        'label',
        message,
        empty.map((row) => ({ row })),
      ),
    )
  }
  const unknown = rows.filter((row) => row.givenLabel !== undefined && row.label === undefined)
  if (unknown.length > 0) {
    const labels = [...new Set(unknown.map((row) => `"${row.givenLabel}"`))].sort()
    const message =
      `labels in the column "${labelColumn}" that belong to none of the classes ${classes.join(', ')}: ` +
      `${labels.join(', ')}; map them, or leave such rows out on request`
    problems.push(
      problemOf(
        'label',
        message,
        unknown.map((row) => ({ row, detail: row.givenLabel })),
      ),
    )
  }
  const folded = classes.map((name) => name.toLowerCase())
  const alike = classes.filter((_, k) => folded.indexOf(folded[k]!) !== folded.lastIndexOf(folded[k]!))
  if (alike.length > 0) {
    const message = `classes in the column "${labelColumn}" that differ in capitals alone: ${alike.join(', ')}; write them one way, or map them`
    problems.push(problemOf('label', message, []))
  }
  if (rows.length === 0) return problems
  if (classes.length < 2) {
    const found = classes.length === 1 ? `only the class ${classes[0]}` : 'no class'
    problems.push(problemOf('class', `${found} in the column "${labelColumn}"; two or more are needed`, []))
  }
  const bare = classes.filter((name) => !rows.some((row) => row.label === name))
  if (bare.length > 0 && !absentClasses) {
    const found = [...new Set(rows.flatMap((row) => row.givenLabel ?? []))].sort().join(', ') || 'nothing'
    const message = `no scan of the class ${bare.join(', ')}; the column "${labelColumn}" has ${found}`
    problems.push(problemOf('class', message, []))
  }
  return problems
}

/** Every row has every covariate, as a number. The covariates come back where each has a column. */
export function checkCovariates(
  cohort: Cohort,
  names: readonly string[],
  missing: MissingPolicy,
): { problems: CohortProblem[]; covariates?: Covariates } {
  const problems: CohortProblem[] = []
  const readable: string[] = []
  for (const name of names) {
    try {
      readCovariates(cohort, [...readable, name])
      readable.push(name)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      problems.push(problemOf('covariate', error.message, []))
    }
  }
  if (readable.length === 0) return { problems }
  const read = readCovariates(cohort, readable)
  for (const name of readable) {
    for (const kind of ['missing', 'invalid'] as const) {
      const rows = read.faults.filter((fault) => fault.covariate === name && fault.kind === kind)
      if (rows.length === 0 || (kind === 'missing' && missing === 'mean')) continue
      const message =
        kind === 'missing'
          ? `rows without the covariate ${name}; fill them in, leave such rows out, or let the mean stand in on request`
          : `values of the covariate ${name} that cannot be used; correct them, or write n/a`
      problems.push(
        problemOf(
          'covariate',
          message,
          rows.map(({ row, detail }) => ({ row: cohort.rows[row]!, detail })),
        ),
      )
    }
  }
  return { problems, ...(readable.length === names.length && { covariates: read }) }
}
