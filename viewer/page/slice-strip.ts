/** Under each plane: a slider through its slices, over the sums of positive and negative relevance slice by slice. */
import type { SliceSums } from '../worker/analysis.ts'
import { el, setLabel, svg } from './dom.ts'
import { AXIS, type PlaneName } from './planes.ts'
import { fixed, number } from './strings.ts'

const WIDTH = 200
const HEIGHT = 30

export interface SliceStrip {
  readonly element: HTMLElement
  extent(range: readonly [number, number]): void
  place(mm: number): void
  sums(sums: SliceSums | undefined): void
}

export function sliceStrip(plane: PlaneName, onMove: (mm: number) => void): SliceStrip {
  const axis = 'xyz'[AXIS[plane]]!
  const slider = el('input', {
    class: 'slider',
    attributes: { type: 'range', step: 1 },
    on: { input: () => onMove(Number(slider.value)) },
  })
  setLabel(slider, 'slice', { plane: `@${plane}`, axis })
  const place = el('output', { class: 'place' })
  const here = { positive: el('span', { class: 'positive' }), negative: el('span', { class: 'negative' }) }
  let shown: SliceSums | undefined
  let at = 0
  const positive = svg('path', { class: 'positive' })
  const negative = svg('path', { class: 'negative' })
  const cursor = svg('line', { class: 'cursor', y1: 0, y2: HEIGHT })
  const chart = svg(
    'svg',
    { class: 'sums', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
    positive,
    negative,
    cursor,
  )
  setLabel(chart, 'sums', { plane: `@${plane}` })
  let range: readonly [number, number] = [0, 1]
  const across = (mm: number) => (WIDTH * (mm - range[0])) / (range[1] - range[0] || 1)

  /** The sums of the slice at the crosshair, in numbers. */
  function tellHere(): void {
    const slice = shown ? Math.round((at - shown.first) / shown.step) : -1
    for (const sign of ['positive', 'negative'] as const) {
      const sum = shown?.[sign][slice] ?? 0
      here[sign].textContent = sum === 0 ? '' : number(sum, 2)
    }
  }

  return {
    element: el(
      'div',
      { class: 'strip' },
      el(
        'div',
        { class: 'sums-row', title: 'sums', values: { plane: `@${plane}` } },
        el('span', { class: 'sums-name', t: 'sum' }),
        el('div', { class: 'sums-box' }, chart),
        el('div', { class: 'sums-here' }, here.positive, here.negative),
      ),
      el('div', { class: 'slider-row' }, el('span', { class: 'plane-name', t: plane }), slider, place),
    ),
    extent(next) {
      range = next
      slider.min = String(Math.ceil(next[0]))
      slider.max = String(Math.floor(next[1]))
    },
    place(mm) {
      slider.value = String(mm)
      const text = `${axis} ${fixed(mm, 0)}`
      place.textContent = text
      slider.setAttribute('aria-valuetext', `${text} mm`)
      cursor.setAttribute('x1', across(mm).toFixed(1))
      cursor.setAttribute('x2', across(mm).toFixed(1))
      at = mm
      tellHere()
    },
    sums(sums) {
      const most = sums ? Math.max(...sums.positive, ...sums.negative.map((n) => -n)) : 0
      const hasNegative = sums?.negative.some((n) => n < 0) ?? false
      const zero = hasNegative ? HEIGHT / 2 : HEIGHT
      positive.setAttribute('d', sums && most > 0 ? area(sums, sums.positive, zero, (zero - 1) / most, across) : '')
      negative.setAttribute('d', sums && hasNegative ? area(sums, sums.negative, zero, (zero - 1) / most, across) : '')
      chart.dataset.total = sums ? String(sums.positive.reduce((a, b) => a + b, 0)) : ''
      shown = sums
      tellHere()
    },
  }
}

/** Steps from slice to slice, from the zero line. */
function area(
  { first, step }: SliceSums,
  values: Float64Array,
  zero: number,
  scale: number,
  across: (mm: number) => number,
): string {
  const points = Array.from(values, (value, n) => {
    const [left, right] = [across(first + (n - 0.5) * step), across(first + (n + 0.5) * step)]
    const y = (zero - value * scale).toFixed(2)
    return `L${left.toFixed(2)} ${y}L${right.toFixed(2)} ${y}`
  })
  const end = across(first + (values.length - 0.5) * step).toFixed(2)
  return `M${across(first - 0.5 * step).toFixed(2)} ${zero}${points.join('')}L${end} ${zero}Z`
}
