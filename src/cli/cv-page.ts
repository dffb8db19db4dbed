/** The page about a cross-validation: results as a table, curves, every network, and how it was done. */
import { boxChart } from '../io/chart/chart-box.ts'
import { rocChart } from '../io/chart/chart-line.ts'
import { fact, facts, type Html, html, page, table } from '../io/page.ts'
import { TEST, VALIDATION } from '../model/crossval/crossval.ts'
import type { CohortSummary } from '../model/crossval/summary.ts'
import { formatEstimate } from '../model/evaluation/evaluation-table.ts'
import type { StoredPart } from './cv-folder.ts'
import { formatSpread, resultRows, spreadIn } from './cv-table.ts'

export interface StudyPage {
  /** The table's name. */
  readonly name: string
  readonly architecture: string
  readonly parameters: number
  readonly folds: number
  readonly runs: number
  readonly level: number
  /** Labels were shuffled with this seed. */
  readonly shuffled: number | undefined
  readonly residualised: readonly string[]
  readonly summaries: readonly CohortSummary[]
  readonly parts: readonly StoredPart[]
  /** What else to tell about how it was done: names and values. */
  readonly settings: readonly (readonly [string, string])[]
}

const COHORTS: Readonly<Record<string, string>> = { [VALIDATION]: 'validation folds', [TEST]: 'held-out test set' }
const cohortName = (name: string) => (Object.hasOwn(COHORTS, name) ? COHORTS[name]! : name)

/** Numbers as a page sets them: on one line, ranges with a dash of their own. */
const unbroken = (text: string) => text.replaceAll(' ', '\u00a0').replace(/(\d)-(?=\d)/g, '$1–')

/** A chart that shrinks with the page. */
function picture(svg: string): Html {
  return { html: svg.replace('<svg ', '<svg style="display:block;max-width:100%;height:auto;border-radius:8px" ') }
}

/** A self-contained document. */
export function studyPage(study: StudyPage): string {
  const title = `Cross-validation on ${study.name}`
  return page(
    title,
    html`<header><h1>${title}</h1>${opening(study)}</header>`,
    results(study),
    curves(study),
    networks(study),
    method(study),
  )
}

/** The row that a reader wants first: the first contrast, where no choice was made if there is such a set. */
function headline({ summaries }: StudyPage) {
  const known = summaries.filter(({ contrasts }) => contrasts[0] && spreadIn(contrasts[0], 'auc').mean !== undefined)
  return known.find(({ name }) => name === TEST) ?? known[0]
}

function opening(study: StudyPage): Html {
  const { folds, runs, architecture, shuffled } = study
  const summary = headline(study)
  const trained = `${folds} folds${runs > 1 ? `, ${runs} runs each` : ''}`
  if (!summary) return html`<p class="lead">${architecture}, ${trained}.</p>`
  const first = summary.contrasts[0]!
  const auc = spreadIn(first, 'auc')
  const balanced = spreadIn(first, 'balancedAccuracy')
  const warning =
    shuffled === undefined
      ? ''
      : html`<p><strong>The labels were shuffled</strong> (seed ${shuffled}). This is the control for leakage: everything
below should be at chance.</p>`
  return html`<p class="lead">${first.contrast.name}: the networks reach a mean AUC of ${unbroken(formatSpread(auc))} on the
${cohortName(summary.name)}, scans of people that they were not trained on.</p>${warning}
${facts(
  fact(auc.mean!.toFixed(3), html`mean AUC, ${first.contrast.name}, ${cohortName(summary.name)}`),
  fact(balanced.mean?.toFixed(3) ?? '-', 'mean balanced accuracy there'),
  fact(String(study.parts.length), html`networks (${trained})`),
  fact(study.parameters.toLocaleString('en'), html`parameters (${architecture})`),
)}`
}

function results(study: StudyPage): Html {
  const percent = Math.round(100 * study.level)
  const rows = resultRows(study.summaries)
  const contrasts = [...new Set(rows.map(({ contrast }) => contrast))]
  const heads = [
    'cohort',
    'subjects',
    'AUC',
    'balanced accuracy',
    'sensitivity',
    'specificity',
    `pooled AUC (${percent} %)`,
  ]
  const tables = contrasts.map(
    (contrast) =>
      html`<h3>${contrast}</h3>${table(
        heads,
        rows
          .filter((row) => row.contrast === contrast)
          .map((row) => [
            cohortName(row.cohort),
            row.subjects,
            ...[row.auc, row.balancedAccuracy, row.sensitivity, row.specificity, row.pooledAuc].map(unbroken),
          ]),
      )}`,
  )
  return html`<section class="wide"><h2>Results</h2>${tables}
<p class="quiet">Mean ± standard deviation over the networks, each tested on the scans of a cohort that it has not seen.
Subjects: patients / controls. The networks share training scans, so the deviation is no standard error; the pooled AUC
takes of each scan the mean probability of all networks tested on it, and has DeLong’s ${percent} % interval. Calls are
made at a probability of one half. The validation folds also chose the epoch of each network; other cohorts took no part in
any choice.</p></section>`
}

function curves({ summaries }: StudyPage): Html {
  const contrasts = summaries[0]?.contrasts ?? []
  const charts = contrasts.flatMap(({ contrast }, n) => {
    const drawn = summaries.flatMap(({ name, contrasts: own }) => {
      const { roc, auc } = own[n]!.pooled
      return roc ? [{ name: `${cohortName(name)}: AUC ${unbroken(formatEstimate(auc))}`, points: roc }] : []
    })
    return drawn.length > 0 ? [picture(rocChart({ title: contrast.name, curves: drawn }))] : []
  })
  const boxes = contrasts.flatMap(({ contrast }, n) => {
    const groups = summaries.flatMap(({ name, contrasts: own }) => {
      const values = spreadIn(own[n]!, 'auc').values.filter((value): value is number => value !== undefined)
      return values.length > 1 ? [{ name: cohortName(name), values }] : []
    })
    const title = `AUC of each network, ${contrast.name}`
    return groups.length > 0 ? [picture(boxChart({ title, width: 460, y: { label: 'AUC' }, groups }))] : []
  })
  return html`<section class="wide"><h2>Curves</h2><p class="quiet">ROC curves of the pooled predictions, and how the networks
differ.</p><div class="pair">${charts.map((chart) => html`<figure>${chart}</figure>`)}</div>
<div class="pair">${boxes.map((chart) => html`<figure>${chart}</figure>`)}</div></section>`
}

function networks({ parts, summaries }: StudyPage): Html {
  const validation = summaries.find(({ name }) => name === VALIDATION)
  const contrasts = validation?.contrasts ?? []
  const shown = contrasts.filter((own) => spreadIn(own, 'auc').mean !== undefined)
  const digits = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(3))
  const heads = [
    'network',
    'epochs',
    'chosen',
    'loss',
    'validation loss',
    ...shown.map(({ contrast }) => `AUC ${contrast.name}`),
    'balanced accuracy',
  ]
  const rows = parts.map(({ fold, run, epochs, best }, k) => [
    `fold ${fold}, run ${run}`,
    String(epochs),
    String(best.epoch),
    digits(best.loss),
    digits(best.validationLoss),
    ...shown.map((own) => digits(spreadIn(own, 'auc').values[k])),
    digits(best.balancedAccuracy),
  ])
  return html`<section class="wide"><h2>Every network</h2><p class="quiet">On its own validation fold. The folders
<code>fold-*/run-*</code> hold each network with its predictions, metrics and training curves.</p>${table(heads, rows)}</section>`
}

function method({ settings, residualised }: StudyPage): Html {
  const residual =
    residualised.length > 0
      ? html`<p>What ${residualised.join(', ')} explain of each voxel was estimated in the training controls of each fold, and
taken off every scan.</p>`
      : ''
  return html`<section class="wide"><h2>How it was done</h2>${residual}
<div class="scroll"><table><tbody>${settings.map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>`,
  )}</tbody></table></div></section>`
}
