/** The control for leakage: a cohort whose labels say nothing. */
import { type Cohort, type CohortRow, participantKey } from '../../io/cohort/cohort.ts'
import { uniformStream } from '../random.ts'

/**
 * The cohort with its labels dealt out anew among the participants that have one: as many of each as before, all scans of a
 * participant alike. What a network finds in it is chance, or a leak.
 */
export function shuffleLabels(cohort: Cohort, seed: number): Cohort {
  const first = new Map<string, CohortRow>()
  for (const row of cohort.rows) {
    const key = participantKey(row)
    if (row.label !== undefined && !first.has(key)) first.set(key, row)
  }
  const drawn = [...first.keys()].map((key) => ({ key, at: uniformStream(seed, `label of ${key}`)() }))
  drawn.sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1))
  const given = [...first.values()]
  const dealt = new Map(drawn.map(({ key }, k) => [key, given[k]!]))
  const rows = cohort.rows.map((row) => {
    const other = dealt.get(participantKey(row))
    return other ? { ...row, label: other.label, givenLabel: other.givenLabel } : row
  })
  return { ...cohort, rows }
}
