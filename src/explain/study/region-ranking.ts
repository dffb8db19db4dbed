/** Which regions masks take away most, over the networks of a cross-validation. */
import type { Atlas } from '../../io/atlas/atlas.ts'
import { InputError } from '../../io/errors.ts'
import { regionMeans } from '../regions/similarity.ts'
import { type Concordance, concordance, summarisePairs, topCounts } from './agreement.ts'
import type { Context } from './contexts.ts'

/**
 * Mean of a map in each region; with weights, the mean weighted by them (grey matter: what is taken of the tissue there).
 * Regions without weight have 0. See regionMeans.
 */
export function regionDensities(map: Float32Array, atlas: Atlas, weights?: Float32Array): Float64Array {
  if (!weights) return regionMeans(map, atlas)
  if (weights.length !== map.length) {
    throw new InputError(`the weights have ${weights.length} voxels, the map ${map.length}`)
  }
  const weighted = regionMeans(
    map.map((value, v) => (Number.isFinite(value) ? value * weights[v]! : 0)),
    atlas,
  )
  const shares = regionMeans(weights, atlas)
  return weighted.map((value, r) => (shares[r]! > 0 ? value / shares[r]! : 0))
}

export interface RankedRegion {
  /** Place in the atlas. */
  readonly region: number
  readonly name: string
  /** Over the networks. */
  readonly mean: number
  readonly sd: number | undefined
  /** In how many folds it is among the first `top` by the mean over the fold's runs, and in how many networks. */
  readonly folds: number
  readonly networks: number
  /** Density of each network, in their order. */
  readonly values: readonly number[]
}

export interface Ranking {
  /** Highest mean first. */
  readonly regions: readonly RankedRegion[]
  readonly top: number
  readonly folds: number
  /** Agreement of all networks, of the folds' means, and of the runs of each fold. */
  readonly concordance: {
    readonly networks: Concordance
    readonly folds: Concordance
    readonly runs: readonly { readonly fold: number; readonly concordance: Concordance }[]
  }
}

/**
 * Ranks regions by their mean density over networks.
 * @param densities [network][region]; regions that no network could see should be left out (see `regions`)
 * @param regions places in the atlas of the columns of densities, and their names
 */
export function rankRegions(
  contexts: readonly Context[],
  densities: readonly ArrayLike<number>[],
  regions: readonly { readonly region: number; readonly name: string }[],
  { top = 10, permutations = 2000, seed = 1 }: { top?: number; permutations?: number; seed?: number } = {},
): Ranking {
  const folds = [...new Set(contexts.map(({ fold }) => fold))].sort((a, b) => a - b)
  const of = (fold: number) => densities.filter((_, n) => contexts[n]!.fold === fold)
  const foldMeans = folds.map((fold) => meanOf(of(fold)))
  const [inFolds, inNetworks] = [topCounts(foldMeans, top), topCounts(densities, top)]
  const rows = regions.map(({ region, name }, r): RankedRegion => {
    const values = densities.map((list) => list[r]!)
    const { mean, sd } = summarisePairs(values)
    return { region, name, mean: mean ?? 0, sd, folds: inFolds[r]!, networks: inNetworks[r]!, values }
  })
  const agree = (lists: readonly ArrayLike<number>[]) => concordance(lists, { permutations, seed })
  return {
    regions: rows.sort((a, b) => b.mean - a.mean || a.region - b.region),
    top,
    folds: folds.length,
    concordance: {
      networks: agree(densities),
      folds: agree(foldMeans),
      runs: folds.map((fold) => ({ fold, concordance: agree(of(fold)) })),
    },
  }
}

function meanOf(lists: readonly ArrayLike<number>[]): Float64Array {
  const mean = new Float64Array(lists[0]!.length)
  for (const list of lists) for (let r = 0; r < mean.length; r++) mean[r]! += list[r]! / lists.length
  return mean
}
