/** Pieces that study reports share: numbered figures and tables, settings, numbers as papers write them. */
import { type Html, html, table } from '../page.ts'

/** An SVG picture that shrinks with the page. */
export function inlineSvg(svg: string): Html {
  return { html: svg.replace('<svg ', '<svg style="display:block;max-width:100%;height:auto;border-radius:8px" ') }
}

export interface Numbered {
  /** The next figure. Several pictures stand side by side where there is room. */
  figure(caption: Html | string, ...pictures: readonly (string | undefined)[]): Html
  /** The next table, its caption above it. */
  table(caption: Html | string, head: readonly string[], rows: readonly (readonly (Html | string | number)[])[]): Html
}

/** Counts figures and tables from 1, in the order in which they are made. */
export function numbered(): Numbered {
  let [figures, tables] = [0, 0]
  return {
    figure(caption, ...pictures) {
      const shown = pictures.filter((svg) => svg !== undefined)
      if (shown.length === 0) return html``
      figures++
      const inside = shown.length > 1 ? html`<div class="pair">${shown.map(inlineSvg)}</div>` : inlineSvg(shown[0]!)
      return html`<figure class="wide" style="margin:24px 0 32px">${inside}<figcaption><strong>Figure ${figures}.</strong> ${caption}</figcaption></figure>`
    },
    table(caption, head, rows) {
      tables++
      return html`<div class="wide"><p class="quiet" style="margin:24px 0 -8px"><strong>Table ${tables}.</strong> ${caption}</p>${table(head, rows)}</div>`
    },
  }
}

/** Names and values as a table of two columns, the values set as text. */
export function settingsTable(rows: readonly (readonly [name: string, value: string])[]): Html {
  const lines = rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="text">${value}</td></tr>`)
  return html`<div class="scroll"><table><tbody>${lines}</tbody></table></div>`
}

/** `0.69`, or a dash where there is no number. */
export function formatNumber(value: number | undefined, digits = 2): string {
  return value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits)
}

/** `0.69 ± 0.05`, on one line. */
export function formatMean({
  mean,
  sd,
}: {
  readonly mean: number | undefined
  readonly sd: number | undefined
}): string {
  if (mean === undefined) return '–'
  return sd === undefined ? formatNumber(mean) : `${formatNumber(mean)}\u00a0±\u00a0${formatNumber(sd)}`
}

/** `p = 0.03`, or `p < 0.001`. */
export function formatP(p: number | undefined): string {
  if (p === undefined) return '–'
  return p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`
}
