/**
 * How a montage turns an overlay's values into colour and opacity, and the colour bar that says so.
 */

import { type Colour, drawText, fillBox, type Picture, setPixel, textHeight, textWidth } from './canvas.ts'
import { divergingColour, sequentialColour } from './colourmap.ts'
import { InputError } from './errors.ts'
import { percentiles } from './montage-slices.ts'
import type { Volume } from './volume.ts'

export interface OverlayScale {
  /** |value| that gets the brightest colour. */
  readonly max: number
  /** |value| below which nothing is shown. */
  readonly threshold: number
  /** Whether values below zero are shown too. */
  readonly signed: boolean
}

/** Opacity of the strongest values: a trace of anatomy stays visible under them. */
const OPACITY = 0.92
/** Share of the way from threshold to max over which the overlay fades in. */
const FADE = 0.35

/**
 * Fills in what the caller left open: max is the 99.9th percentile of the nonzero |values| rounded up
 * to two digits, threshold a tenth of max,
 * signed when a value lies below -threshold.
 * @throws InputError unless 0 <= threshold < max
 */
export function overlayScale(map: Volume, wanted: Partial<OverlayScale>): OverlayScale {
  const max = wanted.max ?? roundedUp(percentiles(map.data, [99.9], Math.abs)?.[0] ?? 1)
  const threshold = wanted.threshold ?? max / 10
  if (!(Number.isFinite(max) && max > 0 && threshold >= 0 && threshold < max)) {
    throw new InputError(`the overlay cannot be shown from ${threshold} to ${max}: need 0 <= threshold < max`)
  }
  return { max, threshold, signed: wanted.signed ?? map.data.some((value) => value < -threshold) }
}

/** The next number of two significant digits, so that the colour bar ends on one. */
function roundedUp(value: number): number {
  const step = 10 ** (Math.floor(Math.log10(value)) - 1)
  return Number((Math.ceil(value / step - 1e-6) * step).toPrecision(2))
}

/** 0 below the threshold, rising smoothly (cubic smoothstep) to OPACITY. */
export function overlayOpacity(value: number, { max, threshold, signed }: OverlayScale): number {
  const size = signed ? Math.abs(value) : value
  if (!(size > threshold)) return 0
  const t = Math.min(1, (size - threshold) / (FADE * (max - threshold)))
  return OPACITY * t * t * (3 - 2 * t)
}

/** The colour of a value over a grey level (0..255). */
export function overlayColour(value: number, grey: number, scale: OverlayScale): Colour {
  const opacity = overlayOpacity(value, scale)
  if (opacity === 0) return [grey, grey, grey]
  const colour = scale.signed ? divergingColour(value / scale.max) : sequentialColour(value / scale.max)
  // Written out: this runs for every pixel, and a closure costs more than the arithmetic.
  const [red, green, blue] = colour
  return [
    Math.round(grey + (red - grey) * opacity),
    Math.round(grey + (green - grey) * opacity),
    Math.round(grey + (blue - grey) * opacity),
  ]
}

/** Round tick values (steps of 1, 2 or 5 times a power of ten) covering [low, high], about `count` of them. */
export function niceTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((s) => s >= rough * 0.8) ?? 10 * power
  const ticks: number[] = []
  // Multiples of the step rather than repeated sums, so that zero is zero.
  for (let n = Math.ceil(low / step - 1e-6); n * step <= high + 1e-6 * step; n++) ticks.push(n * step)
  return ticks
}

/** Three significant digits at most; powers of ten for very small and very large numbers. */
export function shortNumber(value: number): string {
  if (value === 0 || Math.abs(value) < 1e-300) return '0'
  const size = Math.abs(value)
  return size < 1e-3 || size >= 1e5
    ? value.toExponential(1).replace('.0e', 'e').replace('e+', 'e')
    : String(Number(value.toPrecision(3)))
}

/** Both ends (but zero only as a round value), and as many round values between as have room for their labels. */
function barTicks(low: number, high: number, width: number, textScale: number): number[] {
  const ends = low < 0 ? [low, high] : [high]
  for (let count = 10; count > 1; count--) {
    const round = niceTicks(low, high, count)
    const room = Math.max(...[...round, ...ends].map((tick) => textWidth(shortNumber(tick), textScale))) + 20
    const apart = (a: number, b: number) => (Math.abs(a - b) / (high - low)) * width >= room
    if (round.length > 1 && apart(round[0]!, round[1]!)) {
      return [...round.filter((tick) => ends.every((end) => apart(tick, end))), ...ends]
    }
  }
  return low < 0 ? ends : [0, high]
}

/** A horizontal colour bar with ticks below, as the overlay looks over middle grey. */
export function drawColourBar(
  picture: Picture,
  place: { readonly left: number; readonly top: number; readonly width: number },
  scale: OverlayScale,
  ink: Colour,
  textScale: number,
): void {
  const height = 14
  const { left, top, width } = place
  const low = scale.signed ? -scale.max : 0
  for (let x = 0; x < width; x++) {
    const colour = overlayColour(low + ((x + 0.5) / width) * (scale.max - low), 64, scale)
    for (let y = 0; y < height; y++) setPixel(picture, left + x, top + y, colour)
  }
  for (const tick of barTicks(low, scale.max, width, textScale)) {
    const x = left + Math.round(((tick - low) / (scale.max - low)) * (width - 1))
    fillBox(picture, x - 1, top + height, 2, 5, ink)
    drawText(picture, shortNumber(tick), x, top + height + 9, { scale: textScale, colour: ink, align: 'centre' })
  }
}

/** Height in pixels of a colour bar with its ticks. */
export function colourBarHeight(textScale: number): number {
  return 14 + 9 + textHeight(textScale)
}
