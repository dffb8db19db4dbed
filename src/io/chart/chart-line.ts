/** Line charts: training curves, and ROC curves. */
import { area, line } from 'd3-shape'
import {
  type AxisOptions,
  type ChartOptions,
  domainOf,
  type LegendEntry,
  makeFrame,
  type NumberScale,
} from './chart-frame.ts'
import { seriesColour, seriesDash } from './chart-palette.ts'
import { QUIET, rule, tag, words } from './chart-svg.ts'

type Point = readonly [x: number, y: number]

export interface LineSeries {
  readonly name: string
  /** In the order in which they are joined; a point that is not finite (or not above zero on a log axis) makes a gap. */
  readonly points: readonly Point[]
  /** Shaded from low to high at each x. */
  readonly band?: readonly (readonly [x: number, low: number, high: number])[]
}

export interface LineChartOptions extends ChartOptions {
  readonly x: AxisOptions
  readonly y: AxisOptions
  readonly series: readonly LineSeries[]
  /** A dashed upright line with words at its top: the best epoch. */
  readonly marker?: { readonly x: number; readonly text: string }
}

/**
 * Lines over a common x axis.
 * @returns SVG
 * @throws InputError when there is nothing to draw, or the size will not do
 */
export function lineChart({ title, width, height = 360, series, marker, ...axes }: LineChartOptions): string {
  const bands = series.flatMap(({ band = [] }) => band)
  const allX = [...series.flatMap(({ points }) => points.map(([at]) => at)), ...bands.map(([at]) => at)]
  const x = domainOf(axes.x, allX, { exact: true })
  const y = domainOf(axes.y, [
    ...series.flatMap(({ points }) => points.map(([, value]) => value)),
    ...bands.flatMap(([, low, high]) => [low, high]),
  ])
  const legend = series.length > 1 ? series.map(({ name }, n) => lineEntry(name, n)) : []
  const frame = makeFrame({ title, width, height, x, y, legend })
  const marks = series.flatMap(({ points, band }, n) => [
    ...(band ? [bandMark(band, frame.x, frame.y, seriesColour(n))] : []),
    lineMark(points, frame.x, frame.y, { stroke: seriesColour(n), 'stroke-dasharray': seriesDash(n) }),
  ])
  if (marker) {
    const at = frame.x(marker.x)
    const right = at > frame.box.width * 0.6
    marks.unshift(rule(at, 0, at, frame.box.height, { stroke: QUIET, 'stroke-dasharray': '4 4' }))
    const anchor = { 'text-anchor': right ? 'end' : 'start', 'font-size': 12, fill: QUIET }
    marks.push(words(marker.text, at + (right ? -6 : 6), 14, anchor))
  }
  return frame.render(marks)
}

export interface RocSeries {
  /** With whatever belongs to it: "Cohort A: AUC 0.91 (0.87-0.95)". */
  readonly name: string
  /** From (0, 0) to (1, 1). */
  readonly points: readonly { readonly fpr: number; readonly tpr: number }[]
}

/** ROC curves in a square, the diagonal of chance below them. @returns SVG */
export function rocChart({
  title,
  width = 460,
  curves,
}: {
  title?: string
  width?: number
  curves: readonly RocSeries[]
}): string {
  const domain = [0, 1] as const
  const legend = curves.map(({ name }, n) => lineEntry(name, n))
  const frame = makeFrame({
    title,
    width,
    // Room for the axes aside, the plot is a square.
    height: Math.round(width * 0.97 + 18 * legend.length + (title ? 24 : 0)),
    x: { label: '1 − specificity', domain },
    y: { label: 'sensitivity', domain },
    legend,
    legendBelow: true,
  })
  return frame.render([
    rule(0, frame.box.height, frame.box.width, 0, { stroke: QUIET, 'stroke-dasharray': '4 4' }),
    ...curves.map(({ points }, n) => {
      const corners = points.map(({ fpr, tpr }): Point => [fpr, tpr])
      return lineMark(corners, frame.x, frame.y, { stroke: seriesColour(n), 'stroke-dasharray': seriesDash(n) })
    }),
  ])
}

/** A legend's entry for the n-th line. */
export function lineEntry(name: string, n: number): LegendEntry {
  return {
    name,
    mark: rule(-11, 0, 11, 0, { stroke: seriesColour(n), 'stroke-dasharray': seriesDash(n), 'stroke-width': 2.2 }),
  }
}

/** Points joined by a line; what is not finite on the scales is a gap. A point alone between gaps is a dot. */
export function lineMark(
  points: readonly Point[],
  x: NumberScale,
  y: NumberScale,
  style: { stroke: string; 'stroke-dasharray'?: string },
): string {
  const placed = points.map(([a, b]): Point => [x(a), y(b)])
  const shown = (point: Point | undefined) => point?.every(Number.isFinite) ?? false
  const d = line<Point>().defined(shown).digits(2)(placed as Point[])
  if (!d) return ''
  const dots = placed.flatMap((point, n) => {
    const alone = shown(point) && !shown(placed[n - 1]) && !shown(placed[n + 1])
    return alone ? [tag('circle', { cx: point[0], cy: point[1], r: 3, fill: style.stroke })] : []
  })
  const round = { 'stroke-linejoin': 'round', 'stroke-linecap': 'round' }
  return tag('path', { d, fill: 'none', 'stroke-width': 2.2, ...round, ...style }) + dots.join('')
}

/** A shaded band from low to high. */
export function bandMark(
  band: readonly (readonly [x: number, low: number, high: number])[],
  x: NumberScale,
  y: NumberScale,
  colour: string,
): string {
  const placed = band.map(([at, low, high]) => [x(at), y(low), y(high)] as const)
  const d = area<readonly [number, number, number]>()
    .defined((corners) => corners.every(Number.isFinite))
    .x(([at]) => at)
    .y0(([, low]) => low)
    .y1(([, , high]) => high)
    .digits(2)(placed)
  return d ? tag('path', { d, fill: colour, 'fill-opacity': 0.18 }) : ''
}
