/** How good a network's predictions of a cohort are: every number with its interval, by contrast and over all classes. */
import { participantKey } from '../../io/cohort/cohort.ts'
import { type BinaryCounts, type BinaryMetricName, binaryMetrics, countBinary } from './binary-metrics.ts'
import { type BootstrapOptions, bootstrapIntervals } from './bootstrap.ts'
import { type Calibration, calibration } from './calibration.ts'
import { type Contrast, contrastSamples, defaultContrasts } from './contrast.ts'
import { accuracy, argmax, balancedAccuracy, confusionMatrix } from './metrics.ts'
import type { PredictionRow, Predictions } from './predictions.ts'
import { delongAuc, type Interval, type RocPoint, rocCurve } from './roc.ts'

/** A number and how sure it is. Both are undefined where the cohort cannot tell, e.g. a sensitivity without patients. */
export interface Estimate {
  readonly value: number | undefined
  readonly interval: Interval | undefined
}

export interface ContrastEvaluation extends Contrast {
  /** Scans, and the subjects they are of. */
  readonly positives: { readonly scans: number; readonly subjects: number }
  readonly negatives: { readonly scans: number; readonly subjects: number }
  /** With DeLong's interval. */
  readonly auc: Estimate
  /** With bootstrap intervals. A scan is called positive when its score is above 1/2. */
  readonly metrics: Readonly<Record<BinaryMetricName, Estimate>>
  readonly counts: BinaryCounts
  /** Thresholds are scores (probabilities); the first point's is missing: nothing is called positive. */
  readonly roc: readonly (Omit<RocPoint, 'threshold'> & { readonly threshold?: number })[] | undefined
  /** Of the score; undefined without scans. */
  readonly calibration: Calibration | undefined
}

export interface CohortEvaluation {
  readonly classes: readonly string[]
  readonly scans: number
  readonly subjects: number
  /** Scans whose label is no class, or missing; they count only in contrasts that name their label. */
  readonly otherScans: number
  /** Over the scans whose label is a class; with bootstrap intervals. */
  readonly accuracy: Estimate
  /** Mean recall of the classes that have scans. */
  readonly balancedAccuracy: Estimate
  /** Counts by true and predicted class. */
  readonly confusion: readonly (readonly number[])[]
  readonly contrasts: readonly ContrastEvaluation[]
}

export interface EvaluateOptions extends BootstrapOptions {
  /** Default: see defaultContrasts. */
  readonly contrasts?: readonly Contrast[]
  /** Class of a label, where labels were grouped for training. Default: its own name. */
  readonly classOf?: ReadonlyMap<string, string>
}

/**
 * Evaluates predictions. Calls are made from the probabilities (the largest, or more than 1/2 in a contrast), not from
 * predicted_label. Sessions of one subject are kept together in all intervals.
 * @throws InputError for a contrast without a class of the network
 */
export function evaluatePredictions(predictions: Predictions, options: EvaluateOptions = {}): CohortEvaluation {
  const { classes, rows } = predictions
  const classOf = (row: PredictionRow) =>
    row.trueLabel === undefined ? -1 : classes.indexOf(options.classOf?.get(row.trueLabel) ?? row.trueLabel)
  const known = rows.filter((row) => classOf(row) >= 0)
  const contrasts = options.contrasts ?? defaultContrasts(classes)
  return {
    classes,
    scans: rows.length,
    subjects: countSubjects(rows),
    otherScans: rows.length - known.length,
    ...overClasses(known, known.map(classOf), classes.length, options),
    contrasts: contrasts.map((contrast) => evaluateContrast(predictions, contrast, options)),
  }
}

function overClasses(
  rows: readonly PredictionRow[],
  labels: readonly number[],
  classes: number,
  options: BootstrapOptions,
) {
  const nothing: Estimate = { value: undefined, interval: undefined }
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  if (rows.length === 0) return { accuracy: nothing, balancedAccuracy: nothing, confusion }
  const called = rows.map((row) => argmax(row.probabilities))
  const subjects = rows.map(participantKey)
  const numbers = (samples: readonly number[]) => {
    const matrix = confusionMatrix(
      samples.map((n) => labels[n]!),
      samples.map((n) => called[n]!),
      classes,
    )
    return { accuracy: accuracy(matrix), balancedAccuracy: balancedAccuracy(matrix) }
  }
  const values = numbers([...rows.keys()])
  const intervals = bootstrapIntervals(labels, subjects, numbers, options)
  return {
    accuracy: { value: values.accuracy, interval: intervals.accuracy },
    balancedAccuracy: { value: values.balancedAccuracy, interval: intervals.balancedAccuracy },
    confusion: confusionMatrix(labels, called, classes),
  }
}

function evaluateContrast(predictions: Predictions, contrast: Contrast, options: EvaluateOptions): ContrastEvaluation {
  const { rows, positive, scores, logOdds } = contrastSamples(predictions, contrast, options.classOf)
  const subjects = rows.map(participantKey)
  const called = logOdds.map((odds) => odds > 0)
  const counts = countBinary(positive, called)
  const values = binaryMetrics(counts)
  const intervals =
    rows.length > 0
      ? bootstrapIntervals(
          positive,
          subjects,
          (samples) => binaryMetrics(countBinary(positive, called, samples)),
          options,
        )
      : undefined
  const area = delongAuc(positive, logOdds, { subjects, level: options.level })
  const names = Object.keys(values) as BinaryMetricName[]
  const side = (wanted: boolean) => {
    const members = rows.filter((_, n) => positive[n] === wanted)
    return { scans: members.length, subjects: countSubjects(members) }
  }
  return {
    ...contrast,
    positives: side(true),
    negatives: side(false),
    auc: { value: area?.auc, interval: area?.interval },
    metrics: Object.fromEntries(
      names.map((name) => [name, { value: values[name], interval: intervals?.[name] }]),
    ) as ContrastEvaluation['metrics'],
    counts,
    roc: rocCurve(positive, logOdds)?.map(({ threshold, ...point }, n) =>
      n === 0 ? point : { ...point, threshold: 1 / (1 + Math.exp(-threshold)) },
    ),
    calibration: rows.length > 0 ? calibration(positive, scores, { level: options.level }) : undefined,
  }
}

function countSubjects(rows: readonly PredictionRow[]): number {
  return new Set(rows.map(participantKey)).size
}
