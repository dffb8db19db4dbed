/** How good predictions are: confusion matrix, (balanced) accuracy, area under the ROC curve, cross-entropy. */
import { InputError } from '../../io/errors.ts'

function requireSameLength(labels: ArrayLike<number>, others: ArrayLike<unknown>, what: string): void {
  if (labels.length !== others.length || labels.length === 0) {
    throw new InputError(`${labels.length} labels and ${others.length} ${what}: need one for each, and at least one`)
  }
}

/** Index of the largest value; the first of several. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0
  for (let k = 1; k < values.length; k++) if (values[k]! > values[best]!) best = k
  return best
}

/**
 * Counts by true and predicted class: matrix[true][predicted].
 * @param labels true classes, 0 to classes - 1. @param predicted predicted classes, the same length
 * @throws InputError for lengths that differ or something that is not a class
 */
export function confusionMatrix(labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number[][] {
  requireSameLength(labels, predicted, 'predictions')
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  for (let n = 0; n < labels.length; n++) {
    const row = matrix[labels[n]!]
    if (row?.[predicted[n]!] === undefined) {
      throw new InputError(
        `sample ${n} has label ${labels[n]} and prediction ${predicted[n]}, need 0 to ${classes - 1}`,
      )
    }
    row[predicted[n]!]!++
  }
  return matrix
}

/** Share of samples on the diagonal of a confusion matrix. */
export function accuracy(matrix: readonly (readonly number[])[]): number {
  const total = matrix.flat().reduce((a, b) => a + b, 0)
  return matrix.reduce((sum, row, k) => sum + row[k]!, 0) / total
}

/** Mean over classes of the share of a class's samples that were recognised; classes without samples do not count. */
export function balancedAccuracy(matrix: readonly (readonly number[])[]): number {
  const recalls = matrix.flatMap((row, k) => {
    const total = row.reduce((a, b) => a + b, 0)
    return total > 0 ? [row[k]! / total] : []
  })
  return recalls.reduce((a, b) => a + b, 0) / recalls.length
}

/**
 * Ranks 1 to n from the smallest; equal values share the mean of their ranks.
 * @param values may be infinite, not NaN
 */
export function midranks(values: ArrayLike<number>): number[] {
  const bad = Array.prototype.findIndex.call(values, (v: number) => Number.isNaN(v))
  if (bad >= 0) throw new InputError(`value ${bad} of ${values.length} is NaN and has no rank`)
  // Not by difference: that of two equal infinities is NaN.
  const order = Array.from({ length: values.length }, (_, n) => n).sort(
    (a, b) => Number(values[a]! > values[b]!) - Number(values[a]! < values[b]!),
  )
  const ranks = new Array<number>(order.length)
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++
    for (const n of order.slice(from, to)) ranks[n] = (from + 1 + to) / 2
    from = to
  }
  return ranks
}

/**
 * Area under the ROC curve: the probability that a positive sample scores above a negative one, ties counting half
 * (Mann-Whitney U / (positives * negatives)). NaN when one of the two kinds is missing; see roc.ts for its interval.
 * @param positive whether each sample is positive. @param scores higher means more positive
 * @throws InputError for lengths that differ
 */
export function areaUnderRoc(positive: readonly boolean[], scores: ArrayLike<number>): number {
  requireSameLength({ length: positive.length }, scores, 'scores')
  const rankSum = midranks(scores).reduce((sum, rank, n) => (positive[n] ? sum + rank : sum), 0)
  const positives = positive.filter(Boolean).length
  const negatives = positive.length - positives
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/** log sum exp, shifted by the largest so that nothing overflows. */
function logSumExp(row: ArrayLike<number>): number {
  const largest = row[argmax(row)]!
  let sum = 0
  for (let k = 0; k < row.length; k++) sum += Math.exp(row[k]! - largest)
  return largest + Math.log(sum)
}

/** softmax(logits) of one sample, in float64. */
export function softmaxOf(logits: ArrayLike<number>): number[] {
  const total = logSumExp(logits)
  return Array.from(logits, (v) => Math.exp(v - total))
}

/**
 * Cross-entropy in float64 as the engine's crossEntropy with reduction 'mean' (and PyTorch's):
 * sum w[label] (-log softmax(logits)[label]) / sum w[label].
 * @param logits one row of class scores a sample. @param weights one a class; default ones
 * @throws InputError for lengths that differ
 */
export function crossEntropyOf(
  logits: readonly ArrayLike<number>[],
  labels: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  requireSameLength(labels, logits, 'rows of logits')
  let sum = 0
  let divisor = 0
  logits.forEach((row, n) => {
    const label = labels[n]!
    const weight = weights?.[label] ?? 1
    sum += weight * (logSumExp(row) - row[label]!)
    divisor += weight
  })
  return sum / divisor
}
