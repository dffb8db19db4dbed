/** How far an explanation is, in a bar and in words; of a mask, the fall of the class's score. */
import { el, setLabel, setText, svg } from './dom.ts'
import type { Job, PageStore } from './state.ts'
import { fixed, number, say } from './strings.ts'

/** The chart's size, and the rectangle in it that the score falls in. */
const TRACE = { width: 300, height: 88, left: 22, right: 292, top: 18, bottom: 72 }

/** Progress bar, what is going on in words, and the fall of a watched mask's score. */
export function progress(store: PageStore): HTMLElement {
  const bar = el('progress', { attributes: { max: 1, value: 0 } })
  setLabel(bar, 'explain')
  const words = el('p', { class: 'quiet state', attributes: { 'aria-live': 'polite' } })
  const line = svg('polyline', { class: 'trace' })
  const { width, height, left, right, top, bottom } = TRACE
  const mark = (text: string, y: number) => svg('text', { x: left - 6, y: y + 3, 'text-anchor': 'end' }, text)
  const name = svg('text', { x: left, y: 11 })
  const steps = svg('text', { x: right, y: height - 4, 'text-anchor': 'end' })
  const axis = svg('path', { class: 'axis', d: `M${left} ${top}V${bottom}H${right}`, fill: 'none' })
  const most = svg('text', { x: left - 6, y: top + 3, 'text-anchor': 'end' })
  const parts = [axis, most, mark('0', bottom), name, steps, line]
  const chart = svg('svg', { class: 'trace-box', viewBox: `0 0 ${width} ${height}`, role: 'img' }, ...parts)
  setLabel(chart, 'maskTrace')
  const element = el('div', { class: 'progress' }, bar, words, chart)
  chart.style.display = 'none'
  let spoken = -1
  store.watch(
    ({ job }) => [job],
    (job) => {
      bar.style.visibility = job ? 'visible' : 'hidden'
      bar.value = job?.share ?? 0
      if (!job) {
        spoken = -1
        words.removeAttribute('data-t')
        return words.replaceChildren()
      }
      const { method, share, watched } = job
      const last = watched.at(-1)
      // Whole tenths, so that a screen reader is not flooded.
      const tenth = Math.floor(10 * share)
      if (last) {
        chart.style.display = ''
        const { iteration, iterations } = last
        const ceiling = Math.max(1, ...watched.map((one) => one.score))
        line.setAttribute('points', tracePoints(watched, ceiling))
        most.textContent = number(ceiling, 2)
        name.textContent = `P(${job.className})`
        steps.textContent = `${say('step')} ${number(iterations)}`
        const score = fixed(last.score, 3)
        setText(words, 'maskWatch', { class: job.className, score, iteration, iterations })
      } else if (tenth !== spoken) {
        spoken = tenth
        chart.style.display = 'none'
        setText(words, 'computing', { method, percent: Math.round(100 * share) })
      }
    },
  )
  return element
}

/** @param ceiling score at the top of the chart: 1, or that of a logit */
function tracePoints(watched: Job['watched'], ceiling: number): string {
  const { left, right, top, bottom } = TRACE
  return watched
    .map(({ iteration, iterations, score }) => {
      const x = left + ((right - left) * iteration) / iterations
      const y = bottom - (Math.max(0, score) / ceiling) * (bottom - top)
      return `${x.toFixed(1)},${y.toFixed(1)}`
    })
    .join(' ')
}
