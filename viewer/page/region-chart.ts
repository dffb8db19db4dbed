/** Relevance by region, as bars: the largest first; a click goes to the region's peak. */
import type { RegionRow } from '../../src/explain/regions/region-table.ts'
import { el, setLabel } from './dom.ts'
import type { Point } from './state.ts'
import { fixed } from './strings.ts'

/** Bars that are made; more than anybody reads. */
const MOST = 24

export interface RegionChart {
  readonly element: HTMLElement
  /** @param known whether there is an atlas for the scan; undefined until that is known */
  show(rows: readonly RegionRow[], known: boolean | undefined): void
  /** Marks the region under the crosshair. */
  mark(name: string | undefined): void
}

export function regionChart(onGo: (mm: Point) => void): RegionChart {
  const list = el('ol', { class: 'bars' })
  const empty = el('p', { class: 'quiet' })
  const against = el('span', { class: 'negative', t: 'negative' })
  const element = el(
    'section',
    { class: 'regions', label: 'regions' },
    el('h3', { t: 'regions' }),
    el('p', { class: 'quiet', t: 'regionsHint' }),
    el('p', { class: 'quiet legend' }, el('span', { class: 'positive', t: 'positive' }), against),
    empty,
    list,
  )
  const buttons = new Map<string, HTMLElement>()
  return {
    element,
    show(rows, known) {
      const amount = (row: RegionRow) => row.positive - row.negative
      const top = rows.filter((row) => amount(row) > 0 && row.peakMm).sort((a, b) => amount(b) - amount(a))
      const most = top[0] ? amount(top[0]) : 1
      const total = top.reduce((sum, row) => sum + amount(row), 0)
      empty.hidden = top.length > 0
      against.hidden = rows.every(({ negative }) => negative === 0)
      if (top.length === 0) {
        empty.replaceChildren(known === undefined ? '\u00a0' : el('span', { t: known ? 'noRegions' : 'noAtlas' }))
      }
      buttons.clear()
      list.replaceChildren(
        ...top.slice(0, MOST).map((row) => {
          const bar = el(
            'span',
            { class: 'bar' },
            part('positive', row.positive / most),
            part('negative', -row.negative / most),
          )
          const share = `${fixed((100 * amount(row)) / total, 1)} %`
          const button = el(
            'button',
            { attributes: { type: 'button' }, on: { click: () => onGo(row.peakMm!) } },
            el('span', { class: 'name' }, row.name.replaceAll('_', ' ')),
            bar,
            el('span', { class: 'amount' }, share),
          )
          setLabel(button, 'goTo', { region: row.name.replaceAll('_', ' '), value: share })
          buttons.set(row.name, button)
          return el('li', {}, button)
        }),
      )
    },
    mark(name) {
      for (const [own, button] of buttons) button.classList.toggle('here', own === name)
    },
  }
}

function part(sign: 'positive' | 'negative', share: number): HTMLElement {
  const element = el('span', { class: sign })
  element.style.width = `${(100 * Math.max(0, share)).toFixed(1)}%`
  return element
}
