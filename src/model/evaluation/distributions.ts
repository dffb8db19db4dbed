/** The normal and Student's t distribution, for intervals and p-values. */
import { InputError } from '../../io/errors.ts'

/**
 * P(Z <= z) of a standard normal variable, with relative accuracy far into the lower tail.
 * Near zero Marsaglia's series (Evaluating the normal distribution, J. Stat. Softw. 2004), beyond |z| = 2 the continued
 * fraction of Mills' ratio.
 */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) return Number.NaN
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI)
  if (Math.abs(z) > 2) {
    let fraction = Math.abs(z)
    for (let k = 200; k >= 1; k--) fraction = Math.abs(z) + k / fraction
    const tail = density === 0 ? 0 : density / fraction
    return z < 0 ? tail : 1 - tail
  }
  let term = z
  let sum = z
  for (let k = 3; sum + term !== sum; k += 2) {
    term *= (z * z) / k
    sum += term
  }
  return 0.5 + sum * density
}

/** The z with normalCdf(z) = p, for p in (0, 1). */
export function normalQuantile(p: number): number {
  return quantileOf(normalCdf, p)
}

/**
 * P(T <= t) of Student's t with `freedom` degrees of freedom: by the regularised incomplete beta function
 * (DLMF 8.17.1, 26.5.27 of Abramowitz and Stegun).
 */
export function studentCdf(t: number, freedom: number): number {
  if (!Number.isFinite(t)) return t > 0 ? 1 : t < 0 ? 0 : Number.NaN
  const tail = 0.5 * incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5)
  return t > 0 ? 1 - tail : tail
}

/** The t with studentCdf(t, freedom) = p, for p in (0, 1). */
export function studentQuantile(p: number, freedom: number): number {
  return quantileOf((t) => studentCdf(t, freedom), p)
}

/** The quantile of a distribution that is symmetric about zero. The lower half is searched, where the tail keeps its digits. */
function quantileOf(cdf: (x: number) => number, p: number): number {
  if (!(p > 0 && p < 1)) throw new InputError(`${p} is not a probability strictly between 0 and 1`)
  if (p === 0.5) return 0
  if (p > 0.5) return -quantileOf(cdf, 1 - p)
  let low = -1
  while (cdf(low) > p) low *= 2
  let high = 0
  for (;;) {
    const middle = (low + high) / 2
    if (middle <= low || middle >= high) return middle
    if (cdf(middle) < p) low = middle
    else high = middle
  }
}

/** I_x(a, b) for 0 <= x <= 1 by the continued fraction DLMF 8.17.22, which converges fast below the mean. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a)
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a
  let fraction = 1
  for (let m = 200; m >= 1; m--) {
    const odd = (-(a + m - 1) * (a + b + m - 1) * x) / ((a + 2 * m - 2) * (a + 2 * m - 1))
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    fraction = 1 + odd / (1 + even / fraction)
  }
  return front / fraction
}

/** log gamma(x) for x > 0: Stirling's series (DLMF 5.11.1) after moving x above 10. */
function logGamma(x: number): number {
  let shift = 0
  let y = x
  for (; y < 10; y++) shift += Math.log(y)
  const inverse = 1 / (y * y)
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / y
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - shift
}
