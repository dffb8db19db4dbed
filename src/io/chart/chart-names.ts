/** Names along the floor of a chart: level where they fit, else slanted, else upright. */
import { fitText, QUIET, SMALL, textWidth, words } from './chart-svg.ts'

export interface FloorNames {
  /** Pixels they take below the floor. */
  readonly room: number
  /** A name under x; `floor` is the lower edge of the plot. */
  draw(name: string, x: number, floor: number): string
}

/** Slanted lines closer than this would touch. */
const CLOSEST = 24
const LEVEL = 23
const SLANT = 36
/** From the floor to the end of a turned name. */
const DROP = 10

/** @param spacing pixels from name to name. @param most pixels they may take below the floor */
export function floorNames(names: readonly string[], spacing: number, most: number): FloorNames {
  const style = { 'font-size': SMALL, fill: QUIET }
  const widest = Math.max(0, ...names.map((name) => textWidth(name, SMALL)))
  if (widest <= 0.95 * spacing) {
    return { room: LEVEL, draw: (name, x, floor) => words(name, x, floor + 18, { ...style, 'text-anchor': 'middle' }) }
  }
  const angle = spacing < CLOSEST ? 90 : SLANT
  const [sine, cosine] = [Math.sin((angle * Math.PI) / 180), Math.cos((angle * Math.PI) / 180)]
  const room = Math.min(most, sine * widest + DROP + 6)
  return {
    room,
    draw(name, x, floor) {
      const y = floor + DROP
      // Neither below the room nor beyond the left edge of the picture.
      const length = Math.min((room - DROP) / sine, angle === 90 ? Number.POSITIVE_INFINITY : (x - 4) / cosine)
      const transform = `rotate(${-angle} ${x.toFixed(2)} ${y.toFixed(2)})`
      return words(fitText(name, length, SMALL), x, y + 4, { ...style, 'text-anchor': 'end', transform })
    },
  }
}
