/** What a table of two kinds (patients and controls, called right and wrong) says. */

/** Samples by truth and call. */
export interface BinaryCounts {
  readonly truePositives: number
  readonly falseNegatives: number
  readonly falsePositives: number
  readonly trueNegatives: number
}

/** In the order of published tables. */
export const binaryMetricNames = [
  'balancedAccuracy',
  'accuracy',
  'sensitivity',
  'specificity',
  'ppv',
  'npv',
  'f1',
  'mcc',
] as const

export type BinaryMetricName = (typeof binaryMetricNames)[number]

/** Undefined where the quotient is 0 / 0. */
export type BinaryMetrics = Readonly<Record<BinaryMetricName, number | undefined>>

/** Counts over the samples with these indices; default all of them once. An index may come several times. */
export function countBinary(
  positive: readonly boolean[],
  called: readonly boolean[],
  samples: Iterable<number> = positive.keys(),
): BinaryCounts {
  const counts = { truePositives: 0, falseNegatives: 0, falsePositives: 0, trueNegatives: 0 }
  for (const n of samples) {
    if (positive[n]) counts[called[n] ? 'truePositives' : 'falseNegatives']++
    else counts[called[n] ? 'falsePositives' : 'trueNegatives']++
  }
  return counts
}

/**
 * The usual numbers. A metric that needs a kind that is not there is undefined; PPV needs a positive call, NPV a negative
 * one. Matthews' correlation is 0 when all calls are the same, its limit (Chicco and Jurman, BMC Genomics 2020).
 */
export function binaryMetrics(counts: BinaryCounts): BinaryMetrics {
  const { truePositives: tp, falseNegatives: fn, falsePositives: fp, trueNegatives: tn } = counts
  const share = (part: number, whole: number) => (whole > 0 ? part / whole : undefined)
  const sensitivity = share(tp, tp + fn)
  const specificity = share(tn, tn + fp)
  const both = sensitivity !== undefined && specificity !== undefined
  const calls = (tp + fp) * (tn + fn)
  const balance = Math.sqrt(calls) * Math.sqrt((tp + fn) * (tn + fp))
  return {
    balancedAccuracy: both ? (sensitivity + specificity) / 2 : undefined,
    accuracy: share(tp + tn, tp + tn + fp + fn),
    sensitivity,
    specificity,
    ppv: share(tp, tp + fp),
    npv: share(tn, tn + fn),
    f1: tp + fn > 0 ? share(2 * tp, 2 * tp + fp + fn) : undefined,
    mcc: both ? (calls > 0 ? (tp * tn - fp * fn) / balance : 0) : undefined,
  }
}
