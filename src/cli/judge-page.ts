/** A comparison as one self-contained page. */
import { measures } from '../explain/judge/measures.ts'
import type { JudgeSettings } from '../explain/judge/options.ts'
import { fact, facts, figure, html, page, table } from '../io/page.ts'
import { failingReset, type MethodSummary, measuredOf, shortNumber } from './judge-summary.ts'

export interface JudgePage {
  readonly network: string
  readonly scans: number
  readonly adapter: string
  readonly settings: JudgeSettings
  readonly summaries: readonly MethodSummary[]
  /** Undefined where nothing was measured. */
  readonly picture: Uint8Array | undefined
}

export function judgePage({ network, scans, adapter, settings, summaries, picture }: JudgePage): string {
  const names = measuredOf(summaries)
  const best = summaries.find(({ control }) => !control)
  const rows = summaries.map(({ method, cells, rank }) => [
    method,
    rank === undefined ? '-' : rank.toFixed(1),
    ...names.map((name) => {
      const cell = cells[name]
      if (!cell) return '-'
      const error = cell.error === undefined ? '' : ` ± ${shortNumber(cell.error)}`
      const text = `${shortNumber(cell.mean)}${error}`
      return cell.rank === 1 ? html`<strong>${text}</strong>` : text
    }),
  ])
  const meanings = names.map((name) => {
    const { title, text, better, source } = measures[name]
    const counts = [...new Set(summaries.flatMap(({ cells }) => cells[name]?.n ?? []))].sort((a, b) => a - b)
    const range = counts.length > 1 ? `${counts[0]} to ${counts.at(-1)}` : `${counts[0]}`
    return html`<p><strong>${title}</strong> (${better} is better, ${range} scans). ${text} <span class="quiet">${source}.</span></p>`
  })
  const failing = failingReset(summaries)
  const chosen = Object.entries(settings).map(([name, value]) => `${name} ${value}`)
  return page(
    `How good are the maps of ${network}?`,
    html`<header><h1>How good are the maps of ${network}?</h1></header>`,
    facts(
      fact(String(summaries.filter(({ control }) => !control).length), 'methods'),
      fact(String(scans), 'scans'),
      ...(best?.rank === undefined ? [] : [fact(best.method, `best mean rank, ${best.rank.toFixed(1)}`)]),
    ),
    picture
      ? html`<div class="wide">${figure(picture, 'Measures by method, deletion and insertion curves', 'Methods by their mean rank, the best on top.')}</div>`
      : '',
    html`<h2>Numbers</h2><p>Means over scans ± standard errors; the best method of each measure in bold. Measures are not
independent of each other, so the mean rank is a guide and no verdict. Controls (a random map, the scan itself) have no rank.</p>`,
    html`<div class="wide scroll">${table(['method', 'mean rank', ...names.map((name) => measures[name].title)], rows)}</div>`,
    failing === undefined ? '' : html`<p>Randomised weights: ${failing}.</p>`,
    html`<h2>What is measured</h2>`,
    meanings,
    html`<footer>Settings: ${chosen.join(', ')}. Computed on ${adapter}.</footer>`,
  )
}
