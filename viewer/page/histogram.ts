/** How large the map's clusters are: a histogram over doubling sizes, with those that are left out in grey. */
import { el, setLabel, svg } from './dom.ts'
import type { PageStore } from './state.ts'
import { number, say } from './strings.ts'

const WIDTH = 300
const HEIGHT = 56
/** Sizes 1, 2-3, 4-7, ... */
const BINS = 14

export function clusterHistogram(store: PageStore): HTMLElement {
  const chart = svg('svg', { class: 'histogram', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' })
  setLabel(chart, 'clusterSizes')
  const summary = el('p', { class: 'quiet state', attributes: { 'aria-live': 'polite', 'data-fact': 'clusters' } })
  store.watch(
    (state) => [state.analyses[0], state.minVoxels, state.language],
    (analysis, minVoxels) => {
      const sizes = analysis?.sizes ?? []
      const kept = analysis?.clusters ?? []
      const voxels = kept.reduce((sum, one) => sum + one.voxels, 0)
      summary.textContent = analysis
        ? say('clusterSummary', { clusters: kept.length, all: sizes.length, voxels })
        : '\u00a0'
      const counts = new Array<number>(BINS).fill(0)
      for (const size of sizes) counts[Math.min(BINS - 1, Math.floor(Math.log2(size)))]!++
      const most = Math.max(1, ...counts)
      const step = WIDTH / BINS
      chart.replaceChildren(
        ...counts.flatMap((count, bin) => {
          // Few large clusters beside many small ones: heights grow with the root.
          const height = count > 0 ? Math.max(2, (HEIGHT - 16) * Math.sqrt(count / most)) : 0
          const out = 2 ** (bin + 1) - 1 < minVoxels
          const bar = svg('rect', {
            class: out ? 'out' : 'kept',
            x: (bin * step + 1).toFixed(1),
            y: (HEIGHT - 14 - height).toFixed(1),
            width: (step - 2).toFixed(1),
            height: height.toFixed(1),
          })
          bar.append(svg('title', {}, `${number(2 ** bin)}–${number(2 ** (bin + 1) - 1)}: ${number(count)}`))
          const label =
            bin % 3 === 0 ? [svg('text', { x: bin * step + step / 2, y: HEIGHT - 2 }, number(2 ** bin))] : []
          return [bar, ...label]
        }),
      )
    },
  )
  return el(
    'figure',
    { class: 'histogram-box' },
    chart,
    el('figcaption', { class: 'quiet', t: 'clusterAxis' }),
    summary,
  )
}
