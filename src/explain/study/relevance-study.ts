/** Relevance against anatomy (Dyrba et al. 2021): do regions of which more is lost have more relevance? */
import type { Covariates } from '../../io/cohort/covariates.ts'
import { InputError } from '../../io/errors.ts'
import { type AucEstimate, delongAuc } from '../../model/evaluation/roc.ts'
import { type Correlations, correlate, partialCorrelate } from './relevance-correlation.ts'
import type { RegionMeasure, RegionValues } from './relevance-regions.ts'
import { normativeResiduals } from './relevance-residuals.ts'

/** A scan of the study, with one method's map of it. */
export interface StudySubject {
  readonly participant: string
  readonly session?: string
  /** Its label; undefined where the table has none. */
  readonly group: string | undefined
  /** In the order of the regions. */
  readonly regions: readonly RegionValues[]
}

/**
 * raw: both as they are. residualised: volumes without what covariates explain of them in controls. partial: both without what
 * covariates explain of them in the same people.
 */
export type Adjustment = 'raw' | 'residualised' | 'partial'

export interface CorrelationRow {
  /** Place in the regions. */
  readonly region: number
  /** What relevance is compared with: the region's volume, or a column. */
  readonly against: 'volume' | { readonly column: string }
  readonly adjustment: Adjustment
  /** Undefined: all together. */
  readonly group: string | undefined
  readonly found: Correlations
}

export interface ScoreRow {
  /** Patients. */
  readonly positive: string
  readonly negative: string
  readonly region: number
  /** More relevance, or less volume, counts as the positive side. */
  readonly score: 'relevance' | 'volume' | 'volume, residualised'
  readonly auc: AucEstimate
}

export interface RelevanceStudy {
  readonly correlations: readonly CorrelationRow[]
  readonly scores: readonly ScoreRow[]
  /** Volumes in ml, [region][subject]. */
  readonly volumes: readonly (readonly number[])[]
  /** The same without what covariates explain; undefined where there are no covariates, or too few controls. */
  readonly residuals: readonly Float64Array[] | undefined
  /** Covariates that were taken off volumes. */
  readonly residualised: readonly string[]
  readonly notes: readonly string[]
}

export interface RelevanceStudyOptions {
  readonly measure: RegionMeasure
  /** Label of the controls, which volumes are residualised by. */
  readonly control: string | undefined
  /** Groups, the controls first. */
  readonly groups: readonly string[]
  /** A row a subject. */
  readonly covariates: Covariates
  /** Columns to compare relevance with, a row a subject. */
  readonly columns: Covariates
}

/** @param regions how many there are. @throws InputError for covariates of other people */
export function studyRelevance(
  subjects: readonly StudySubject[],
  regions: number,
  options: RelevanceStudyOptions,
): RelevanceStudy {
  const { covariates, columns, control, groups, measure } = options
  for (const { names, values } of [covariates, columns]) {
    if (values.length === names.length * subjects.length) continue
    throw new InputError(`${subjects.length} subjects and ${values.length} values of ${names.join(', ')}`)
  }
  const places = Array.from({ length: regions }, (_, r) => r)
  const volumes = places.map((r) => subjects.map((subject) => subject.regions[r]!.volume / 1000))
  const relevance = places.map((r) => subjects.map((subject) => subject.regions[r]![measure]))
  const controls = subjects.flatMap(({ group }, n) => (group !== undefined && group === control ? [n] : []))
  const { found, notes } = residualsOf(volumes, covariates, controls)
  const everybody = subjects.map((_, n) => n)
  const shown = groups.length > 1 ? [undefined, ...groups] : [undefined]
  const correlations = places.flatMap((region) =>
    shown.flatMap((group): CorrelationRow[] => {
      const members = group === undefined ? everybody : everybody.filter((n) => subjects[n]!.group === group)
      const of = (list: ArrayLike<number>) => members.map((n) => list[n]!)
      const [own, volume] = [of(relevance[region]!), of(volumes[region]!)]
      const row = { region, group }
      const cells = (from: Covariates) => from.names.map((_, c) => of(everybody.map((n) => at(from, n, c))))
      const against = 'volume' as const
      return [
        { ...row, against, adjustment: 'raw', found: correlate(volume, own) },
        ...(found
          ? [{ ...row, against, adjustment: 'residualised' as const, found: correlate(of(found.values[region]!), own) }]
          : []),
        ...(covariates.names.length > 0
          ? [
              {
                ...row,
                against,
                adjustment: 'partial' as const,
                found: partialCorrelate(volume, own, cells(covariates)),
              },
            ]
          : []),
        ...cells(columns).map((values, c): CorrelationRow => {
          return { ...row, against: { column: columns.names[c]! }, adjustment: 'raw', found: correlate(values, own) }
        }),
      ]
    }),
  )
  const patients = groups.filter((group) => group !== control)
  const scores = places.flatMap((region) =>
    control === undefined
      ? []
      : patients.flatMap((positive): ScoreRow[] => {
          const row = { positive, negative: control, region }
          const score = (kind: ScoreRow['score'], list: ArrayLike<number>, sign: 1 | -1): ScoreRow[] => {
            const auc = areaOf(subjects, positive, control, list, sign)
            return auc ? [{ ...row, score: kind, auc }] : []
          }
          return [
            ...score('relevance', relevance[region]!, 1),
            ...score('volume', volumes[region]!, -1),
            ...(found ? score('volume, residualised', found.values[region]!, -1) : []),
          ]
        }),
  )
  return {
    correlations,
    scores,
    volumes,
    residuals: found?.values,
    residualised: found?.names ?? [],
    notes: [...notes, ...repeatedNote(subjects)],
  }
}

const at = ({ names, values }: Covariates, row: number, column: number) => values[row * names.length + column]!

function residualsOf(volumes: readonly (readonly number[])[], covariates: Covariates, controls: readonly number[]) {
  if (covariates.names.length === 0) return { found: undefined, notes: [] }
  try {
    const all = volumes.map((list) => normativeResiduals(list, covariates, controls))
    const { names, notes } = all[0]!
    // Nothing was taken off: raw says the same.
    if (names.length === 0) return { found: undefined, notes }
    return { found: { values: all.map(({ values }) => values), names }, notes }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { found: undefined, notes: [`volumes were not residualised: ${error.message}`] }
  }
}

/** Several scans of a person are no independent samples in correlations; areas under the curve take them together. */
function repeatedNote(subjects: readonly StudySubject[]): string[] {
  const people = new Set(subjects.map(({ participant }) => participant)).size
  return people === subjects.length
    ? []
    : [`${subjects.length} scans are of ${people} people: intervals of correlations take them for independent`]
}

function areaOf(
  subjects: readonly StudySubject[],
  positive: string,
  negative: string,
  scores: ArrayLike<number>,
  sign: 1 | -1,
): AucEstimate | undefined {
  const members = subjects.flatMap(({ group }, n) =>
    (group === positive || group === negative) && Number.isFinite(scores[n]!) ? [n] : [],
  )
  return delongAuc(
    members.map((n) => subjects[n]!.group === positive),
    members.map((n) => sign * scores[n]!),
    { subjects: members.map((n) => subjects[n]!.participant) },
  )
}
