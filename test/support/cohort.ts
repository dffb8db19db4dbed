/** Cohorts written as lines of cells with blanks between them, and their problems as text. */
import * as assert from 'uvu/assert'
import { type Cohort, type CohortOptions, parseCohort } from '../../src/io/cohort/cohort.ts'
import { type CheckOptions, type CohortReport, checkCohort } from '../../src/io/cohort/cohort-check.ts'
import { InputError } from '../../src/io/errors.ts'

/** Asserts an InputError whose message has all the patterns. */
export function fails(call: () => unknown, ...patterns: RegExp[]): void {
  assert.throws(call, (error: Error) => error instanceof InputError && patterns.every((p) => p.test(error.message)))
}

export function cohortOf(lines: readonly string[], options?: CohortOptions): Cohort {
  return parseCohort(lines.map((line) => line.replace(/ +/g, '\t')).join('\n'), options, 'c.tsv')
}

/** Problems as `kind lines: message`. */
export function problemsOf(report: CohortReport): string[] {
  return report.problems.map(
    ({ kind, message, rows }) => `${kind} ${rows.map((row) => row.line).join(',')}: ${message}`,
  )
}

/** Problems of a cohort whose files are not looked at. */
export function problems(lines: readonly string[], options: CohortOptions = {}, check: CheckOptions = {}): string[] {
  return problemsOf(checkCohort(cohortOf(lines, options), undefined, check))
}

/** Asserts that there is one problem for each pattern, in order. */
export function assertProblems(found: readonly string[], ...patterns: RegExp[]): void {
  assert.is(found.length, patterns.length, found.join('\n'))
  patterns.forEach((pattern, n) => {
    assert.match(found[n]!, pattern)
  })
}
