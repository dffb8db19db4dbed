/** What the networks of a cross-validation add up to, as published tables have it: mean and spread over the networks. */
import { type BinaryMetricName, binaryMetrics, countBinary } from '../evaluation/binary-metrics.ts'
import { type Contrast, contrastSamples, defaultContrasts } from '../evaluation/contrast.ts'
import {
  type ContrastEvaluation,
  type Estimate,
  type EvaluateOptions,
  evaluatePredictions,
} from '../evaluation/evaluation.ts'
import { contrastEstimates, type TableMetric } from '../evaluation/evaluation-table.ts'
import { areaUnderRoc } from '../evaluation/metrics.ts'
import { type PredictionRow, type Predictions, predictionRow } from '../evaluation/predictions.ts'
import type { NamedPredictions } from './crossval.ts'

/** A number over the networks that were tested on a cohort. */
export interface Spread {
  /** One a network, undefined where a network's scans cannot tell. */
  readonly values: readonly (number | undefined)[]
  /** Of the known values; undefined without one. */
  readonly mean: number | undefined
  /** With N - 1; undefined with fewer than two. */
  readonly deviation: number | undefined
}

export interface ContrastSummary {
  readonly contrast: Contrast
  readonly metrics: readonly { readonly metric: TableMetric; readonly spread: Spread; readonly pooled: Estimate }[]
  /** The contrast on the pooled predictions, with scans, subjects, intervals and ROC curve. */
  readonly pooled: ContrastEvaluation
}

export interface CohortSummary {
  readonly name: string
  /** Networks that were tested on it. */
  readonly networks: number
  readonly contrasts: readonly ContrastSummary[]
}

/**
 * The contrasts of a study when nobody names any: those of the network (defaultContrasts), and each label that is none of
 * its classes against the first class.
 */
export function studyContrasts(classes: readonly string[], labels: Iterable<string>): Contrast[] {
  const others = [...new Set(labels)].filter((label) => !classes.includes(label))
  return [
    ...defaultContrasts(classes),
    ...others.map((label) => ({ name: `${label} vs ${classes[0]}`, positive: [label], negative: [classes[0]!] })),
  ]
}

/**
 * Sums up the predictions of all networks.
 *
 * Each number is computed for each network on the scans that it was tested on; mean and deviation are over the networks. They
 * share training scans, so the deviation is no standard error. Intervals are those of the pooled predictions instead: of each
 * scan, the mean probability over all networks that were tested on it.
 *
 * @param networks predictions of each network, by cohort
 */
export function summariseNetworks(
  networks: readonly (readonly NamedPredictions[])[],
  contrasts: readonly Contrast[],
  options: Omit<EvaluateOptions, 'contrasts'> = {},
): CohortSummary[] {
  const names = [...new Set(networks.flatMap((own) => own.map(({ name }) => name)))]
  return names.map((name) => {
    const all = networks.flatMap((own) => own.filter((one) => one.name === name).map(({ predictions }) => predictions))
    const pooled = evaluatePredictions(poolPredictions(all), { ...options, contrasts })
    return {
      name,
      networks: all.length,
      contrasts: contrasts.map((contrast, n): ContrastSummary => {
        const numbers = all.map((predictions) => contrastNumbers(predictions, contrast, options.classOf))
        const evaluation = pooled.contrasts[n]!
        const metrics = contrastEstimates(evaluation).map(([metric, estimate]) => {
          return { metric, spread: spreadOf(numbers.map((own) => own[metric])), pooled: estimate }
        })
        return { contrast, metrics, pooled: evaluation }
      }),
    }
  })
}

/** Mean probabilities of each scan over all tables that have it, in the order of their first rows. */
export function poolPredictions(tables: readonly Predictions[]): Predictions {
  const classes = tables[0]!.classes
  const sums = new Map<string, { row: PredictionRow; sum: number[]; count: number }>()
  for (const row of tables.flatMap(({ rows }) => rows)) {
    const key = `${row.participant}\t${row.session ?? ''}`
    const known = sums.get(key)
    if (!known) sums.set(key, { row, sum: [...row.probabilities], count: 1 })
    else {
      row.probabilities.forEach((p, k) => {
        known.sum[k] = known.sum[k]! + p
      })
      known.count++
    }
  }
  const rows = [...sums.values()].map(({ row, sum, count }) => {
    const { participant, session, trueLabel } = row
    return predictionRow(classes, { participant, session, trueLabel, probabilities: sum.map((p) => p / count) })
  })
  return { classes, rows }
}

/** The numbers of one network on a contrast, without intervals. */
export function contrastNumbers(
  predictions: Predictions,
  contrast: Contrast,
  classOf?: ReadonlyMap<string, string>,
): Record<TableMetric, number | undefined> {
  const { rows, positive, scores, logOdds } = contrastSamples(predictions, contrast, classOf)
  const metrics: Record<BinaryMetricName, number | undefined> = binaryMetrics(
    countBinary(
      positive,
      logOdds.map((odds) => odds > 0),
    ),
  )
  const both = positive.includes(true) && positive.includes(false)
  const squares = scores.reduce((sum, score, n) => sum + (score - (positive[n] ? 1 : 0)) ** 2, 0)
  return {
    auc: both ? areaUnderRoc(positive, logOdds) : undefined,
    ...metrics,
    brier: rows.length > 0 ? squares / rows.length : undefined,
  }
}

export function spreadOf(values: readonly (number | undefined)[]): Spread {
  const known = values.filter((value): value is number => value !== undefined && Number.isFinite(value))
  if (known.length === 0) return { values, mean: undefined, deviation: undefined }
  const mean = known.reduce((a, b) => a + b, 0) / known.length
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { values, mean, deviation: known.length > 1 ? Math.sqrt(squares / (known.length - 1)) : undefined }
}

/** Columns of summaryRows. */
export const summaryColumns = [
  'cohort',
  'contrast',
  'positive_scans',
  'negative_scans',
  'positive_subjects',
  'negative_subjects',
  'metric',
  'networks',
  'mean',
  'deviation',
  'lowest',
  'highest',
  'pooled',
  'pooled_low',
  'pooled_high',
] as const

/** Summaries as rows of a table (see formatTsv), one a number. */
export function summaryRows(
  summaries: readonly CohortSummary[],
): Record<(typeof summaryColumns)[number], string | number | undefined>[] {
  return summaries.flatMap(({ name, contrasts }) =>
    contrasts.flatMap(({ contrast, metrics, pooled: { positives, negatives } }) =>
      metrics.map(({ metric, spread, pooled }) => {
        const known = spread.values.filter((value) => value !== undefined)
        return {
          cohort: name,
          contrast: contrast.name,
          positive_scans: positives.scans,
          negative_scans: negatives.scans,
          positive_subjects: positives.subjects,
          negative_subjects: negatives.subjects,
          metric,
          networks: known.length,
          mean: spread.mean,
          deviation: spread.deviation,
          lowest: known.length > 0 ? Math.min(...known) : undefined,
          highest: known.length > 0 ? Math.max(...known) : undefined,
          pooled: pooled.value,
          pooled_low: pooled.interval?.[0],
          pooled_high: pooled.interval?.[1],
        }
      }),
    ),
  )
}
