/** The results of a cross-validation in the shape of published tables: a row a contrast and cohort, mean and spread. */
import type { CohortSummary, ContrastSummary, Spread } from '../model/crossval/summary.ts'
import { formatEstimate, type TableMetric } from '../model/evaluation/evaluation-table.ts'

export interface ResultRow {
  readonly contrast: string
  readonly cohort: string
  /** `24 / 24` subjects */
  readonly subjects: string
  readonly networks: number
  readonly auc: string
  readonly balancedAccuracy: string
  readonly sensitivity: string
  readonly specificity: string
  /** Of the pooled predictions, with its interval. */
  readonly pooledAuc: string
}

/** By contrast, then by cohort; only those with scans on both sides. */
export function resultRows(summaries: readonly CohortSummary[]): ResultRow[] {
  const contrasts = summaries[0]?.contrasts ?? []
  return contrasts.flatMap((_, n) =>
    summaries.flatMap(({ name, contrasts: own }): ResultRow[] => {
      const summary = own[n]!
      const { positives, negatives } = summary.pooled
      if (positives.scans === 0 || negatives.scans === 0) return []
      return [
        {
          contrast: summary.contrast.name,
          cohort: name,
          subjects: `${positives.subjects} / ${negatives.subjects}`,
          networks: spreadIn(summary, 'auc').values.filter((value) => value !== undefined).length,
          auc: formatSpread(spreadIn(summary, 'auc')),
          balancedAccuracy: formatSpread(spreadIn(summary, 'balancedAccuracy')),
          sensitivity: formatSpread(spreadIn(summary, 'sensitivity')),
          specificity: formatSpread(spreadIn(summary, 'specificity')),
          pooledAuc: formatEstimate(summary.pooled.auc),
        },
      ]
    }),
  )
}

export function spreadIn({ metrics }: ContrastSummary, metric: TableMetric): Spread {
  return metrics.find((own) => own.metric === metric)!.spread
}

/** `0.914 ± 0.021`; without the deviation where there is one network. */
export function formatSpread({ mean, deviation }: Spread): string {
  if (mean === undefined) return '-'
  return deviation === undefined ? mean.toFixed(3) : `${mean.toFixed(3)} ± ${deviation.toFixed(3)}`
}

/** Column heads of a printed table, in the order of cells(). */
export const resultHeads = (level: number): string[] => [
  'contrast',
  'cohort',
  'subjects',
  'networks',
  'AUC',
  'balanced acc.',
  'sensitivity',
  'specificity',
  `pooled AUC (${Math.round(100 * level)} %)`,
]

export function resultCells(row: ResultRow): string[] {
  const { contrast, cohort, subjects, networks, auc, balancedAccuracy, sensitivity, specificity, pooledAuc } = row
  return [contrast, cohort, subjects, String(networks), auc, balancedAccuracy, sensitivity, specificity, pooledAuc]
}
