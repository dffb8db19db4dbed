/** Box plots with every value as a dot beside its box. */
import { quantileSorted } from 'd3-array'
import { requireDistinct } from './chart-bar.ts'
import { type AxisOptions, type ChartOptions, domainOf, makeFrame } from './chart-frame.ts'
import { seriesColour } from './chart-palette.ts'
import { INK, PAPER, rule, tag } from './chart-svg.ts'

export interface BoxChartOptions extends ChartOptions {
  readonly y: AxisOptions
  readonly label?: string
  readonly groups: readonly BoxGroup[]
}

export interface BoxGroup {
  readonly name: string
  /** Those that are not finite are left out. */
  readonly values: readonly number[]
  /** A value to compare them with, drawn as a diamond over the box. */
  readonly mark?: number
}

/**
 * A box from the first to the third quartile with the median, whiskers to the last values within 1.5 box lengths (Tukey),
 * and all values as dots.
 * @returns SVG
 * @throws InputError for two groups of one name, or nothing to draw
 */
export function boxChart({ title, width, height = 360, groups, label, ...axes }: BoxChartOptions): string {
  const names = groups.map(({ name }) => name)
  requireDistinct(names)
  const y = domainOf(
    axes.y,
    groups.flatMap(({ values, mark }) => (mark === undefined ? values : [...values, mark])),
  )
  const frame = makeFrame({ title, width, height, x: { names, label }, y })
  const band = frame.x.bandwidth()
  const thick = Math.min(0.42 * band, 44)
  return frame.render(
    groups.flatMap(({ name, values, mark }, n) => {
      const shown = values.filter((value) => Number.isFinite(frame.y(value)))
      const centre = frame.x(name)! + band / 2
      const boxAt = centre - thick / 2 - 3
      const diamond = mark !== undefined && Number.isFinite(frame.y(mark)) ? [diamondAt(boxAt, frame.y(mark))] : []
      if (shown.length === 0) return diamond
      const dotsAt = centre + thick / 2 + 3
      return [
        ...boxMarks(shown, frame.y, boxAt, thick, seriesColour(n)),
        ...shown.map((value, k) =>
          tag('circle', {
            cx: dotsAt + (spread(k) - 0.5) * 0.7 * thick,
            cy: frame.y(value),
            r: 2.6,
            fill: seriesColour(n),
            'fill-opacity': 0.6,
          }),
        ),
        ...diamond,
      ]
    }),
  )
}

const DIAMOND = 6.5

/** Ringed in white, so that it stands out from a box behind it. */
function diamondAt(x: number, y: number) {
  const d = `M${x} ${y - DIAMOND}L${x + DIAMOND} ${y}L${x} ${y + DIAMOND}L${x - DIAMOND} ${y}Z`
  return tag('path', { d, fill: INK, stroke: PAPER, 'stroke-width': 1.5 })
}

function boxMarks(
  values: readonly number[],
  y: (value: number) => number,
  centre: number,
  thick: number,
  colour: string,
) {
  const sorted = [...values].sort((a, b) => a - b)
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((share) => quantileSorted(sorted, share)!) as [number, number, number]
  const fence = 1.5 * (q3 - q1)
  const [low, high] = [sorted.find((v) => v >= q1 - fence)!, sorted.findLast((v) => v <= q3 + fence)!]
  const line = { stroke: INK, 'stroke-width': 1.4 }
  const [left, right] = [centre - thick / 2, centre + thick / 2]
  return [
    rule(centre, y(high), centre, y(q3), line),
    rule(centre, y(q1), centre, y(low), line),
    rule(left + thick / 4, y(high), right - thick / 4, y(high), line),
    rule(left + thick / 4, y(low), right - thick / 4, y(low), line),
    tag('rect', {
      x: left,
      y: y(q3),
      width: thick,
      height: y(q1) - y(q3),
      fill: colour,
      'fill-opacity': 0.35,
      ...line,
    }),
    rule(left, y(median), right, y(median), { stroke: INK, 'stroke-width': 2.4 }),
  ]
}

/** Evenly spread numbers in [0, 1) for 0, 1, 2, ...: multiples of the golden ratio. */
function spread(k: number): number {
  return ((k + 1) * 0.6180339887498949) % 1
}
