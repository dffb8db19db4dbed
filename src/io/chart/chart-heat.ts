/** Heat maps: matrices with their numbers. */
import { format } from 'd3-format'
import { scaleBand } from 'd3-scale'
import { InputError } from '../errors.ts'
import { type ChartOptions, requireDrawable, requireSize } from './chart-frame.ts'
import { floorNames } from './chart-names.ts'
import { divergingScale, inkOn, sequentialScale } from './chart-palette.ts'
import { fitText, INK, QUIET, SMALL, svgDocument, TITLE, tag, textWidth, words, wrapText } from './chart-svg.ts'

export interface HeatMapOptions extends ChartOptions {
  /** Names of rows, from the top. */
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  /** One list a row; undefined: an empty cell. */
  readonly values: readonly (readonly (number | undefined)[])[]
  /** Beside the colour bar: what the values are. */
  readonly label: string
  readonly xLabel?: string
  readonly yLabel?: string
  /** Values of the palest and the darkest colour. Default: the smallest and largest; with `diverging` the largest |value|. */
  readonly domain?: readonly [number, number]
  /** White at zero, blue below, orange above. */
  readonly diverging?: boolean
  /** How numbers are written, as d3-format. Default '.2f'. */
  readonly format?: string
}

const EDGE = 12
const LINE = 18
const BAR = 12

/**
 * A matrix as coloured cells with numbers, where they fit, and a colour bar.
 * @returns SVG
 * @throws InputError for values that do not fit the names, none that is finite, or a size that will not do
 */
export function heatMap(options: HeatMapOptions): string {
  const { title = '', width = 520, rows, columns, values, label, xLabel, yLabel } = options
  if (values.length !== rows.length || values.some((row) => row.length !== columns.length) || values.length === 0) {
    throw new InputError(`a heat map of ${rows.length} x ${columns.length} names has values of another shape`)
  }
  const number = format(options.format ?? '.2f')
  const [low, high] = options.domain ?? extentOf(values.flat(), options.diverging ?? false)
  const colour = options.diverging
    ? divergingScale(Math.max(Math.abs(low), Math.abs(high)))
    : sequentialScale([low, high])
  const ends = [number(high), number(low)]
  const barRoom = BAR + 8 + Math.max(...ends.map((text) => textWidth(text, SMALL))) + LINE + 10
  const titles = wrapText(title, width - 2 * EDGE, TITLE, true)
  const rowRoom = Math.min(0.35 * width, Math.max(...rows.map((name) => textWidth(name, SMALL))) + 8)
  const left = EDGE + (yLabel ? LINE + 2 : 0) + rowRoom
  const plotWidth = width - left - barRoom - EDGE
  const cell = plotWidth / columns.length
  const below = floorNames(columns, cell, 0.3 * width)
  const top = EDGE + titles.length * (LINE + 1) + 6
  const under = below.room + (xLabel ? LINE + 4 : 0) + EDGE
  const height = options.height ?? Math.round(top + under + Math.min(48, Math.max(20, cell)) * rows.length)
  requireSize(width, height)
  const plotHeight = height - top - under
  if (plotWidth < 60 || plotHeight < 20)
    throw new InputError(`${width} x ${height} pixels have no room for this heat map`)
  const x = scaleBand<number>([...columns.keys()], [left, left + plotWidth])
  const y = scaleBand<number>([...rows.keys()], [top, top + plotHeight])
  const sizeOf = (written: (value: number) => string) =>
    Math.min(13, 0.5 * y.bandwidth(), (0.78 * x.bandwidth()) / (widest(values, written) || 1))
  // Where there is little room, .92 instead of 0.92: neighbours must not run into each other.
  const inCell = sizeOf(number) < 10 ? (value: number) => number(value).replace(/^([-\u2212]?)0\./, '$1.') : number
  const size = sizeOf(inCell)
  const quiet = { 'font-size': SMALL, fill: QUIET }
  const cells = values.flatMap((row, i) =>
    row.map((value, j) => {
      const shown = value !== undefined && Number.isFinite(value)
      const fill = shown ? colour(value) : '#f1f1f1'
      const box = { x: x(j)!, y: y(i)!, width: x.bandwidth(), height: y.bandwidth(), fill, stroke: '#ffffff' }
      const text = shown && size >= 7 ? inCell(value) : ''
      const at = [x(j)! + x.bandwidth() / 2, y(i)! + y.bandwidth() / 2 + 0.36 * size] as const
      const style = { 'text-anchor': 'middle', 'font-size': size, fill: inkOn(fill) }
      return tag('rect', box) + (text === '' ? '' : words(text, ...at, style))
    }),
  )
  const rowNames = rows.map((name, i) =>
    words(fitText(name, rowRoom - 8, SMALL), left - 6, y(i)! + y.bandwidth() / 2 + 4, {
      ...quiet,
      'text-anchor': 'end',
    }),
  )
  const columnNames = columns.map((name, j) => below.draw(name, x(j)! + x.bandwidth() / 2, top + plotHeight))
  const middle = { 'text-anchor': 'middle' }
  const [labelX, labelY] = [EDGE + 10, top + plotHeight / 2]
  return svgDocument(width, height, title, [
    ...titles.map((text, n) =>
      words(text, EDGE, EDGE + 13 + n * (LINE + 1), { 'font-size': TITLE, 'font-weight': 700 }),
    ),
    ...cells,
    ...rowNames,
    ...columnNames,
    ...(xLabel ? [words(xLabel, left + plotWidth / 2, height - EDGE + 1, middle)] : []),
    ...(yLabel ? [upright(yLabel, labelX, labelY)] : []),
    ...colourBar(
      { left: left + plotWidth + 14, top, height: plotHeight, width: barRoom },
      colour,
      [low, high],
      ends,
      label,
    ),
  ])
}

function extentOf(values: readonly (number | undefined)[], diverging: boolean): [number, number] {
  const known = values.filter((value) => value !== undefined && Number.isFinite(value)) as number[]
  if (known.length === 0) throw new InputError('a heat map needs at least one finite value')
  const reach = known.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1
  requireDrawable(-reach, reach, reach, 'of a heat map')
  if (diverging) return [-reach, reach]
  const [low, high] = [Math.min(...known), Math.max(...known)]
  return low < high ? [low, high] : [low - 0.5 * reach, low + 0.5 * reach]
}

/** Width of the widest number at a font size of one pixel. */
function widest(values: HeatMapOptions['values'], number: (value: number) => string): number {
  const texts = values
    .flat()
    .flatMap((value) => (value === undefined || !Number.isFinite(value) ? [] : [number(value)]))
  return texts.reduce((most, text) => Math.max(most, textWidth(text, 1)), 0)
}

function upright(text: string, x: number, y: number): string {
  const turned = `rotate(-90 ${x.toFixed(1)} ${y.toFixed(1)})`
  return words(text, x, y, { 'text-anchor': 'middle', transform: turned })
}

/** Bands of colour from the top, fine enough to look smooth; no gradient, which would need an id. */
function colourBar(
  box: { left: number; top: number; width: number; height: number },
  colour: (value: number) => string,
  [low, high]: readonly [number, number],
  [upper, lower]: readonly string[],
  label: string,
): string[] {
  const { left, top, width, height } = box
  const steps = 64
  const bands = Array.from({ length: steps }, (_, k) =>
    tag('rect', {
      x: left,
      y: top + (k * height) / steps,
      width: BAR,
      // A little overlap hides the seams.
      height: height / steps + (k < steps - 1 ? 0.5 : 0),
      fill: colour(high - ((k + 0.5) / steps) * (high - low)),
    }),
  )
  const quiet = { 'font-size': SMALL, fill: QUIET }
  return [
    ...bands,
    tag('rect', { x: left, y: top, width: BAR, height, fill: 'none', stroke: INK, 'stroke-width': 0.7 }),
    words(upper!, left + BAR + 5, top + 9, quiet),
    words(lower!, left + BAR + 5, top + height, quiet),
    upright(fitText(label, height), left + width - 8, top + height / 2),
  ]
}
