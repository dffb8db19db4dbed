/** Softmax and cross-entropy in float64, from the definitions. */

/** log softmax over the middle axis of [rows, classes, inner]. */
export function logSoftmaxReference(x: ArrayLike<number>, rows: number, classes: number, inner: number): Float64Array {
  const y = new Float64Array(x.length)
  for (let r = 0; r < rows; r++)
    for (let p = 0; p < inner; p++) {
      const at = (k: number) => (r * classes + k) * inner + p
      let largest = Number.NEGATIVE_INFINITY
      for (let k = 0; k < classes; k++) largest = Math.max(largest, x[at(k)]!)
      let total = 0
      for (let k = 0; k < classes; k++) total += Math.exp(x[at(k)]! - largest)
      for (let k = 0; k < classes; k++) y[at(k)] = x[at(k)]! - largest - Math.log(total)
    }
  return y
}

/** PyTorch's cross_entropy; labels that are not a class are ignored. */
export function crossEntropyReference(
  logits: ArrayLike<number>,
  labels: readonly number[],
  weights: ArrayLike<number>,
  reduction: 'mean' | 'sum',
): number {
  const classes = weights.length
  const logs = logSoftmaxReference(logits, labels.length, classes, 1)
  let total = 0
  let divisor = 0
  labels.forEach((label, n) => {
    if (!(label >= 0 && label < classes)) return
    total -= weights[label]! * logs[n * classes + label]!
    divisor += weights[label]!
  })
  return reduction === 'sum' ? total : divisor > 0 ? total / divisor : 0
}
