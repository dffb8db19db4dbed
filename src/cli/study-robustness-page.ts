/** The report of a robustness study: one page with every figure, the tables, and how it was done. */
import { ruleInWords } from '../explain/study/mask-grid.ts'
import { fact, facts, type Html, html, page } from '../io/page.ts'
import { formatMean, formatNumber, formatP, type Numbered, numbered, settingsTable } from '../io/report/report-parts.ts'
import type { Figures } from './study-robustness-figures.ts'
import type { RobustnessResults } from './study-robustness-results.ts'
import type { RobustnessTask, RobustnessWork } from './study-robustness-work.ts'

export interface RobustnessPage {
  readonly task: RobustnessTask
  readonly work: RobustnessWork
  readonly results: RobustnessResults
  readonly figures: Figures
  /** Of the cohort. */
  readonly name: string
  /** What else to tell about how it was done. */
  readonly settings: readonly (readonly [string, string])[]
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

/** A self-contained document. */
export function robustnessPage(study: RobustnessPage): string {
  const title = `How robust are the masks? ${study.name}`
  const count = numbered()
  return page(
    title,
    html`<header><h1>${title}</h1>${opening(study)}</header>`,
    lambdaSection(study, count),
    networkSection(study, count),
    transferSection(study, count),
    regionSection(study, count),
    startSection(study, count),
    methodSection(study),
  )
}

function opening({ task, results }: RobustnessPage): Html {
  const { folder } = task
  const [run, fold] = results.kinds as [RobustnessResults['kinds'][number], RobustnessResults['kinds'][number]]
  const warning =
    folder.shuffled === undefined
      ? ''
      : html`<p><strong>The networks were trained on shuffled labels</strong> (seed ${folder.shuffled}). This is the
control: masks of such networks should not agree, and their regions mean nothing.</p>`
  return html`<p class="lead">${folder.networks.length} networks of one architecture (${folder.folds} folds, ${folder.runs} runs each)
were explained by group masks. Masks of two networks that differ by their seed alone have a ROI similarity of
${formatMean(run.similarity)} (1: same); those of networks trained on other folds ${formatMean(fold.similarity)}. A network keeps
calling patients patients with a probability of ${formatMean(run.probability)} under the mask of its twin with another seed (0: the
mask serves both), and of ${formatMean(fold.probability)} under that of another fold.</p>${warning}
${facts(
  fact(formatNumber(run.probability.mean), 'inter-run prob_CNN'),
  fact(formatNumber(fold.probability.mean), 'inter-fold prob_CNN'),
  fact(formatNumber(run.similarity.mean), 'inter-run ROI similarity'),
  fact(formatNumber(fold.similarity.mean), 'inter-fold ROI similarity'),
)}`
}

function lambdaSection({ task, work, results, figures }: RobustnessPage, count: Numbered): Html {
  const { grid, choice, settings } = work
  if (grid.length === 1) {
    return html`<h2>Regularisation</h2><p>One setting was given: lambda1 ${settings.lambda1}, lambda2 ${settings.lambda2}.
Its mask brings the mean probability of the masked patients of the first network from ${formatNumber(mean(grid[0]!.made.before), 3)} to
${formatNumber(grid[0]!.after, 3)}.</p>`
  }
  const rows = grid.map((cell, n) => [
    html`${n === choice.chosen ? html`<strong>λ1 ${cell.lambda1}, λ2 ${cell.lambda2}</strong>` : `λ1 ${cell.lambda1}, λ2 ${cell.lambda2}`}`,
    formatNumber(cell.after, 3),
    `${(100 * cell.area).toFixed(1)} %`,
    formatNumber(choice.stability[n]),
    String(cell.made.iterations),
  ])
  return html`<h2>Do masks depend on their regularisation?</h2>
<p>One group mask for each pair of weights, all of one network (fold 1, run 1) and the same ${grid[0]!.made.before.length} patients.
ROI similarity is ${formatMean(results.acrossLambda1)} between masks that differ in lambda1 alone,
${formatMean(results.acrossLambda2)} between those that differ in lambda2 alone, and ${formatMean(results.acrossLambdas)} over all
pairs.</p>
${count.figure('Group masks by the weight of their area (lambda1, rows) and of their roughness (lambda2, columns), over the mean grey matter of the patients. The setting with the orange frame was chosen.', figures['figure-grid'])}
${count.table(
  html`The settings: probability of the masked patients, how much of the tissue is masked, and mean ROI similarity to the
neighbours in the grid.`,
  ['setting', 'masked probability', 'masked', 'similarity', 'steps'],
  rows,
)}
${count.figure('ROI similarity of the masks of all settings with each other.', figures['figure-grid-similarity'])}
<p><strong>Choice.</strong> ${ruleInWords(task.options.below)} ${choice.reason}</p>`
}

function networkSection({ work, figures }: RobustnessPage, count: Numbered): Html {
  const rows = work.masks.map(({ fold, run, made }) => [
    `fold ${fold + 1}, run ${run + 1}`,
    made.before.length,
    formatNumber(mean(made.before), 3),
    formatNumber(mean(made.after), 3),
    `${(100 * made.area).toFixed(1)} %`,
    made.converged ? String(made.iterations) : `${made.iterations}, not settled`,
  ])
  return html`<h2>The mask of every network</h2>
${count.figure('Group masks of all networks: rows are folds (other training scans), columns are runs (other seeds).', figures['figure-networks'])}
${count.table(
  'The masks: mean probability of the patients, as they are and masked by the network’s own mask.',
  ['network', 'patients', 'unmasked', 'masked', 'masked tissue', 'steps'],
  rows,
)}`
}

function transferSection({ results, figures }: RobustnessPage, count: Numbered): Html {
  const rows = results.kinds.map(({ kind, probability, similarity }) => [
    { 'inter-run': 'inter-run (other seed)', 'inter-fold': 'inter-fold (other scans, same seed)' }[kind as string] ??
      'other scans and seed',
    formatMean(probability),
    probability.pairs,
    formatMean(similarity),
    similarity.pairs,
  ])
  return html`<h2>Do networks look at the same places?</h2>
<p>prob_CNN is the mean probability of the patients’ class that one network still gives to patients who wear the mask of another: near 0 the
mask hides what both go by. Under their own masks it is ${formatMean(results.own)}. ROI similarity is the cosine between
two masks’ densities in the regions of the atlas.</p>
${count.table('Mean ± standard deviation over pairs of networks. A mask can be tried both ways, so prob_CNN has twice the pairs.', ['pairs', 'prob_CNN', 'n', 'ROI similarity', 'n'], rows)}
${count.figure('How alike masks are, by what differs between them: every pair is a dot.', figures['figure-similarity'], figures['figure-transfer'])}
${count.figure('All pairs of networks. Left: masks in rows, judged by the networks in columns; right: ROI similarity.', figures['figure-prob-cnn'], figures['figure-roi-similarity'])}`
}

function regionSection({ task, results, figures }: RobustnessPage, count: Numbered): Html {
  const { ranking, truth } = results
  const { concordance, top } = ranking
  const rows = ranking.regions
    .slice(0, Math.max(15, top))
    .map(({ name, mean: own, sd, folds, networks }, n) => [
      name,
      n + 1,
      formatMean({ mean: own, sd }),
      `${folds} of ${ranking.folds}`,
      `${networks} of ${task.folder.networks.length}`,
      ...(truth ? [formatNumber(truth.values[n], 3)] : []),
    ])
  const agreement = ([name, { w, p, chance }]: readonly [string, (typeof concordance)['networks']]) => [
    name,
    formatNumber(w),
    formatNumber(chance),
    formatP(p),
  ]
  const runs = concordance.runs.map(({ fold, concordance: own }) => [`runs of fold ${fold + 1}`, own] as const)
  return html`<h2>Which regions?</h2>
<p>Regions by how much of them is masked on average over the ${task.folder.networks.length} networks. A region counts for a fold where the mean
over its runs is among the first ${top} of ${ranking.regions.length}.</p>
${count.table(
  `The regions that are masked most.`,
  ['region', 'rank', 'masked', `top ${top} in folds`, 'in networks', ...(truth ? ['truth'] : [])],
  rows,
)}
${count.figure('Left: mean over networks with standard deviation. Right: the same regions, network by network.', figures['figure-regions'], figures['figure-region-networks'])}
${count.table(
  html`Agreement of the ranking of all regions: Kendall’s W (1: all rank alike), its mean by chance and the share of
random rankings that agree as much (${task.options.permutations} permutations).`,
  ['between', 'W', 'by chance', 'permutation test'],
  [
    ['all networks', concordance.networks] as const,
    ['folds (means over runs)', concordance.folds] as const,
    ...runs,
  ].map(agreement),
)}
${truthText(results, count, figures)}`
}

function truthText({ truth }: RobustnessResults, count: Numbered, figures: Figures): Html {
  if (!truth) return html``
  const { fit, spearman, networks } = truth
  const interval = fit?.interval ? ` (95 % interval ${fit.interval.map((v) => formatNumber(v)).join(' to ')})` : ''
  return html`<h3>Against the truth</h3>
<p>The table has true maps of the patients. Over the ${truth.values.length} regions, how much is masked on average and the true maps correlate with
r = ${formatNumber(fit?.r)}${interval}, by ranks ${formatNumber(spearman)}; of single networks r is ${formatMean(networks)}.</p>
${count.figure('Every dot is a region: the mean of the patients’ true maps against how much of it is masked. The band is the 95 % interval of the line.', figures['figure-truth'])}`
}

function startSection({ task, work, results, figures }: RobustnessPage, count: Numbered): Html {
  if (work.starts.length < 2) return html``
  const known = results.starts.filter((value) => value !== undefined)
  const lowest = known.length > 0 ? formatNumber(Math.min(...known)) : '–'
  return html`<h2>Does the optimisation find the same mask again?</h2>
<p>The chosen setting on the first network, from ${work.starts.length - 1} random starts (every cell drawn between
${formatNumber(1 - task.options.start)} and 1) beside the usual one (all cells 1): ROI similarity over all pairs is
${known.length > 0 ? formatNumber(mean(known)) : '–'}, at least ${lowest}; masked probabilities are
${formatNumber(Math.min(...work.starts.map(({ after }) => mean(after))), 3)} to
${formatNumber(Math.max(...work.starts.map(({ after }) => mean(after))), 3)}.</p>
${count.figure('The mask from other starts.', figures['figure-starts'])}`
}

function methodSection({ task, work, settings: told }: RobustnessPage): Html {
  const { settings } = work
  const { options, scans } = task
  const fill = {
    one: 'the value 1 (full grey matter)',
    zero: '0',
    mean: 'the mean scan',
    blur: 'the scan blurred by 10 mm',
  }[settings.fill]
  const where = settings.within === 'tissue' ? ', where the scan is not 0' : ''
  const weight = options.weight === 'tissue' ? 'weighted by the mean grey matter' : 'over voxels'
  const who = {
    validation: 'the patients of the fold’s validation set, whom it was not trained on',
    test: 'the patients of the test set',
    all: 'all patients, those that it was trained on included',
  }[options.patients]
  return html`<h2>Methods</h2>
<p>A group mask m minimises the mean ${settings.score} of the patients’ class over the patients, plus lambda1 times the ${settings.reduction}
of |1 - m|^${settings.beta1}, plus lambda2 times the ${settings.reduction} of the slope of m to the power of ${settings.beta2}
(Fong & Vedaldi 2017; Thibeau-Sutre et al. 2020). Masked voxels are replaced by ${fill}${where}. The mask has cells of
${settings.resolution} voxels and is found by Adam (learning rate ${settings.learningRate}, at most ${settings.iterations} steps, stopping when the loss
changes by less than ${settings.tolerance} of itself over ten steps). Each network’s mask is made for ${who}, and prob_CNN is
taken over the patients of the network that judges.</p>
<p>ROI similarity is the cosine between the vectors of the mean of 1 - m in each region, ${weight}, on the scans’ grid
(${scans.grid.shape.join(' x ')} voxels); the atlas is brought to it by nearest neighbours. Kendall’s W is corrected for ties; its null
permutes each network’s ranking. Pairs of networks share scans and networks, so their standard deviation is no standard error.</p>
${settingsTable(told)}
<p class="quiet">Beside this page: grid.tsv, grid_similarity.tsv, networks.tsv, pairs.tsv, summary.tsv, regions.tsv, starts.tsv, results.json;
figures as SVG and PNG in figures/, the maps (1 - m) as NIfTI in maps/.</p>`
}
