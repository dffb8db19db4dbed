/** What is computed from curves and maps alone. */

/** Undefined of no values. */
export function meanOf(values: readonly number[]): number | undefined {
  return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : undefined
}

/** Area under a curve of equally spaced points over [0, 1], by trapezoids. */
export function areaUnder(curve: readonly number[]): number {
  const ends = (curve[0]! + curve.at(-1)!) / 2
  return (curve.reduce((sum, value) => sum + value, 0) - ends) / (curve.length - 1)
}

/**
 * Area over the perturbation curve (Samek et al. 2017, eq. 12): the mean of f(x) - f(x_k) over k = 0..L.
 * @param curve f(x_0) = f(x), f(x_1), ..., f(x_L)
 */
export function areaOver(curve: readonly number[]): number {
  return curve.reduce((sum, value) => sum + curve[0]! - value, 0) / curve.length
}

/**
 * Gini index of |values| (Chalasani et al. 2020; Quantus Sparseness): 0 when all are alike, 1 - 1/n when one has all.
 * @returns undefined for a map of zeros
 */
export function gini(values: Float32Array, among: Uint32Array): number | undefined {
  const sorted = Float32Array.from(among, (index) => Math.abs(values[index]!)).sort()
  let [sum, weighted] = [0, 0]
  for (let n = 0; n < sorted.length; n++) {
    sum += sorted[n]!
    weighted += (2 * (n + 1) - sorted.length - 1) * sorted[n]!
  }
  return sum > 0 ? weighted / (sorted.length * sum) : undefined
}

/**
 * How far relevance is from completeness (Sundararajan et al. 2017): the relative difference, from 0 to 2, of its sum and of
 * the difference between the logits of the scan and of the baseline. Relative to the larger of the two, because a logit that
 * hardly changes would make any error infinite. Quantus Completeness tells whether it is 0.
 */
export function completenessError(relevance: Float32Array, difference: number): number {
  let sum = 0
  for (const value of relevance) sum += value
  const larger = Math.max(Math.abs(sum), Math.abs(difference))
  return larger > 0 ? Math.abs(sum - difference) / larger : 0
}

/** ||a - b|| / ||a||, Frobenius (Yeh et al. 2019; Quantus MaxSensitivity); undefined for a map of zeros. */
export function relativeChange(a: Float32Array, b: Float32Array): number | undefined {
  let [difference, own] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2
    own += a[i]! ** 2
  }
  return own > 0 ? Math.sqrt(difference / own) : undefined
}
