/** What all charts with axes share: title, legend, axes with ticks and labels, and the box in between. */
import { type ScaleBand, type ScaleContinuousNumeric, scaleBand, scaleLinear, scaleLog } from 'd3-scale'
import { InputError } from '../errors.ts'
import { type FloorNames, floorNames } from './chart-names.ts'
import {
  FONT,
  fitText,
  GRID,
  INK,
  QUIET,
  rule,
  SMALL,
  svgDocument,
  TITLE,
  tag,
  textWidth,
  words,
  wrapText,
} from './chart-svg.ts'

export interface ChartOptions {
  /** Above the chart. Default none. */
  readonly title?: string
  /** Pixels, 200 to 4000. Default 520. */
  readonly width?: number
  /** Pixels, 80 to 4000. Default depends on the chart. */
  readonly height?: number
}

/** An axis of numbers. */
export interface AxisOptions {
  /** With the unit: "age (years)". */
  readonly label: string
  /** Values at the ends. Default: what the data need, rounded outwards. */
  readonly domain?: readonly [number, number]
  /** Logarithmic; values of zero and below are left out. */
  readonly log?: boolean
}

/** An axis of names. */
export interface NamesOptions {
  readonly label?: string
  readonly names: readonly string[]
}

export interface LegendEntry {
  readonly name: string
  /** Drawn in a box of 22 by 12 pixels whose centre is (0, 0). */
  readonly mark: string
}

export interface FrameOptions<X, Y> extends ChartOptions {
  readonly height: number
  readonly x: X
  readonly y: Y
  readonly legend?: readonly LegendEntry[]
  /** Under each other below the chart, rather than in rows above it. */
  readonly legendBelow?: boolean
}

export type NumberScale = ScaleContinuousNumeric<number, number>

export interface Frame<X, Y> {
  readonly x: X
  readonly y: Y
  readonly box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number }
  /** The picture with these marks, cut off at the box. */
  render(marks: readonly string[]): string
}

type ScaleOf<Axis> = Axis extends NamesOptions ? ScaleBand<string> : NumberScale

const EDGE = 12
const LINE = 18
const TICK = 5
/** By how much marks may leave the box: half a symbol. */
const OVER = 5

/** Lays a chart out. Names on the y axis run from the top. */
export function makeFrame<X extends AxisOptions | NamesOptions, Y extends AxisOptions | NamesOptions>(
  options: FrameOptions<X, Y>,
): Frame<ScaleOf<X>, ScaleOf<Y>> {
  const { title = '', width = 520, height, legend = [], legendBelow = false } = options
  requireSize(width, height)
  const titleLines = wrapText(title, width - 2 * EDGE, TITLE, true)
  const entries = legendLayout(legend, width - 2 * EDGE, legendBelow)
  const legendHeight = entries.height > 0 ? entries.height + 6 : 0
  // The scales' ranges wait for the room that their own tick texts take.
  const y = makeScale(options.y)
  const yTexts = tickTexts(y, Math.max(3, Math.round(height / 70)))
  const most = 'names' in options.y ? 0.45 * width : 0.3 * width
  const yRoom = Math.min(most, Math.max(...yTexts.map(({ text }) => textWidth(text, SMALL)), 0))
  const left = EDGE + (options.y.label ? LINE + 4 : 0) + yRoom + TICK + 4
  const top = EDGE + titleLines.length * (LINE + 1) + (legendBelow ? 0 : legendHeight) + 6
  const boxWidth = width - left - EDGE - 8
  const x = makeScale(options.x)
  const xTexts = tickTexts(x, Math.max(2, Math.round(boxWidth / 75)))
  const below = 'names' in options.x && floorNames(options.x.names, boxWidth / options.x.names.length, 0.35 * height)
  const xRoom = below ? below.room : TICK + LINE
  const bottom = xRoom + (options.x.label ? LINE + 2 : 0) + EDGE - 4 + (legendBelow ? legendHeight : 0)
  const box = { left, top, width: boxWidth, height: height - top - bottom }
  if (box.width < 60 || box.height < 40) {
    throw new InputError(`a chart of ${width} x ${height} pixels has no room for its labels; make it larger`)
  }
  x.range([0, box.width])
  y.range('names' in options.y ? [0, box.height] : [box.height, 0])
  const axes = [
    ...titleLines.map((text, n) =>
      words(text, EDGE, EDGE + 13 + n * (LINE + 1), { 'font-size': TITLE, 'font-weight': 700 }),
    ),
    drawX(x, xTexts, box, options.x.label, xRoom, below || undefined),
    drawY(y, yTexts, box, options.y.label, yRoom),
    ...entries.draw(EDGE, legendBelow ? height - legendHeight - 2 : EDGE + titleLines.length * (LINE + 1) + 2),
  ]
  return {
    x: x as unknown as ScaleOf<X>,
    y: y as unknown as ScaleOf<Y>,
    box,
    render: (marks) =>
      svgDocument(width, height, title, [
        ...axes,
        inBox(marks, box),
        tag('path', {
          d: `M${r(left)} ${r(top)}V${r(top + box.height)}H${r(left + box.width)}`,
          fill: 'none',
          stroke: INK,
        }),
      ]),
  }
}

/** A picture within the picture cuts off what leaves the box, without an id, which would have to be unique on a page. */
function inBox(marks: readonly string[], { left, top, width, height }: Box): string {
  const [w, h] = [r(width + 2 * OVER), r(height + 2 * OVER)]
  const place = { x: left - OVER, y: top - OVER, width: w, height: h, viewBox: `${-OVER} ${-OVER} ${w} ${h}` }
  return tag('svg', { ...place, overflow: 'hidden' }, ...marks)
}

const r = (value: number) => Math.round(100 * value) / 100

/** @throws InputError for a picture that is too small or too large */
export function requireSize(width: number, height: number): void {
  if (width >= 200 && width <= 4000 && height >= 80 && height <= 4000) return
  throw new InputError(`a chart cannot be ${width} x ${height} pixels; need 200 to 4000 by 80 to 4000`)
}

/**
 * The ends of an axis for values, never alike: rounded outwards, or just what the values span; with zero in it if asked.
 * @throws InputError when no value is finite (for a logarithmic axis: above zero), or the range is beyond drawing
 */
export function domainOf(
  axis: AxisOptions,
  values: Iterable<number>,
  { zero = false, exact = false }: { zero?: boolean; exact?: boolean } = {},
): AxisOptions {
  if (axis.domain) return axis
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    if (!Number.isFinite(value) || (axis.log && value <= 0)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high)
    throw new InputError(
      `there is nothing to draw along "${axis.label}": no finite value${axis.log ? ' above zero' : ''}`,
    )
  if (zero && !axis.log) {
    low = Math.min(low, 0)
    high = Math.max(high, 0)
  }
  if (low === high) {
    const reach = axis.log ? 0 : Math.abs(low) || 1
    ;[low, high] = axis.log ? [low / 2, high * 2] : [low - 0.5 * reach, high + 0.5 * reach]
  }
  requireDrawable(low, high, axis.log ? low : high - low, `along "${axis.label}"`)
  if (exact) return { ...axis, domain: [low, high] }
  // Rounding to whole decades would leave much empty paper.
  const [from, to] = axis.log ? [low / 1.1, high * 1.1] : scaleLinear().domain([low, high]).nice().domain()
  return { ...axis, domain: [from!, to!] }
}

/** @throws InputError for a range on which the arithmetic of scales would overflow */
export function requireDrawable(low: number, high: number, span: number, where: string): void {
  if (Math.max(-low, high) < 1e200 && span > 1e-200) return
  throw new InputError(`the values ${where} reach from ${low} to ${high}, which cannot be drawn`)
}

function makeScale(axis: AxisOptions | NamesOptions): NumberScale | ScaleBand<string> {
  if ('names' in axis) return scaleBand<string>().domain(axis.names).paddingInner(0.25).paddingOuter(0.15)
  return (axis.log ? scaleLog() : scaleLinear()).domain(axis.domain ?? [0, 1])
}

interface Tick {
  readonly value: number | string
  readonly text: string
}

function tickTexts(scale: NumberScale | ScaleBand<string>, count: number): Tick[] {
  if ('bandwidth' in scale) return scale.domain().map((name) => ({ value: name, text: name }))
  // On a log axis this leaves the texts of crowded ticks empty.
  const format = 'base' in scale ? scale.tickFormat(count, '~g') : scale.tickFormat(count)
  return scale.ticks(count).map((value) => ({ value, text: format(value) }))
}

function position(scale: NumberScale | ScaleBand<string>, value: number | string): number {
  return 'bandwidth' in scale ? scale(value as string)! + scale.bandwidth() / 2 : scale(value as number)
}

type Box = Frame<unknown, unknown>['box']

function drawX(
  scale: NumberScale | ScaleBand<string>,
  ticks: readonly Tick[],
  { left, top, width, height }: Box,
  label: string | undefined,
  room: number,
  names: FloorNames | undefined,
): string {
  const floor = top + height
  const style = { 'font-size': SMALL, fill: QUIET, 'text-anchor': 'middle' }
  const parts = ticks.flatMap(({ value, text }) => {
    const at = left + position(scale, value)
    if (names) return [rule(at, floor, at, floor + TICK, { stroke: INK }), names.draw(text, at, floor)]
    return [
      ...(text === '' ? [] : [rule(at, top, at, floor, { stroke: GRID })]),
      rule(at, floor, at, floor + (text === '' ? TICK / 2 : TICK), { stroke: INK }),
      ...(text === '' ? [] : [words(text, at, floor + TICK + 13, style)]),
    ]
  })
  if (label) {
    const y = floor + room + 15
    parts.push(words(fitText(label, width + left), left + width / 2, y, { 'text-anchor': 'middle' }))
  }
  return tag('g', {}, ...parts)
}

function drawY(
  scale: NumberScale | ScaleBand<string>,
  ticks: readonly Tick[],
  { left, top, width, height }: Box,
  label: string | undefined,
  room: number,
): string {
  const parts = ticks.flatMap(({ value, text }) => {
    const at = top + position(scale, value)
    return [
      ...('bandwidth' in scale || text === '' ? [] : [rule(left, at, left + width, at, { stroke: GRID })]),
      rule(left - (text === '' ? TICK / 2 : TICK), at, left, at, { stroke: INK }),
      text === ''
        ? ''
        : words(fitText(text, room + 1, SMALL), left - TICK - 4, at + 4, {
            'font-size': SMALL,
            fill: QUIET,
            'text-anchor': 'end',
          }),
    ]
  })
  if (label) {
    const [x, y] = [EDGE + 11, top + height / 2]
    parts.push(
      words(fitText(label, height + top), x, y, { 'text-anchor': 'middle', transform: `rotate(-90 ${r(x)} ${r(y)})` }),
    )
  }
  return tag('g', {}, ...parts)
}

/** Entries in rows from the left, or one a line. */
function legendLayout(entries: readonly LegendEntry[], room: number, list: boolean) {
  const [MARK, GAP] = [28, 18]
  const shown = entries.map(({ name, mark }) => ({ mark, text: fitText(name, room - MARK, FONT) }))
  let [x, row] = [0, 0]
  const placed = shown.map(({ mark, text }, n) => {
    const width = MARK + textWidth(text, FONT)
    if (n > 0 && (list || x + width > room)) [x, row] = [0, row + 1]
    const at = { x, row, mark, text }
    x += width + GAP
    return at
  })
  return {
    height: entries.length > 0 ? (row + 1) * LINE : 0,
    draw: (left: number, top: number) =>
      placed.map((entry) =>
        tag(
          'g',
          { transform: `translate(${r(left + entry.x)} ${r(top + entry.row * LINE + LINE / 2)})` },
          tag('g', { transform: 'translate(11 0)' }, entry.mark),
          words(entry.text, MARK, 4.5),
        ),
      ),
  }
}
