/**
 * A correlation beside those of networks that learned nothing. Relevance that a method shares out by the size of the input
 * follows anatomy with any weights (Adebayo et al. 2018 put maps to this test); what a network learned is what goes beyond.
 */
import { type PairSummary, summarisePairs } from './agreement.ts'
import type { Adjustment, CorrelationRow } from './relevance-study.ts'

export interface BesideRandom extends Pick<PairSummary, 'mean' | 'sd'> {
  /** Place in the regions. */
  readonly region: number
  readonly adjustment: Adjustment
  /** Pearson's r of relevance and volume over all scans; undefined where it cannot be said. */
  readonly own: number | undefined
  /** The same of each network with random weights; mean and sd are theirs. */
  readonly others: readonly (number | undefined)[]
  /** Networks with random weights whose r is at least as far from 0; undefined where the own cannot be said. */
  readonly asFar: number | undefined
}

/**
 * @param own correlations of the network that is studied
 * @param others correlations of each network with random weights, of the same regions and adjustments
 */
export function besideRandom(
  own: readonly CorrelationRow[],
  others: readonly (readonly CorrelationRow[])[],
): BesideRandom[] {
  const ofVolume = (rows: readonly CorrelationRow[]) =>
    rows.filter(({ against, group }) => against === 'volume' && group === undefined)
  return ofVolume(own).map(({ region, adjustment, found }) => {
    const all = others.map(
      (rows) => ofVolume(rows).find((row) => row.region === region && row.adjustment === adjustment)?.found.pearson.r,
    )
    const { mean, sd } = summarisePairs(all)
    const { r } = found.pearson
    return {
      region,
      adjustment,
      own: r,
      others: all,
      mean,
      sd,
      asFar:
        r === undefined
          ? undefined
          : all.filter((other) => other !== undefined && Math.abs(other) >= Math.abs(r)).length,
    }
  })
}
