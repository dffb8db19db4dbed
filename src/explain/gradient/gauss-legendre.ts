/** Nodes and weights of Gauss and Legendre's quadrature. */

export interface Quadrature {
  readonly nodes: readonly number[]
  readonly weights: readonly number[]
}

/**
 * The rule with n nodes on [0, 1], exact for polynomials up to degree 2n - 1: roots of the Legendre polynomial by Newton's
 * method (Abramowitz and Stegun 25.4.29), from the smallest to the largest.
 */
export function gaussLegendre(n: number): Quadrature {
  const points = Array.from({ length: n }, (_, k) => {
    // Near enough to the root that Newton's method finds that one.
    let x = -Math.cos((Math.PI * (k + 0.75)) / (n + 0.5))
    for (let step = 0; step < 100; step++) {
      const { value, slope } = legendre(n, x)
      const change = value / slope
      x -= change
      if (Math.abs(change) < 1e-15) break
    }
    const { slope } = legendre(n, x)
    return { node: (1 + x) / 2, weight: 1 / ((1 - x * x) * slope * slope) }
  })
  return { nodes: points.map((p) => p.node), weights: points.map((p) => p.weight) }
}

/** The Legendre polynomial of degree n at x, |x| < 1, and its derivative, by the recurrence. */
function legendre(n: number, x: number): { value: number; slope: number } {
  let [before, value] = [1, x]
  for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k]
  return { value, slope: (n * (x * value - before)) / (x * x - 1) }
}
