/** Measures of maps written from their definitions, in float64, slowly. */

/** The scan with its k most relevant values replaced, for each k of a list; ties by index. */
export function flipped(x: readonly number[], relevance: readonly number[], fill: number, counts: readonly number[]) {
  const order = x.map((_, i) => i).sort((a, b) => relevance[b]! - relevance[a]! || a - b)
  return counts.map((count) => {
    const copy = [...x]
    for (const i of order.slice(0, count)) copy[i] = fill
    return copy
  })
}

/** numpy.trapz over [0, 1]. */
export function trapezoids(values: readonly number[]): number {
  let sum = 0
  for (let k = 1; k < values.length; k++) sum += (values[k - 1]! + values[k]!) / 2
  return sum / (values.length - 1)
}

/** Gini index as the mean difference of all pairs: sum |a_i - a_j| / (2 n^2 mean). */
export function giniOfPairs(values: readonly number[]): number {
  const sizes = values.map(Math.abs)
  const mean = sizes.reduce((a, b) => a + b, 0) / sizes.length
  const pairs = sizes.reduce((sum, a) => sum + sizes.reduce((own, b) => own + Math.abs(a - b), 0), 0)
  return pairs / (2 * sizes.length ** 2 * mean)
}

/** Rank from 1: one more than the number of smaller values, plus half of the other equal ones. */
export function slowRanks(values: readonly number[]): number[] {
  return values.map((v) => {
    const smaller = values.filter((w) => w < v).length
    const equal = values.filter((w) => w === v).length
    return smaller + (equal + 1) / 2
  })
}

export function slowPearson(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length
  const [ma, mb] = [mean(a), mean(b)]
  const product = (p: readonly number[], q: readonly number[], mp: number, mq: number) =>
    p.reduce((sum, v, n) => sum + (v - mp) * (q[n]! - mq), 0)
  return product(a, b, ma, mb) / Math.sqrt(product(a, a, ma, ma) * product(b, b, mb, mb))
}

/** Share of pairs of an inside and an outside value in which the inside one is larger; ties half. */
export function pairsWon(values: readonly number[], inside: readonly number[]): number {
  let [won, all] = [0, 0]
  values.forEach((v, i) => {
    values.forEach((w, j) => {
      if (!inside[i] || inside[j]) return
      all++
      won += v > w ? 1 : v === w ? 0.5 : 0
    })
  })
  return won / all
}
