/** The project's own colours as NiiVue wants them: the same in the page as in the pictures of the command line. */
import { divergingColour, sequentialColour } from '../../src/io/colourmap.ts'

export const POSITIVE = 'voxplain-positive'
export const NEGATIVE = 'voxplain-negative'
export const SEQUENTIAL = 'voxplain-sequential'

const SHADES = 64

/** As Niivue.addColormap takes them; 0 itself is no colour. */
export const colourMaps = {
  [SEQUENTIAL]: tabulated(sequentialColour),
  [POSITIVE]: tabulated(divergingColour),
  [NEGATIVE]: tabulated((t) => divergingColour(-Math.max(t, 1e-6))),
}

function tabulated(colour: (t: number) => readonly [number, number, number]) {
  const steps = Array.from({ length: SHADES }, (_, n) => n)
  const colours = steps.map((n) => colour(n / (SHADES - 1)))
  const channel = (c: 0 | 1 | 2) => colours.map((rgb) => rgb[c])
  const I = steps.map((n) => Math.round((255 * n) / (SHADES - 1)))
  return { R: channel(0), G: channel(1), B: channel(2), A: steps.map((n) => (n === 0 ? 0 : 255)), I }
}

/** A colour bar from low to high, for CSS. */
export function gradient(signed: boolean): string {
  const css = ([r, g, b]: readonly [number, number, number]) => `rgb(${r} ${g} ${b})`
  const stops = Array.from({ length: 17 }, (_, n) => n / 16)
  const colours = stops.map((t) => css(signed ? divergingColour(2 * t - 1 || 1e-6) : sequentialColour(t)))
  return `linear-gradient(to right, ${colours.join(', ')})`
}
