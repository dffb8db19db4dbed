/** The report of a study of relevance, self-contained. */
import { basename } from 'node:path'
import { regionMeasures } from '../explain/study/relevance-regions.ts'
import { fact, facts, type Html, html, page, table } from '../io/page.ts'
import { contrastEstimates, formatEstimate, metricTitles } from '../model/evaluation/evaluation-table.ts'
import type { MethodFigures, ScatterFigure } from './study-relevance-figures.ts'
import type { RelevanceResults } from './study-relevance-results.ts'
import {
  CORRELATION_HEAD,
  correlationCells,
  formatCorrelation,
  RANDOM_HEAD,
  randomCells,
} from './study-relevance-tables.ts'

/** A chart that shrinks with the page. */
function picture(svg: string, caption: string): Html {
  const chart = {
    html: svg.replace('<svg ', '<svg style="display:block;max-width:100%;height:auto;border-radius:8px" '),
  }
  return html`<figure>${chart}<figcaption class="quiet">${caption}</figcaption></figure>`
}

/** Numbers as a page sets them: a true minus, ranges on one line. */
const typeset = (text: string) =>
  text
    .replace(/(^|[\s(])-(?=\d)/g, '$1−')
    .replace(/(\d)-(?=\d)/g, '$1–')
    .replaceAll(' ', '\u00a0')

export function relevancePage(
  results: RelevanceResults,
  drawn: readonly MethodFigures[],
  beside: readonly ScatterFigure[],
): string {
  const title = `Relevance and anatomy: ${basename(results.cohort)}`
  return page(
    title,
    html`<header><h1>${title}</h1>${opening(results)}</header>`,
    drawn.map((figures) => methodSection(results, figures)),
    correlations(results),
    besideRandom(results, beside),
    classification(results),
    howItWasDone(results),
  )
}

/** The first region's correlation by the first method: residualised, where it is. */
function headline({ methods }: RelevanceResults) {
  const rows = methods[0]!.study.correlations.filter(({ group, region, against }) => {
    return group === undefined && region === 0 && against === 'volume'
  })
  return rows.find(({ adjustment }) => adjustment === 'residualised') ?? rows[0]!
}

function opening(results: RelevanceResults): Html {
  const { regions, methods, options, name, evaluation, target } = results
  const row = headline(results)
  const { pearson } = row.found
  const scans = methods[0]!.subjects.length
  const what = `${row.adjustment === 'residualised' ? 'residualised ' : ''}volume of ${regions[0]!.name}`
  const said =
    pearson.r === undefined
      ? html`of the ${what} and the relevance there one is the same in everybody, so they cannot be correlated`
      : html`the ${regionMeasures[options.measure]} in ${regions[0]!.name} correlates with the ${what} at
r = ${typeset(formatCorrelation(pearson))}`
  const first = evaluation.contrasts[0]
  return html`<p class="lead">Maps of ${name} for ${target} by ${methods[0]!.choice.method.title}, ${scans} scans: ${said}.</p>
${facts(
  fact(pearson.r === undefined ? '–' : typeset(pearson.r.toFixed(2)), html`r with the ${what}`),
  fact(String(scans), 'scans'),
  ...(first?.auc.value === undefined
    ? []
    : [fact(first.auc.value.toFixed(3), html`AUC of the network, ${first.name}`)]),
  fact(String(regions.length), regions.length === 1 ? 'region' : 'regions'),
)}`
}

function methodSection(results: RelevanceResults, { method, scatters, boxes, picture: maps }: MethodFigures): Html {
  const { regions, options, groups } = results
  const what = regionMeasures[options.measure]
  const line = 'The line is the least-squares fit over all scans with the 95 % interval of its mean; r is Pearson’s.'
  const blocks = regions.map(({ name }, r) => {
    const box = boxes[r]
    return html`<h3>${name}</h3><div class="pair">${scatters[r]!.map(({ svg }) => picture(svg, `${capital(what)} against volume. ${line}`))}${
      box ? picture(box.svg, `${capital(what)} by group: quartiles, and every scan.`) : ''
    }</div>`
  })
  const shown = maps
    ? picture(
        maps,
        `Mean maps${groups.length > 1 ? ' of the groups and how they differ' : ''}, all at one scale, over the mean scan.`,
      )
    : html`<p class="quiet">All mean maps are 0.</p>`
  return html`<section class="wide"><h2>${capital(method.choice.method.title)}</h2>${shown}${blocks}</section>`
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

function correlations(results: RelevanceResults): Html {
  const rows = correlationCells(results).map((cells) => cells.map(typeset))
  const { options, control, methods } = results
  const names = methods[0]!.study.residualised
  const residualised =
    names.length > 0
      ? html` Residualised volumes are without what ${names.join(', ')} explain of them in ${control ?? 'controls'} (least squares).`
      : ''
  return html`<section class="wide"><h2>Correlations</h2><p class="quiet">Of the ${regionMeasures[options.measure]} in each
region. Pearson’s interval is Fisher’s, Spearman’s has Bonett and Wright’s standard error; p is of Pearson’s r = 0,
two-sided, not corrected for several tests.${residualised} Partial: both sides without what the covariates explain in the
same scans.</p>${table(CORRELATION_HEAD, rows)}</section>`
}

function besideRandom(results: RelevanceResults, drawn: readonly ScatterFigure[]): Html {
  const { random, options } = results
  if (random.length === 0) return html``
  const rows = randomCells(results).map((cells) => cells.map(typeset))
  const figures = drawn.map(({ svg }) =>
    picture(svg, 'Every dot is one network: Pearson’s r over all scans, of residualised volumes where there are any.'),
  )
  return html`<section class="wide"><h2>Beside random weights</h2><p class="quiet">The same maps by ${options.random}
${options.random > 1 ? 'networks' : 'network'} of the same layers with weights as before training. A method that shares relevance out by the size of the input follows
anatomy with any weights; only what goes beyond these can have been learned. The last column counts networks whose r is at
least as far from 0.</p>${table(RANDOM_HEAD, rows)}<div class="pair">${figures}</div></section>`
}

function classification({ evaluation, methods, regions }: RelevanceResults): Html {
  if (evaluation.contrasts.length === 0) return html``
  const shown = ['auc', 'balancedAccuracy', 'sensitivity', 'specificity'] as const
  const rows = evaluation.contrasts.map((contrast) => {
    const found = new Map(contrastEstimates(contrast))
    const people = `${contrast.positives.scans} / ${contrast.negatives.scans}`
    return [contrast.name, people, ...shown.map((name) => typeset(formatEstimate(found.get(name)!)))]
  })
  const scores = methods.flatMap(({ choice, study }, m) =>
    study.scores
      .filter(({ score }) => score === 'relevance' || m === 0)
      .map(({ positive, negative, region, score, auc }) => [
        score === 'relevance' ? `${choice.name} relevance` : score,
        regions[region]!.name,
        `${positive} vs ${negative}`,
        typeset(formatEstimate({ value: auc.auc, interval: auc.interval })),
      ]),
  )
  const own = html`<h3>The network</h3>${table(['contrast', 'scans', ...shown.map((name) => metricTitles[name])], rows)}`
  const regional =
    scores.length > 0
      ? html`<h3>Regions alone</h3><p class="quiet">More relevance, or less volume, counts as the first of the contrast.</p>
${table(['score', 'region', 'contrast', 'AUC'], scores)}`
      : ''
  return html`<section class="wide"><h2>Classification</h2><p class="quiet">AUC with DeLong’s 95 % interval, other numbers
with bootstrap intervals. Scans that the network was trained on would flatter it: give the table of those that it has not
seen.</p>${own}${regional}</section>`
}

function howItWasDone(results: RelevanceResults): Html {
  const { options, cohort, target, control, groups, covariates, methods, regions, atlas, notes, adapter, versions } =
    results
  const settings = methods.map(({ choice, settings: own }): [string, string] => {
    const told = Object.entries(own).filter(([, value]) => value !== undefined && !ArrayBuffer.isView(value))
    return [
      choice.name,
      `${choice.method.source}; ${told.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ') || 'no settings'}`,
    ]
  })
  const rows: [string, string][] = [
    ['cohort', cohort],
    ['network', options.network],
    ['explained class', target],
    ['groups', groups.map((name) => (name === control ? `${name} (controls)` : name)).join(', ') || 'none'],
    ['atlas', `${options.atlas}${options.mergeSides ? ', sides merged' : ''}, nearest label at each voxel`],
    ...regions.map(({ name, places }): [string, string] => [
      `region ${name}`,
      places.map((k) => atlas.regions[k]!.name).join(', '),
    ]),
    ['volume', 'sum of the scan in the region times the volume of a voxel'],
    ['covariates', covariates.join(', ') || 'none'],
    ...settings,
    ...(options.random > 0
      ? [['random weights', `${options.random}, seeds from ${(options.seed ?? 0) + 1}`] as [string, string]]
      : []),
    ['precision, seed', `${options.precision}, ${options.seed ?? 0}`],
    ['adapter', adapter],
    [
      'versions',
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ...notes.map((note): [string, string] => ['note', note]),
  ]
  return html`<section class="wide"><h2>How it was done</h2><p>Every scan is explained for ${target}, whatever its label; maps are
brought back to the grid of the scan. In each region values are added up in float64. Files beside this page:
<code>regions.tsv</code> (a row a scan, method and region), <code>correlations.tsv</code>, <code>classification.tsv</code>,
<code>predictions.tsv</code>, ${results.random.length > 0 ? html`<code>random.tsv</code>, ` : ''}<code>relevance.json</code>, <code>groups/</code> (mean, difference and t maps),
<code>figures/</code>.</p><div class="scroll"><table><tbody>${rows.map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>`,
  )}</tbody></table></div></section>`
}
