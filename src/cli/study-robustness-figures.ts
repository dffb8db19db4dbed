/** The figures of a robustness study. */
import type { Context } from '../explain/study/contexts.ts'
import { barChart } from '../io/chart/chart-bar.ts'
import { boxChart } from '../io/chart/chart-box.ts'
import { heatMap } from '../io/chart/chart-heat.ts'
import { scatterChart } from '../io/chart/chart-scatter.ts'
import { commonSlices, sliceFigure } from '../io/report/slice-figure.ts'
import type { RobustnessResults } from './study-robustness-results.ts'
import type { RobustnessTask, RobustnessWork } from './study-robustness-work.ts'

/** Pictures as SVG, by what their files are called. */
export type Figures = Readonly<Record<string, string>>

const WIDE = 1032
const HALF = 508
const LABEL = '1 - m: how much is masked'

/** "2.1": fold and run, counted from 1. */
const shortName = ({ fold, run }: Context) => `${fold + 1}.${run + 1}`

export function robustnessFigures(task: RobustnessTask, work: RobustnessWork, results: RobustnessResults): Figures {
  const { folder, scans, options } = task
  const { grid, masks, starts, choice, transfer } = work
  const { lambda1, lambda2 } = options.grid
  const background = scans.mean
  const maps = masks.map(({ made }) => made.relevance)
  // All figures of maps show the same slices at one scale.
  const slices = commonSlices(maps)
  const max = Math.min(1, scaleOf([...maps, ...grid.map(({ made }) => made.relevance)]))
  const common = { background, label: LABEL, slices, max, width: WIDE }
  const names = folder.networks.map(shortName)
  const square = { rows: names, columns: names, xLabel: 'network (fold.run)', width: HALF }
  const axes = { ...square, yLabel: 'mask of (fold.run)' }
  const settings = grid.map((cell) => `${cell.lambda1}, ${cell.lambda2}`)
  const ranked = results.ranking.regions.slice(0, Math.max(15, options.top))
  return {
    ...(grid.length > 1 && {
      'figure-grid': sliceFigure({
        ...common,
        rows: lambda1.map((value) => `λ1 = ${value}`),
        columns: lambda2.map((value) => `λ2 = ${value}`),
        rowLabel: 'larger λ1: less is masked',
        columnLabel: 'larger λ2: smoother',
        maps: lambda1.map((_, i) => lambda2.map((__, j) => grid[i * lambda2.length + j]!.made.relevance)),
        marked: [Math.floor(choice.chosen / lambda2.length), choice.chosen % lambda2.length],
      }),
      'figure-grid-similarity': heatMap({
        rows: settings,
        columns: settings,
        values: results.gridSimilarity,
        label: 'ROI similarity',
        domain: [0, 1],
        xLabel: 'λ1, λ2',
        width: 640,
      }),
    }),
    'figure-networks': sliceFigure({
      ...common,
      // Two runs need not be as wide as three.
      width: Math.min(WIDE, 90 + 320 * folder.runs),
      rows: Array.from({ length: folder.folds }, (_, fold) => `fold ${fold + 1}`),
      columns: Array.from({ length: folder.runs }, (_, run) => `run ${run + 1}`),
      maps: Array.from({ length: folder.folds }, (_, fold) =>
        Array.from({ length: folder.runs }, (__, run) => maps[fold * folder.runs + run]),
      ),
    }),
    'figure-prob-cnn': heatMap({ ...axes, values: transfer, label: 'prob_CNN', domain: [0, 1], title: 'prob_CNN' }),
    'figure-roi-similarity': heatMap({
      ...axes,
      values: results.similarity,
      label: 'ROI similarity',
      domain: [0, 1],
      title: 'ROI similarity',
    }),
    ...ladders(results),
    'figure-regions': barChart({
      width: HALF,
      horizontal: true,
      values: { label: 'mean of 1 - m, ± standard deviation over networks' },
      groups: ranked.map(({ name, mean, sd }) => {
        return {
          name,
          bars: [{ value: mean, ...(sd !== undefined && { interval: [Math.max(0, mean - sd), mean + sd] as const }) }],
        }
      }),
    }),
    'figure-region-networks': heatMap({
      rows: ranked.map(({ name }) => name),
      columns: names,
      values: ranked.map(({ values }) => values),
      label: 'mean of 1 - m',
      xLabel: 'network (fold.run)',
      width: HALF,
      height: 80 + 26 * ranked.length,
    }),
    ...truthFigure(results),
    ...(starts.length > 1 && {
      'figure-starts': sliceFigure({
        ...common,
        rows: [''],
        width: Math.min(WIDE, 40 + 320 * starts.length),
        columns: starts.map((_, n) => (n === 0 ? 'from ones' : `random start ${n}`)),
        maps: [starts.map(({ relevance }) => relevance)],
      }),
    }),
  }
}

/** Where all figures' colours end: what a twentieth of the largest map's masked voxels is above. */
function scaleOf(maps: readonly { readonly data: Float32Array }[]): number {
  const tops = maps.map(({ data }) => {
    const masked = data.filter((value) => value > 0.02).sort()
    return masked.length > 0 ? masked[Math.floor(0.97 * (masked.length - 1))]! : 0
  })
  const most = Math.max(...tops)
  return most > 0 ? Number(most.toPrecision(2)) : 1
}

/** How alike contexts are, from those that should be most alike to those that differ in all. */
function ladders({ pairs, starts, gridSimilarity }: RobustnessResults): Figures {
  const of = (kind: string) => pairs.filter((pair) => pair.kind === kind)
  const known = (values: readonly (number | undefined)[]) => values.filter((value) => value !== undefined)
  const once = (kind: string) => known(of(kind).flatMap(({ from, to, similarity }) => (from < to ? [similarity] : [])))
  const lambdas = known(gridSimilarity.flatMap((row, i) => row.slice(i + 1)))
  const groups = [
    { name: 'other start', values: known(starts) },
    { name: 'other lambdas', values: lambdas },
    { name: 'other seed', values: once('inter-run') },
    { name: 'other fold', values: once('inter-fold') },
    { name: 'other fold and seed', values: once('inter-fold and run') },
  ].filter(({ values }) => values.length > 0)
  const kinds = [
    { name: 'other seed', values: of('inter-run').map(({ probability }) => probability) },
    { name: 'other fold', values: of('inter-fold').map(({ probability }) => probability) },
    { name: 'other fold and seed', values: of('inter-fold and run').map(({ probability }) => probability) },
  ].filter(({ values }) => values.length > 0)
  const size = { width: HALF, height: 340 }
  if (groups.length === 0) return {}
  return {
    'figure-similarity': boxChart({
      ...size,
      title: 'ROI similarity (1: same)',
      y: { label: 'ROI similarity', domain: [0, 1] },
      groups,
    }),
    'figure-transfer': boxChart({
      ...size,
      title: 'prob_CNN (0: same)',
      y: { label: 'prob_CNN', domain: [0, 1] },
      groups: kinds,
    }),
  }
}

function truthFigure({ truth, ranking }: RobustnessResults): Figures {
  if (!truth) return {}
  const { fit, values } = truth
  const points = ranking.regions.map(({ mean }, n) => [values[n]!, mean] as const)
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const along = Array.from({ length: 21 }, (_, k) => low + (k / 20) * (high - low))
  const r = fit?.r
  return {
    'figure-truth': scatterChart({
      width: 620,
      height: 420,
      x: { label: 'truth: mean of the true maps in a region' },
      y: { label: 'mean of 1 - m in the region' },
      groups: [{ name: 'regions', points }],
      ...(fit && { fit: along.map((x) => ({ x, y: fit.at(x).y, interval: fit.at(x).interval })) }),
      ...(r !== undefined && {
        note: `r = ${r.toFixed(2)}${fit?.interval ? ` (${fit.interval.map((v) => v.toFixed(2)).join(' to ')})` : ''}`,
      }),
    }),
  }
}
