/**
 * A picture of a volume: three rows (axial, coronal, sagittal) of slices, an overlay in colour, a colour bar.
 */

import { encode } from 'fast-png'
import { type Colour, drawText, makePicture, type Picture, textHeight, textWidth } from './canvas.ts'
import { InputError } from './errors.ts'
import { colourBarHeight, drawColourBar, overlayOpacity, overlayScale, shortNumber } from './montage-overlay.ts'
import { drawPanel, PLANES, type Plane, type Scene } from './montage-panel.ts'
import { evenSlices, massExtent, peakSlices, percentiles, sliceMasses } from './montage-slices.ts'
import { toClosestCanonical } from './orient.ts'
import { resample, sameGrid } from './resample.ts'
import { type Volume, voxelSize, voxelToWorld } from './volume.ts'

export interface MontageOptions {
  /** Line above the slices. Default none. */
  title?: string
  /** What the overlay's values are, beside the colour bar. Default none. */
  label?: string
  /** Slices of each plane, 1 to 50. Default 5. */
  slices?: number
  /** Show these positions (world mm) instead of choosing: z for axial, y for coronal, x for sagittal. */
  positions?: Partial<Record<Plane['name'], readonly number[]>>
  /** Grey window [black, white]. Default: the 2nd and 98th percentile of the nonzero values. */
  window?: readonly [number, number]
  /** |value| with the brightest colour. Default: the 99.9th percentile of the overlay's nonzero |values|, rounded up. */
  max?: number
  /** |value| below which the overlay is not shown; it fades in above. Default: a tenth of max. */
  threshold?: number
  /** Two-sided colours. Default: when the overlay has values below -threshold. */
  signed?: boolean
  /** Width of the picture in pixels, 480 to 8192; slices are scaled to it. Default 1280. */
  width?: number
}

const BACKDROP: Colour = [0, 0, 0]
const INK: Colour = [232, 233, 236]
const QUIET: Colour = [150, 153, 162]
const MARGIN = 24
const GAP = 8
const TEXT = 2
const LINE = textHeight(TEXT)
/** Space between a slice's coordinate and the slice, and below the slice. */
const ABOVE = 6
const BELOW = 16

/**
 * Draws a montage. Both volumes may have any orientation and grid: the background is reordered to the closest RAS+,
 * the overlay interpolated onto it. Neurological convention: the subject's left is on the left of axial and coronal
 * slices (marked L and R); in sagittal slices the front is on the right (marked P and A). Each slice bears its world
 * coordinate in mm. Without positions, slices are those where the overlay has most mass, else evenly spaced in the
 * brain. NaN and infinite voxels are drawn as zero.
 *
 * @returns width, height and rgba (4 bytes a pixel, row by row from the top)
 * @throws InputError for options out of range, or a volume whose data do not fit its shape
 */
export function montage(background: Volume, overlay: Volume | undefined, options: MontageOptions = {}): Picture {
  const { slices = 5, width = 1280 } = options
  if (!Number.isInteger(slices) || slices < 1 || slices > 50) throw new InputError(`slices is ${slices}, need 1 to 50`)
  if (!Number.isInteger(width) || width < 480 || width > 8192) {
    throw new InputError(`the montage's width is ${width} pixels, need 480 to 8192`)
  }
  const scene = makeScene(background, overlay, options)
  const { map, scale } = scene
  const mass = map && scale && sliceMasses(map, (v) => (overlayOpacity(v, scale) > 0 ? Math.abs(v) : 0))
  const chosen = PLANES.map((plane) => {
    const positions = options.positions?.[plane.name]
    if (positions?.length) return positions.map((mm) => sliceAt(plane, mm, scene.scan))
    const peaks = mass ? peakSlices(mass[plane.through], slices) : []
    // A small overlay on a coarse grid fills fewer slices than asked for: the others show where it is not.
    const others = spreadSlices(plane, scene, slices).filter((slice) => !peaks.includes(slice))
    return [...peaks, ...others].slice(0, slices).sort((a, b) => a - b)
  })
  const columns = Math.max(...chosen.map((some) => some.length))
  const mm = voxelSize(scene.scan.affine)
  const length = scene.box.map(([from, to], axis) => (to - from) * mm[axis]!)
  const widest = Math.max(length[0]!, length[1]!)
  const cell = (width - 2 * MARGIN - (columns - 1) * GAP) / columns
  // Slices much taller than wide are made smaller: no row is taller than half the picture's width.
  const pixelsPerMm = Math.min(cell / widest, (0.5 * width) / Math.max(length[1]!, length[2]!))
  const pixels = length.map((mms) => Math.max(1, Math.round(mms * pixelsPerMm)))
  const top = MARGIN + (options.title ? LINE + 28 : 0)
  const rowHeight = (plane: Plane) => LINE + ABOVE + pixels[plane.up]! + BELOW
  const body = PLANES.reduce((sum, plane) => sum + rowHeight(plane), 0)
  const footer = scene.scale ? Math.max(colourBarHeight(TEXT), 2 * LINE + 9) : LINE
  const picture = makePicture(width, top + body + 8 + footer + MARGIN, BACKDROP)

  if (options.title)
    drawText(picture, fitted(options.title, width - 2 * MARGIN), MARGIN, MARGIN, { scale: TEXT, colour: INK })
  let y = top
  PLANES.forEach((plane, n) => {
    const panel = { plane, top: y + LINE + ABOVE, width: pixels[plane.across]!, height: pixels[plane.up]! }
    chosen[n]!.forEach((slice, column) => {
      const centre = MARGIN + column * (cell + GAP) + cell / 2
      const left = Math.round(centre - panel.width / 2)
      drawPanel(picture, { ...panel, slice, left }, scene)
      const text = coordinateText(plane, slice, scene.scan)
      drawText(picture, text, centre, y, { scale: TEXT, colour: QUIET, align: 'centre' })
      if (column === 0) drawSides(picture, plane, left, panel.top, panel.width, panel.height)
    })
    y += rowHeight(plane)
  })
  drawFooter(picture, y + 8, scene, mass?.[0].some((m) => m > 0) ?? false, options.label)
  return picture
}

/** A PNG of a picture, 8 bits a channel; a picture without transparency is stored without an opacity channel. */
export function encodePng({ width, height, rgba }: Picture): Uint8Array {
  const opaque = isOpaque(rgba)
  const data = opaque ? withoutOpacity(rgba) : rgba
  return encode({ width, height, data, channels: opaque ? 3 : 4 }, { zlib: { level: 6 } })
}

function isOpaque(rgba: Uint8Array): boolean {
  for (let n = 3; n < rgba.length; n += 4) if (rgba[n] !== 255) return false
  return true
}

function withoutOpacity(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3)
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from]!
    rgb[to + 1] = rgba[from + 1]!
    rgb[to + 2] = rgba[from + 2]!
  }
  return rgb
}

/** Scan and overlay ready to be drawn slice by slice (drawPanel). */
export function makeScene(background: Volume, overlay: Volume | undefined, options: MontageOptions = {}): Scene {
  const scan = withoutNonFinite(toClosestCanonical(background))
  const placed =
    overlay && (sameGrid(background, overlay) ? toClosestCanonical(overlay) : resample(overlay, scan, 'linear'))
  const map = placed && withoutNonFinite(placed)
  const grey = greyWindow(scan, options.window)
  // A little above black counts as head: noise in the air does not.
  const floor = grey[0] + 0.1 * (grey[1] - grey[0])
  const mm = voxelSize(scan.affine)
  const box = sliceMasses(scan, (value) => (value > floor ? 1 : 0)).map((mass, axis) => {
    const [first, last] = massExtent(mass, 0.005)
    const edge = 0.5 + 4 / mm[axis]!
    return [Math.max(-0.5, first - edge), Math.min(scan.shape[axis]! - 0.5, last + edge)] as const
  })
  return { scan, map, grey, box, scale: map && overlayScale(map, options) }
}

function withoutNonFinite(volume: Volume): Volume {
  let clean = true
  for (const value of volume.data) if (!Number.isFinite(value)) clean = false
  if (clean) return volume
  return { ...volume, data: volume.data.map((value) => (Number.isFinite(value) ? value : 0)) }
}

function greyWindow(scan: Volume, wanted: readonly [number, number] | undefined): readonly [number, number] {
  const [low, high] = wanted ?? percentiles(scan.data, [2, 98]) ?? [0, 1]
  if (wanted && !(low! < high!)) throw new InputError(`the grey window is [${wanted.join(', ')}], need black < white`)
  // A constant image has no range of its own: show it white on the black of zero.
  return low! < high! ? [low!, high!] : [Math.min(0, low! - 1), Math.max(low!, 1e-6)]
}

function spreadSlices(plane: Plane, { box }: Scene, count: number): number[] {
  const [from, to] = box[plane.through]!
  // The outermost tenths of a brain show little.
  const trim = 0.1 * (to - from)
  return evenSlices([Math.ceil(from + trim), Math.floor(to - trim)], count)
}

/** World coordinate of a slice along its own axis, where it crosses the middle of the grid (exact unless oblique). */
export function sliceCoordinate(plane: Plane, slice: number, { shape, affine }: Volume): number {
  const centre = shape.map((n) => (n - 1) / 2) as [number, number, number]
  centre[plane.through] = slice
  return voxelToWorld(affine, ...centre)[plane.through]
}

function sliceAt(plane: Plane, mm: number, scan: Volume): number {
  const start = sliceCoordinate(plane, 0, scan)
  const slice = Math.round((mm - start) / (sliceCoordinate(plane, 1, scan) - start))
  const last = scan.shape[plane.through]! - 1
  if (slice >= 0 && slice <= last) return slice
  const range = `${shortNumber(start)} to ${shortNumber(sliceCoordinate(plane, last, scan))} mm`
  throw new InputError(`there is no ${plane.name} slice at ${mm} mm: the volume reaches from ${range}`)
}

function coordinateText(plane: Plane, slice: number, scan: Volume): string {
  const mm = Math.round(10 * sliceCoordinate(plane, slice, scan)) / 10
  return `${'xyz'[plane.through]} = ${mm === 0 ? 0 : mm}${' mm'}`
}

function drawSides(picture: Picture, plane: Plane, left: number, top: number, width: number, height: number): void {
  const y = top + Math.round((height - LINE) / 2)
  const style = { scale: TEXT, colour: INK, outline: BACKDROP }
  drawText(picture, plane.sides[0], left, y, style)
  drawText(picture, plane.sides[1], left + width, y, { ...style, align: 'right' })
}

function drawFooter(picture: Picture, y: number, { scale }: Scene, shown: boolean, label: string | undefined): void {
  const quiet = { scale: TEXT, colour: QUIET }
  drawText(picture, "L = subject's left", MARGIN, y, quiet)
  if (!scale) return
  const note = shown
    ? `colour from ${scale.signed ? '+-' : ''}${shortNumber(scale.threshold)}`
    : 'nothing above the threshold'
  drawText(picture, note, MARGIN, y + LINE + 9, quiet)
  const width = Math.round(picture.width * 0.36)
  // The number at the bar's end stays within the margin.
  const left = picture.width - MARGIN - width - Math.max(12, Math.ceil(textWidth(shortNumber(scale.max), TEXT) / 2))
  drawColourBar(picture, { left, top: y, width }, scale, INK, TEXT)
  if (!label) return
  const room = left - 24 - (MARGIN + textWidth(note, TEXT) + 24)
  drawText(picture, fitted(label, room), left - 24, y, { scale: TEXT, colour: INK, align: 'right' })
}

/** Text shortened to a width in pixels. */
function fitted(text: string, room: number): string {
  if (textWidth(text, TEXT) <= room) return text
  const characters = Math.floor((room / TEXT + 1) / 6)
  return `${text.slice(0, Math.max(0, characters - 3))}...`
}
