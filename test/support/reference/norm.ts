/** Normalisation in float64, from the definition: each group of elements by its own mean and biased variance. */

export interface Moments {
  readonly mean: Float64Array
  readonly variance: Float64Array
}

/** Group of a flat index of [N, C, inner]: the channel (batch norm) or the channel of a sample (instance norm). */
export function groupOf(i: number, channels: number, inner: number, perSample: boolean): number {
  const plane = Math.floor(i / inner)
  return perSample ? plane : plane % channels
}

export function moments(x: ArrayLike<number>, groups: number, group: (i: number) => number): Moments {
  const count = new Float64Array(groups)
  const mean = new Float64Array(groups)
  const variance = new Float64Array(groups)
  for (let i = 0; i < x.length; i++) {
    count[group(i)]!++
    mean[group(i)]! += x[i]!
  }
  for (let g = 0; g < groups; g++) mean[g]! /= count[g]!
  for (let i = 0; i < x.length; i++) variance[group(i)]! += (x[i]! - mean[group(i)]!) ** 2
  for (let g = 0; g < groups; g++) variance[g]! /= count[g]!
  return { mean, variance }
}

/** (x - mean) / sqrt(variance + epsilon) * gamma + beta with given moments; gamma and beta by channel. */
export function normalised(
  x: ArrayLike<number>,
  { mean, variance }: { mean: ArrayLike<number>; variance: ArrayLike<number> },
  group: (i: number) => number,
  gamma: ArrayLike<number>,
  beta: ArrayLike<number>,
  epsilon: number,
): Float64Array {
  return Float64Array.from({ length: x.length }, (_, i) => {
    const g = group(i)
    const c = g % gamma.length
    return ((x[i]! - mean[g]!) / Math.sqrt(variance[g]! + epsilon)) * gamma[c]! + beta[c]!
  })
}
