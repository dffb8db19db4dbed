/** Evaluations as the rows of tables. */
import { binaryMetricNames } from './binary-metrics.ts'
import type { CohortEvaluation, ContrastEvaluation, Estimate } from './evaluation.ts'

/** Names of metrics in tables for people. */
export const metricTitles = {
  auc: 'AUC',
  balancedAccuracy: 'balanced accuracy',
  accuracy: 'accuracy',
  sensitivity: 'sensitivity',
  specificity: 'specificity',
  ppv: 'PPV',
  npv: 'NPV',
  f1: 'F1',
  mcc: 'MCC',
  brier: 'Brier score',
} as const

export type TableMetric = keyof typeof metricTitles

/** The numbers of a contrast in the order of published tables. */
export function contrastEstimates({ auc, metrics, calibration }: ContrastEvaluation): [TableMetric, Estimate][] {
  return [
    ['auc', auc],
    ...binaryMetricNames.map((name): [TableMetric, Estimate] => [name, metrics[name]]),
    ['brier', { value: calibration?.brier, interval: undefined }],
  ]
}

/** Columns of evaluationRows. */
export const evaluationColumns = [
  'cohort',
  'contrast',
  'positive_scans',
  'negative_scans',
  'positive_subjects',
  'negative_subjects',
  'metric',
  'value',
  'low',
  'high',
] as const

/** A cohort's evaluation as rows of a table (see formatTsv), one a number; what is undefined there is undefined here. */
export function evaluationRows(
  cohort: string,
  evaluation: CohortEvaluation,
): Record<(typeof evaluationColumns)[number], string | number | undefined>[] {
  return evaluation.contrasts.flatMap((contrast) =>
    contrastEstimates(contrast).map(([metric, { value, interval }]) => ({
      cohort,
      contrast: contrast.name,
      positive_scans: contrast.positives.scans,
      negative_scans: contrast.negatives.scans,
      positive_subjects: contrast.positives.subjects,
      negative_subjects: contrast.negatives.subjects,
      metric,
      value,
      low: interval?.[0],
      high: interval?.[1],
    })),
  )
}

/** `0.914 (0.870-0.950)`, or `-` for what is undefined. */
export function formatEstimate({ value, interval }: Estimate, digits = 3): string {
  if (value === undefined) return '-'
  if (!interval) return value.toFixed(digits)
  const [low, high] = interval.map((end) => end.toFixed(digits))
  // A dash before a minus sign could not be read.
  return `${value.toFixed(digits)} (${low}${interval[0] < 0 ? ' to ' : '-'}${high})`
}
