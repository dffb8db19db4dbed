/** Maps beside each other: one cell a map, all of them with the same slices, scale and colours; rows and columns named. */
import { makePicture } from '../canvas.ts'
import { fitText, INK, QUIET, SMALL, svgDocument, TITLE, tag, textWidth, words, wrapText } from '../chart/chart-svg.ts'
import { InputError } from '../errors.ts'
import { encodePng, makeScene, sliceCoordinate } from '../montage.ts'
import { type OverlayScale, overlayColour, overlayScale, shortNumber } from '../montage-overlay.ts'
import { drawPanel, PLANES, type Plane, type Scene } from '../montage-panel.ts'
import { percentiles, sliceMasses } from '../montage-slices.ts'
import { pngUri } from '../page.ts'
import { resample, sameGrid } from '../resample.ts'
import type { Volume } from '../volume.ts'

export interface SliceFigureOptions {
  readonly title?: string
  /** Names of rows and columns, as many as there are maps. */
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  /** What rows and columns are. */
  readonly rowLabel?: string
  readonly columnLabel?: string
  /** One list a row; undefined: an empty cell. On one grid, in which the background lies, too. */
  readonly maps: readonly (readonly (Volume | undefined)[])[]
  /** Drawn grey below every map. */
  readonly background: Volume
  /** What the values are, beside the colour bar. */
  readonly label: string
  /** Slices of each cell. Default: the coronal and the axial one where the mean of all maps has most. */
  readonly slices?: readonly Slice[]
  /** |value| with the brightest colour. Default: the largest of the maps' 99.5th percentiles. */
  readonly max?: number
  /** Two-sided colours. Default false. */
  readonly signed?: boolean
  /** Words above each cell. */
  readonly captions?: readonly (readonly string[])[]
  /** A cell to point out, [row, column]. */
  readonly marked?: readonly [number, number]
  /** Pixels. Default 1032. */
  readonly width?: number
}

export interface Slice {
  readonly plane: Plane['name']
  /** World coordinate along the axis through the plane. */
  readonly mm: number
}

const EDGE = 12
const LINE = 18
const GAP = 10
const BAR = { width: 190, height: 11 }
/** Pixels of a panel's picture a pixel of the figure. */
const SHARP = 2

/**
 * Slices in which maps have most: the coronal and the axial one of their mean.
 * @returns also where no map has anything: the middle
 */
export function commonSlices(maps: readonly Volume[], names: readonly Plane['name'][] = ['coronal', 'axial']): Slice[] {
  const first = maps[0]
  if (!first) throw new InputError('a figure of slices needs at least one map')
  const mean = new Float32Array(first.data.length)
  for (const { data } of maps) for (let v = 0; v < mean.length; v++) mean[v]! += Math.abs(data[v]!) / maps.length
  const { map } = makeScene({ ...first, data: mean }, { ...first, data: mean })
  const masses = sliceMasses(map!, (value) => value)
  return names.map((name) => {
    const plane = PLANES.find((one) => one.name === name)!
    const mass = masses[plane.through]!
    const peak = mass.reduce((best, m, n) => (m > mass[best]! ? n : best), mass.length >> 1)
    return { plane: name, mm: sliceCoordinate(plane, peak, map!) }
  })
}

/**
 * Draws the figure.
 * @returns SVG with the slices as PNG pictures in it
 * @throws InputError for maps that do not fit the names, or none at all
 */
export function sliceFigure(options: SliceFigureOptions): string {
  const { title = '', rows, columns, maps, background, label, signed = false, marked, width = 1032 } = options
  const all = maps.flat().filter((map) => map !== undefined)
  if (maps.length !== rows.length || maps.some((row) => row.length !== columns.length) || all.length === 0) {
    throw new InputError(`a figure of ${rows.length} x ${columns.length} names has maps of another number`)
  }
  const slices = options.slices ?? commonSlices(all)
  const max = options.max ?? commonMax(all)
  const scale = overlayScale(all[0]!, { max, signed })
  const base = makeScene(background, undefined)
  const titles = wrapText(title, width - 2 * EDGE, TITLE, true)
  const names = Math.max(...rows.map((name) => textWidth(name, SMALL))) + 10
  const left = EDGE + (options.rowLabel ? LINE + 4 : 0) + names
  const cellWidth = (width - left - EDGE - (columns.length - 1) * GAP) / columns.length
  const panels = placePanels(slices, base, cellWidth)
  const top = EDGE + titles.length * (LINE + 2) + (options.columnLabel ? LINE : 0) + LINE + 4
  const step = panels.height + (options.captions ? LINE : 0) + GAP
  const height = top + rows.length * step + 2 * LINE + 26 + EDGE
  const cells = maps.flatMap((row, i) =>
    row.flatMap((map, j): string[] => {
      const [x, y] = [left + j * (cellWidth + GAP), top + i * step]
      const box = { x, y, width: cellWidth, height: panels.height }
      if (!map) return [tag('rect', { ...box, fill: '#f1f1f1' })]
      const href = drawCell(placed(map, base), base, scale, panels, cellWidth)
      const chosen = marked?.[0] === i && marked[1] === j
      return [
        tag('image', { ...box, href, preserveAspectRatio: 'none' }),
        ...(chosen ? [tag('rect', { ...grown(box), fill: 'none', stroke: '#d55e00', 'stroke-width': 3 })] : []),
      ]
    }),
  )
  const quiet = { 'font-size': SMALL, fill: QUIET }
  const below = top + rows.length * step
  const heads = columns.map((name, j) =>
    words(name, left + j * (cellWidth + GAP) + cellWidth / 2, top - 8, { 'text-anchor': 'middle', 'font-size': SMALL }),
  )
  const sides = rows.map((name, i) =>
    words(name, left - 8, top + i * step + panels.height / 2 + 4, {
      'text-anchor': 'end',
      'font-size': SMALL,
    }),
  )
  const captions = (options.captions ?? []).flatMap((list, i) =>
    list.map((text, j) => {
      const at = [left + j * (cellWidth + GAP) + cellWidth / 2, top + i * step - 6] as const
      return words(fitText(text, cellWidth, SMALL), ...at, { 'text-anchor': 'middle', 'font-size': SMALL })
    }),
  )
  const places = panels.places.map(({ x, width: own, slice, plane }) =>
    words(`${'xyz'[plane.through]} = ${shortNumber(Math.round(slice.mm))} mm`, left + x + own / 2, below + 6, {
      ...quiet,
      'text-anchor': 'middle',
    }),
  )
  const middle = left + (width - left - EDGE) / 2
  const sideways = { 'text-anchor': 'middle', transform: `rotate(-90 ${EDGE + 12} ${(top + below) / 2})` }
  return svgDocument(width, height, title, [
    ...titles.map((text, n) =>
      words(text, EDGE, EDGE + 14 + n * (LINE + 2), { 'font-size': TITLE, 'font-weight': 700 }),
    ),
    ...(options.columnLabel ? [words(options.columnLabel, middle, top - 8 - LINE, { 'text-anchor': 'middle' })] : []),
    ...(options.rowLabel ? [words(options.rowLabel, EDGE + 12, (top + below) / 2, sideways)] : []),
    ...heads,
    ...sides,
    ...captions,
    ...cells,
    ...places,
    words("The subject's left is on the left.", left, below + LINE + 22, quiet),
    ...colourBar(width - EDGE - BAR.width - 8, below + LINE + 4, scale, label),
  ])
}

const grown = ({ x, y, width, height }: { x: number; y: number; width: number; height: number }) => {
  return { x: x - 2, y: y - 2, width: width + 4, height: height + 4 }
}

function commonMax(maps: readonly Volume[]): number {
  const tops = maps.map(({ data }) => percentiles(data, [99.5], Math.abs)?.[0] ?? 0)
  const most = Math.max(...tops)
  return most > 0 ? Number(most.toPrecision(2)) : 1
}

/** The map in the order and on the grid of the drawn background. */
function placed(map: Volume, { scan }: Scene): Volume {
  const own = makeScene(map, map).map!
  return sameGrid(own, scan) ? own : resample(own, scan, 'linear')
}

interface Places {
  readonly height: number
  readonly places: readonly {
    readonly plane: Plane
    readonly slice: Slice
    readonly index: number
    readonly x: number
    readonly width: number
    readonly height: number
  }[]
}

/** Slices side by side in a cell, at one scale. */
function placePanels(slices: readonly Slice[], { scan, box }: Scene, width: number): Places {
  const size = (axis: number) => {
    const [from, to] = box[axis]!
    const column = [scan.affine[axis]!, scan.affine[axis + 4]!, scan.affine[axis + 8]!]
    return (to - from) * Math.hypot(...column)
  }
  const planes = slices.map((slice) => ({ slice, plane: PLANES.find(({ name }) => name === slice.plane)! }))
  const gap = 2
  const wide = planes.reduce((sum, { plane }) => sum + size(plane.across), 0)
  const perMm = (width - gap * (planes.length - 1)) / wide
  let x = 0
  const places = planes.map(({ slice, plane }) => {
    const own = {
      slice,
      plane,
      index: indexOf(plane, slice.mm, scan),
      x,
      width: size(plane.across) * perMm,
      height: size(plane.up) * perMm,
    }
    x += own.width + gap
    return own
  })
  return { height: Math.max(...places.map((own) => own.height)), places }
}

function indexOf(plane: Plane, mm: number, scan: Volume): number {
  const start = sliceCoordinate(plane, 0, scan)
  const index = Math.round((mm - start) / (sliceCoordinate(plane, 1, scan) - start))
  return Math.min(scan.shape[plane.through]! - 1, Math.max(0, index))
}

function drawCell(map: Volume, base: Scene, scale: OverlayScale, { height, places }: Places, width: number): string {
  const picture = makePicture(Math.round(SHARP * width), Math.round(SHARP * height), [0, 0, 0])
  for (const place of places) {
    const [w, h] = [Math.round(SHARP * place.width), Math.round(SHARP * place.height)]
    const panel = {
      plane: place.plane,
      slice: place.index,
      left: Math.round(SHARP * place.x),
      top: (picture.height - h) >> 1,
    }
    drawPanel(picture, { ...panel, width: w, height: h }, { ...base, map, scale })
  }
  return pngUri(encodePng(picture))
}

/** As the colours look over middle grey, with both ends, and what they mean on the left. */
function colourBar(left: number, top: number, scale: OverlayScale, label: string): string[] {
  const steps = 96
  const low = scale.signed ? -scale.max : 0
  const bands = Array.from({ length: steps }, (_, k) => {
    const [red, green, blue] = overlayColour(low + ((k + 0.5) / steps) * (scale.max - low), 64, scale)
    const width = BAR.width / steps + (k < steps - 1 ? 1 : 0)
    return tag('rect', {
      x: left + (k * BAR.width) / steps,
      y: top,
      width,
      height: BAR.height,
      fill: `rgb(${red},${green},${blue})`,
    })
  })
  const number = { 'font-size': SMALL, fill: QUIET, 'text-anchor': 'middle' }
  const ends = scale.signed ? [low, 0, scale.max] : [0, scale.max / 2, scale.max]
  const ticks = ends.map((value, k) =>
    words(shortNumber(value), left + (k * BAR.width) / 2, top + BAR.height + 14, number),
  )
  const frame = {
    x: left,
    y: top,
    width: BAR.width,
    height: BAR.height,
    fill: 'none',
    stroke: INK,
    'stroke-width': 0.7,
  }
  return [
    ...bands,
    tag('rect', frame),
    ...ticks,
    words(label, left - 12, top + 10, { 'text-anchor': 'end', 'font-size': SMALL }),
  ]
}
