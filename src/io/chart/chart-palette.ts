/** Colours, line styles and symbols that stay apart with any common colour blindness and in grey print. */
import { scaleLinear } from 'd3-scale'
import { type SymbolType, symbolCircle, symbolDiamond, symbolSquare, symbolTriangle, symbolWye } from 'd3-shape'

/** Okabe and Ito (Color Universal Design, 2008), in an order in which neighbours differ in lightness; yellow is too pale for lines. */
const OKABE_ITO = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#1a1a1a'] as const
const DASHES = [undefined, '7 3', '2 3', '9 3 2 3', '4 2', '12 3', '1 2'] as const
const SYMBOLS = [symbolCircle, symbolTriangle, symbolSquare, symbolDiamond, symbolWye] as const

/** Colour of the n-th series. */
export function seriesColour(n: number): string {
  return OKABE_ITO[n % OKABE_ITO.length]!
}

/** Stroke dashes of the n-th series; undefined is a solid line. */
export function seriesDash(n: number): string | undefined {
  return DASHES[n % DASHES.length]
}

export function seriesSymbol(n: number): SymbolType {
  return SYMBOLS[n % SYMBOLS.length]!
}

/** White to dark blue. @param domain values of the two ends */
export function sequentialScale([low, high]: readonly [number, number]): (value: number) => string {
  const at = (share: number) => low + share * (high - low)
  return scaleLinear<string>()
    .domain([at(0), at(0.5), at(1)])
    .range(['#f7fbff', '#6baed6', '#08306b'])
    .clamp(true)
}

/** Blue below zero, white at it, vermilion above. @param reach the value of the darkest colours */
export function divergingScale(reach: number): (value: number) => string {
  return scaleLinear<string>()
    .domain([-reach, -reach / 2, 0, reach / 2, reach])
    .range(['#003f66', '#5aa2cf', '#ffffff', '#f0965a', '#8f3400'])
    .clamp(true)
}

/** Black or white, whichever reads better on a colour of the form rgb(r, g, b) or #rrggbb (WCAG relative luminance). */
export function inkOn(colour: string): string {
  const hex = /^#(..)(..)(..)$/
    .exec(colour)
    ?.slice(1)
    .map((part) => Number.parseInt(part, 16))
  const parts =
    hex ??
    colour
      .match(/[\d.]+/g)!
      .slice(0, 3)
      .map(Number)
  const [r, g, b] = parts.map((v) => (v <= 10 ? v / 3294 : ((v / 255 + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b! > 0.18 ? '#1a1a1a' : '#ffffff'
}
