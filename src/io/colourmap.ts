/**
 * Colours for overlays on a dark grey scan: perceptually even, told apart with any common colour blindness.
 */

import type { Colour } from './canvas.ts'

/**
 * OKLab (B. Ottosson, 2020) in polar form -> sRGB. Equal steps of lightness look equal, which is what a ramp needs.
 * @param lightness 0..1
 * @param chroma 0..about 0.3
 * @param hue degrees
 */
function oklch(lightness: number, chroma: number, hue: number): Colour {
  const a = chroma * Math.cos((hue * Math.PI) / 180)
  const b = chroma * Math.sin((hue * Math.PI) / 180)
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
  const encode = (linear: number) => {
    const v = Math.min(1, Math.max(0, linear))
    return Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055))
  }
  return [
    encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    encode(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ]
}

type Stop = readonly [lightness: number, chroma: number, hue: number]

/** Purple through red and orange to pale yellow, like inferno without its black end, which a dark scan would swallow. */
const WARM: readonly Stop[] = [
  [0.36, 0.15, 310],
  [0.5, 0.19, 360],
  [0.64, 0.2, 400],
  [0.79, 0.165, 435],
  [0.95, 0.11, 468],
]
/** Signed maps: red to yellow above zero, blue to pale cyan below, alike in lightness at equal distance from zero. */
const POSITIVE: readonly Stop[] = [
  [0.42, 0.16, 25],
  [0.66, 0.19, 48],
  [0.95, 0.11, 105],
]
const NEGATIVE: readonly Stop[] = [
  [0.42, 0.16, 268],
  [0.66, 0.14, 245],
  [0.95, 0.06, 200],
]

/** Shades a ramp is tabulated in: finer than 8-bit colours can tell apart. */
const SHADES = 512

function tabulated(stops: readonly Stop[]): (t: number) => Colour {
  const table = Array.from({ length: SHADES + 1 }, (_, shade) => {
    const at = (shade / SHADES) * (stops.length - 1)
    const n = Math.min(stops.length - 2, Math.floor(at))
    const mix = (component: 0 | 1 | 2) =>
      stops[n]![component] + (stops[n + 1]![component] - stops[n]![component]) * (at - n)
    return oklch(mix(0), mix(1), mix(2))
  })
  return (t) => table[Math.round(SHADES * Math.min(1, Math.max(0, t)))]!
}

const warm = tabulated(WARM)
const positive = tabulated(POSITIVE)
const negative = tabulated(NEGATIVE)

/** t in 0..1 -> colour, from dark purple to pale yellow; lightness rises evenly. */
export function sequentialColour(t: number): Colour {
  return warm(t)
}

/** t in -1..1 -> colour: blues below zero, reds to yellow above; lightness rises with |t|. */
export function divergingColour(t: number): Colour {
  return t < 0 ? negative(-t) : positive(t)
}
