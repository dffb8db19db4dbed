/** The tables and the document of a robustness study. */
import { contextName } from '../explain/study/contexts.ts'
import { formatTsv } from '../io/tsv.ts'
import type { RobustnessResults } from './study-robustness-results.ts'
import type { RobustnessTask, RobustnessWork } from './study-robustness-work.ts'

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

/** Contents by file name. */
export function robustnessTables(
  task: RobustnessTask,
  { grid, choice, masks, starts }: RobustnessWork,
  { gridSimilarity, pairs, kinds, ranking, truth }: RobustnessResults,
): Record<string, string> {
  const { networks } = task.folder
  const names = networks.map(({ fold, run }) => `fold-${fold}_run-${run}`)
  return {
    'grid.tsv': formatTsv(
      ['lambda1', 'lambda2', 'before', 'after', 'area', 'iterations', 'neighbour_similarity', 'chosen'],
      grid.map(({ lambda1, lambda2, after, area, made }, n) => {
        const { iterations, before } = made
        const facts = { lambda1, lambda2, before: mean(before), after, area, iterations }
        return { ...facts, neighbour_similarity: choice.stability[n], chosen: n === choice.chosen ? 1 : 0 }
      }),
    ),
    'grid_similarity.tsv': formatTsv(
      ['lambda1_a', 'lambda2_a', 'lambda1_b', 'lambda2_b', 'roi_similarity'],
      grid.flatMap((a, i) =>
        grid.slice(i + 1).map((b, k) => {
          const own = { lambda1_a: a.lambda1, lambda2_a: a.lambda2, lambda1_b: b.lambda1, lambda2_b: b.lambda2 }
          return { ...own, roi_similarity: gridSimilarity[i]![i + 1 + k] }
        }),
      ),
    ),
    'networks.tsv': formatTsv(
      ['fold', 'run', 'patients', 'before', 'after', 'area', 'iterations', 'converged'],
      masks.map(({ fold, run, made: { before, after, area, iterations, converged } }) => {
        const facts = { area, iterations, converged: converged ? 1 : 0 }
        return { fold, run, patients: before.length, before: mean(before), after: mean(after), ...facts }
      }),
    ),
    'pairs.tsv': formatTsv(
      ['pair', 'mask_of', 'judged_by', 'prob_cnn', 'roi_similarity'],
      pairs.map(({ kind, from, to, probability, similarity }) => {
        return {
          pair: kind,
          mask_of: names[from]!,
          judged_by: names[to]!,
          prob_cnn: probability,
          roi_similarity: similarity,
        }
      }),
    ),
    'summary.tsv': formatTsv(
      ['pair', 'measure', 'pairs', 'mean', 'sd'],
      kinds.flatMap(({ kind, probability, similarity }) => [
        { pair: kind, measure: 'prob_cnn', ...probability },
        { pair: kind, measure: 'roi_similarity', ...similarity },
      ]),
    ),
    'regions.tsv': formatTsv(
      ['rank', 'region', 'mean', 'sd', 'top_folds', 'top_networks', ...(truth ? ['truth'] : []), ...names],
      ranking.regions.map(({ name, values, mean: own, sd, folds, networks: count }, n) => {
        const facts = { rank: n + 1, region: name, mean: own, sd, top_folds: folds, top_networks: count }
        return {
          ...facts,
          truth: truth?.values[n],
          ...Object.fromEntries(names.map((network, k) => [network, values[k]])),
        }
      }),
    ),
    'starts.tsv': formatTsv(
      ['start', 'after', 'area', 'iterations'],
      starts.map(({ after, area, iterations }, n) => {
        return { start: n === 0 ? 'ones' : `random ${n}`, after: mean(after), area, iterations }
      }),
    ),
  }
}

/** The study for machines. */
export function robustnessDocument(
  task: RobustnessTask,
  { first, grid, choice, settings, masks }: RobustnessWork,
  results: RobustnessResults,
): Record<string, unknown> {
  const { networks } = task.folder
  const { ranking, truth, kinds, pairs: _, similarity: __, gridSimilarity: ___, starts, ...others } = results
  return {
    grid: {
      network: contextName(first),
      settings: grid.map(({ lambda1, lambda2, after, area }, n) => {
        return { lambda1, lambda2, after, area, neighbourSimilarity: choice.stability[n] }
      }),
      chosen: { lambda1: settings.lambda1, lambda2: settings.lambda2 },
      reason: choice.reason,
    },
    networks: networks.map(({ fold, run, digest }, n) => {
      const { before, after, area, iterations, converged } = masks[n]!.made
      const facts = { before: mean(before), after: mean(after), area, iterations, converged }
      return { fold, run, digest, patients: before.length, ...facts }
    }),
    ...others,
    kinds,
    starts,
    regions: {
      top: ranking.top,
      concordance: ranking.concordance,
      ranked: ranking.regions.map(({ name, mean: own, sd, folds, networks: count }) => {
        return { name, mean: own, sd, topFolds: folds, topNetworks: count }
      }),
    },
    truth: truth && {
      pearson: truth.fit?.r,
      interval: truth.fit?.interval,
      spearman: truth.spearman,
      regions: truth.values.length,
      networks: truth.networks,
    },
  }
}
