/** Scatter plots with a regression line. */
import { symbol } from 'd3-shape'
import { type AxisOptions, type ChartOptions, domainOf, makeFrame } from './chart-frame.ts'
import { bandMark, lineMark } from './chart-line.ts'
import { seriesColour, seriesSymbol } from './chart-palette.ts'
import { INK, tag, words } from './chart-svg.ts'

export interface ScatterGroup {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface ScatterChartOptions extends ChartOptions {
  readonly x: AxisOptions
  readonly y: AxisOptions
  readonly groups: readonly ScatterGroup[]
  /** The regression line at some x, with the interval of the mean there (see linearFit). */
  readonly fit?: readonly { readonly x: number; readonly y: number; readonly interval?: readonly [number, number] }[]
  /** In a corner: "r = -0.86 (-0.91 to -0.79)". */
  readonly note?: string
}

/**
 * Points of one or several groups; what is not finite (or not above zero on a log axis) is left out.
 * @returns SVG
 * @throws InputError when there is nothing to draw, or the size will not do
 */
export function scatterChart({
  title,
  width,
  height = 400,
  groups,
  fit = [],
  note,
  ...axes
}: ScatterChartOptions): string {
  const points = groups.flatMap((group) => group.points)
  const x = domainOf(
    axes.x,
    [...points, ...fit.map((at) => [at.x, at.y] as const)].map(([a]) => a),
  )
  const y = domainOf(axes.y, [...points.map(([, b]) => b), ...fit.flatMap((at) => [at.y, ...(at.interval ?? [])])])
  const draw = (n: number) => symbol(seriesSymbol(n), 42).digits(2)()!
  const style = (n: number) => ({ fill: seriesColour(n), 'fill-opacity': 0.65, stroke: seriesColour(n) })
  const legend = groups.map(({ name }, n) => ({ name, mark: tag('path', { d: draw(n), ...style(n) }) }))
  const frame = makeFrame({ title, width, height, x, y, legend: groups.length > 1 ? legend : [] })
  const band = fit.flatMap((at) => (at.interval ? [[at.x, ...at.interval] as const] : []))
  const line = fit.map((at) => [at.x, at.y] as const)
  const marks = groups.flatMap((group, n) =>
    group.points.flatMap(([a, b]) => {
      const [left, top] = [frame.x(a), frame.y(b)]
      if (!Number.isFinite(left) || !Number.isFinite(top)) return []
      return [tag('path', { d: draw(n), transform: `translate(${left.toFixed(2)} ${top.toFixed(2)})`, ...style(n) })]
    }),
  )
  return frame.render([
    bandMark(band, frame.x, frame.y, INK),
    ...marks,
    lineMark(line, frame.x, frame.y, { stroke: INK }),
    note ? noteAt(note, frame, points) : '',
  ])
}

/** Words in that upper corner over which fewer points lie. */
function noteAt(
  note: string,
  { x, y, box }: { x: (v: number) => number; y: (v: number) => number; box: { width: number; height: number } },
  points: readonly (readonly [number, number])[],
): string {
  const top = points.filter(([, b]) => y(b) < 0.2 * box.height)
  const left = top.filter(([a]) => x(a) < 0.5 * box.width).length
  const right = left > top.length - left
  return words(note, right ? box.width - 8 : 8, 16, { 'text-anchor': right ? 'end' : 'start' })
}
