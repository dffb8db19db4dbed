/** The numbers of a robustness study, out of its masks and predictions. */
import { regionsOfInput } from '../explain/regions/input-regions.ts'
import { roiSimilarity, similarityMatrix } from '../explain/regions/similarity.ts'
import { type PairSummary, summarisePairs } from '../explain/study/agreement.ts'
import { contextPairs, PAIR_KINDS, type Pair, type PairKind } from '../explain/study/contexts.ts'
import { type Ranking, rankRegions, regionDensities } from '../explain/study/region-ranking.ts'
import type { Volume } from '../io/volume.ts'
import { midranks } from '../model/evaluation/metrics.ts'
import { type LinearFit, linearFit } from '../model/evaluation/regression.ts'
import type { RobustnessTask, RobustnessWork } from './study-robustness-work.ts'

export interface NetworkPair extends Pair {
  /** prob_CNN: masks of `from` judged by the network `to`. */
  readonly probability: number
  readonly similarity: number | undefined
}

export interface KindSummary {
  readonly kind: PairKind
  readonly probability: PairSummary
  readonly similarity: PairSummary
}

/** Regions against what is truly there. */
export interface TruthResult {
  /** In the order of the ranking's regions. */
  readonly values: readonly number[]
  /** Of the mean densities over the networks on the truth. */
  readonly fit: LinearFit | undefined
  readonly spearman: number | undefined
  /** Pearson's correlation of each network's densities. */
  readonly networks: PairSummary
}

export interface RobustnessResults {
  /** Of all settings with each other. */
  readonly gridSimilarity: readonly (readonly (number | undefined)[])[]
  /** Over pairs of settings that differ in lambda1 alone, in lambda2 alone, and over all. */
  readonly acrossLambda1: PairSummary
  readonly acrossLambda2: PairSummary
  readonly acrossLambdas: PairSummary
  /** All ordered pairs of networks. */
  readonly pairs: readonly NetworkPair[]
  readonly kinds: readonly KindSummary[]
  /** [network][network]; its own mask on the diagonal. */
  readonly similarity: readonly (readonly (number | undefined)[])[]
  /** prob_CNN of each network's own mask. */
  readonly own: PairSummary
  readonly ranking: Ranking
  /** ROI similarity of masks from other starts, all pairs. */
  readonly starts: readonly (number | undefined)[]
  readonly truth: TruthResult | undefined
}

/** @param truth mean true map of the patients, on the scans' grid */
export function robustnessResults(
  task: RobustnessTask,
  work: RobustnessWork,
  truth: Volume | undefined,
): RobustnessResults {
  const { folder, options } = task
  const { grid, masks, starts, transfer } = work
  const gridSimilarity = similarityMatrix(grid.map(({ densities }) => densities))
  const across = (wanted: (a: (typeof grid)[number], b: (typeof grid)[number]) => boolean) =>
    summarisePairs(
      eachTwo(grid.length).flatMap(([a, b]) => (wanted(grid[a]!, grid[b]!) ? [gridSimilarity[a]![b]] : [])),
    )
  const densities = masks.map(({ made }) => made.densities)
  const similarity = similarityMatrix(densities)
  const pairs = contextPairs(folder.networks).map((pair): NetworkPair => {
    return { ...pair, probability: transfer[pair.from]![pair.to]!, similarity: similarity[pair.from]![pair.to] }
  })
  const kinds = PAIR_KINDS.map((kind): KindSummary => {
    const some = pairs.filter((pair) => pair.kind === kind)
    // The similarity is the same both ways and counts once.
    const once = some.filter(({ from, to }) => from < to)
    return {
      kind,
      probability: summarisePairs(some.map((pair) => pair.probability)),
      similarity: summarisePairs(once.map((pair) => pair.similarity)),
    }
  })
  const seen = seenRegions(task)
  const columns = densities.map((list) => Float64Array.from(seen, ({ region }) => list[region]!))
  const { top, permutations, seed } = options
  const ranking = rankRegions(folder.networks, columns, seen, { top, permutations, seed })
  const startDensities = starts.map((made) => made.densities)
  return {
    gridSimilarity,
    acrossLambda1: across((a, b) => a.lambda2 === b.lambda2),
    acrossLambda2: across((a, b) => a.lambda1 === b.lambda1),
    acrossLambdas: across(() => true),
    pairs,
    kinds,
    similarity,
    own: summarisePairs(transfer.map((row, n) => row[n])),
    ranking,
    starts: eachTwo(starts.length).map(([a, b]) => roiSimilarity(startDensities[a]!, startDensities[b]!)),
    truth: truth && compareWithTruth(task, ranking, truth),
  }
}

function eachTwo(count: number): [number, number][] {
  return Array.from({ length: count }, (_, a) => a).flatMap((a) =>
    Array.from({ length: count - a - 1 }, (_, k): [number, number] => [a, a + k + 1]),
  )
}

/** Regions of which the networks see at least a voxel: of the others a mask can say nothing. */
export function seenRegions({ folder, scans, atlas }: Pick<RobustnessTask, 'folder' | 'scans' | 'atlas'>) {
  const labels = new Set(regionsOfInput(folder.networks[0]!.network.description, scans.mean, atlas))
  return atlas.regions.flatMap(({ name }, region) => (labels.has(region + 1) ? [{ region, name }] : []))
}

function compareWithTruth({ atlas, options, scans }: RobustnessTask, ranking: Ranking, truth: Volume): TruthResult {
  const weights = options.weight === 'tissue' ? scans.mean.data : undefined
  const all = regionDensities(truth.data, atlas, weights)
  const values = ranking.regions.map(({ region }) => all[region]!)
  const means = ranking.regions.map((row) => row.mean)
  const networks = ranking.regions[0]!.values.map(
    (_, n) =>
      linearFit(
        values,
        ranking.regions.map((row) => row.values[n]!),
      )?.r,
  )
  return {
    values,
    fit: linearFit(values, means),
    spearman: linearFit(midranks(values), midranks(means))?.r,
    networks: summarisePairs(networks),
  }
}
