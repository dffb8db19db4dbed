/** Bar charts with error bars. */
import { scaleBand } from 'd3-scale'
import { InputError } from '../errors.ts'
import { type AxisOptions, type ChartOptions, domainOf, makeFrame, type NumberScale } from './chart-frame.ts'
import { seriesColour } from './chart-palette.ts'
import { INK, rule, tag } from './chart-svg.ts'

export interface Bar {
  /** Undefined: no bar. */
  readonly value: number | undefined
  /** Ends of the error bar. */
  readonly interval?: readonly [number, number]
}

export interface BarChartOptions extends ChartOptions {
  /** Of the numbers; not logarithmic, which has no zero for bars to begin at. */
  readonly values: Omit<AxisOptions, 'log'>
  /** Along the other axis. Default none. */
  readonly label?: string
  /** Each with one bar a series. */
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[]
  /** Names of the bars within a group. Default: one without a name. */
  readonly series?: readonly string[]
  /** Bars to the right, names from the top: for long names and many of them. */
  readonly horizontal?: boolean
}

/**
 * Bars from zero (or from the lower end of the given domain), with error bars.
 * @returns SVG
 * @throws InputError for a group with another number of bars than there are series, two groups of one name, or nothing to draw
 */
export function barChart(options: BarChartOptions): string {
  const { title, width, values, label, groups, series = [''], horizontal = false } = options
  const names = groups.map(({ name }) => name)
  const odd = groups.find(({ bars }) => bars.length !== series.length)
  if (odd) throw new InputError(`the group "${odd.name}" has ${odd.bars.length} bars for ${series.length} series`)
  requireDistinct(names)
  const all = groups.flatMap(({ bars }) =>
    bars.flatMap(({ value, interval = [] }) => [value ?? Number.NaN, ...interval]),
  )
  const numbers = domainOf(values, all, { zero: true })
  const swatch = (n: number) => tag('rect', { x: -8, y: -6, width: 16, height: 12, fill: seriesColour(n) })
  const legend = series.length > 1 ? series.map((name, n) => ({ name, mark: swatch(n) })) : []
  const common = { title, width, legend }
  const tall = options.height ?? (horizontal ? 110 + groups.length * Math.max(20, 11 * series.length) : 360)
  const line = { stroke: INK }
  if (horizontal) {
    const frame = makeFrame({ ...common, height: tall, x: numbers, y: { names, label } })
    const zero = rule(frame.x(0), 0, frame.x(0), frame.box.height, line)
    return frame.render([...barMarks(groups, series, frame.x, frame.y, frame.y.bandwidth(), true), zero])
  }
  const frame = makeFrame({ ...common, height: tall, x: { names, label }, y: numbers })
  const zero = rule(0, frame.y(0), frame.box.width, frame.y(0), line)
  return frame.render([...barMarks(groups, series, frame.y, frame.x, frame.x.bandwidth(), false), zero])
}

function barMarks(
  groups: BarChartOptions['groups'],
  series: readonly string[],
  along: NumberScale,
  across: (name: string) => number | undefined,
  bandwidth: number,
  horizontal: boolean,
): string[] {
  const [low, high] = along.domain() as [number, number]
  const base = along(Math.min(high, Math.max(low, 0)))
  const within = scaleBand<number>()
    .domain([...series.keys()])
    .range([0, bandwidth])
    .paddingInner(0.08)
  const thick = Math.min(within.bandwidth(), 60)
  return groups.flatMap(({ name, bars }) =>
    bars.flatMap(({ value, interval }, n) => {
      if (value === undefined || !Number.isFinite(value)) return []
      const side = across(name)! + within(n)! + (within.bandwidth() - thick) / 2
      const [from, to] = [Math.min(base, along(value)), Math.max(base, along(value))]
      const box = horizontal
        ? { x: from, y: side, width: to - from, height: thick }
        : { x: side, y: from, width: thick, height: to - from }
      const marks = [tag('rect', { ...box, fill: seriesColour(n) })]
      if (interval?.every(Number.isFinite)) {
        const [a, b] = [along(interval[0]), along(interval[1])]
        const [middle, cap] = [side + thick / 2, Math.min(5, thick / 3)]
        const lines = [
          [a, middle, b, middle],
          [a, middle - cap, a, middle + cap],
          [b, middle - cap, b, middle + cap],
        ] as const
        for (const [x1, y1, x2, y2] of lines) {
          const style = { stroke: INK, 'stroke-width': 1.4 }
          marks.push(horizontal ? rule(x1, y1, x2, y2, style) : rule(y1, x1, y2, x2, style))
        }
      }
      return marks
    }),
  )
}

/** @throws InputError for two of one name: they would be drawn over each other */
export function requireDistinct(names: readonly string[]): void {
  const twice = names.find((name, n) => names.indexOf(name) !== n)
  if (twice !== undefined) throw new InputError(`two groups of a chart are called "${twice}"`)
  if (names.length === 0) throw new InputError('a chart of groups needs at least one')
}
