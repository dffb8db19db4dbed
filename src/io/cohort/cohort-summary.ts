/** Counts of a cohort: how many of whom, of what age and sex, on which grid. */

import type { Grid } from '../resample.ts'
import { type Cohort, type CohortRow, participantKey } from './cohort.ts'
import { compareNatural } from './cohort-labels.ts'
import { hasCovariate, readCovariates } from './covariates.ts'

export interface GroupSummary {
  /** Class name, or undefined for rows of no class. */
  readonly label?: string
  readonly scans: number
  readonly participants: number
  /** Scans of each session, in natural order; empty where the table has no sessions. */
  readonly sessions: readonly { readonly session: string; readonly scans: number }[]
  /** Women and men among the participants; absent where the table has no sex. */
  readonly sex?: { readonly female: number; readonly male: number; readonly unknown: number }
  /** Years over scans with a known age; absent where there are none. */
  readonly age?: { readonly mean: number; readonly deviation: number; readonly min: number; readonly max: number }
}

export interface CohortSummary extends GroupSummary {
  readonly classes: readonly GroupSummary[]
  /** The grid that the scans lie on; absent where no scan was read. */
  readonly grid?: Grid
}

export function summariseCohort(cohort: Cohort, grid?: Grid): CohortSummary {
  const all = cohort.rows.map((_, n) => n)
  const age = column(cohort, 'age')
  const sex = column(cohort, 'sex')
  const sexes = (rows: readonly number[]) => {
    const known = new Map(rows.map((n) => [participantKey(cohort.rows[n]!), Number.NaN]))
    for (const n of rows) if (!Number.isNaN(sex![n]!)) known.set(participantKey(cohort.rows[n]!), sex![n]!)
    return [...known.values()]
  }
  const group = (rows: readonly number[], label?: string): GroupSummary => ({
    ...(label !== undefined && { label }),
    scans: rows.length,
    participants: new Set(rows.map((n) => participantKey(cohort.rows[n]!))).size,
    sessions: countSessions(rows.map((n) => cohort.rows[n]!)),
    ...(sex && { sex: countSex(sexes(rows)) }),
    ...spread(rows.flatMap((n) => (age && !Number.isNaN(age[n]!) ? [age[n]!] : []))),
  })
  const labels: (string | undefined)[] = [...cohort.classes]
  if (cohort.rows.some((row) => row.label === undefined)) labels.push(undefined)
  const classes = labels.map((label) =>
    group(
      all.filter((n) => cohort.rows[n]!.label === label),
      label,
    ),
  )
  return { ...group(all), classes, ...(grid && { grid }) }
}

/** A covariate of all rows, NaN where it is missing or unusable; undefined where there is no column. */
function column(cohort: Cohort, name: string): Float64Array | undefined {
  return hasCovariate(cohort, name) ? readCovariates(cohort, [name]).values : undefined
}

function countSessions(rows: readonly CohortRow[]) {
  const counts = new Map<string, number>()
  for (const { session } of rows) if (session) counts.set(session, (counts.get(session) ?? 0) + 1)
  return [...counts]
    .map(([session, scans]) => ({ session, scans }))
    .sort((a, b) => compareNatural(a.session, b.session))
}

function countSex(values: readonly number[]) {
  const count = (value: number) => values.filter((own) => Object.is(own, value)).length
  return { female: count(1), male: count(0), unknown: count(Number.NaN) }
}

function spread(ages: readonly number[]): Pick<GroupSummary, 'age'> {
  if (ages.length === 0) return {}
  const mean = ages.reduce((sum, age) => sum + age, 0) / ages.length
  const squares = ages.reduce((sum, age) => sum + (age - mean) ** 2, 0)
  const deviation = ages.length > 1 ? Math.sqrt(squares / (ages.length - 1)) : 0
  const sorted = [...ages].sort((a, b) => a - b)
  return { age: { mean, deviation, min: sorted[0]!, max: sorted.at(-1)! } }
}
