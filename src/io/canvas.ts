/**
 * A small RGBA picture: filled boxes and bitmap text.
 */

import { descent, GLYPH_HEIGHT, GLYPH_WIDTH, glyphRows } from './font.ts'

/** Red, green, blue in 0..255. */
export type Colour = readonly [number, number, number]

export interface Picture {
  readonly width: number
  readonly height: number
  /** Four bytes a pixel (red, green, blue, opacity), row by row from the top. */
  readonly rgba: Uint8Array
}

export function makePicture(width: number, height: number, background: Colour): Picture {
  const picture = { width, height, rgba: new Uint8Array(4 * width * height) }
  fillBox(picture, 0, 0, width, height, background)
  return picture
}

/** Sets one pixel; outside the picture nothing happens. */
export function setPixel(picture: Picture, x: number, y: number, [red, green, blue]: Colour): void {
  setLevels(picture, x, y, red, green, blue)
}

/** The same without a list of three, which costs more than all the rest where it is made for every pixel. */
export function setLevels(picture: Picture, x: number, y: number, red: number, green: number, blue: number): void {
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return
  const at = 4 * (x + picture.width * y)
  picture.rgba[at] = red
  picture.rgba[at + 1] = green
  picture.rgba[at + 2] = blue
  picture.rgba[at + 3] = 255
}

export function fillBox(
  picture: Picture,
  left: number,
  top: number,
  width: number,
  height: number,
  colour: Colour,
): void {
  const [from, to] = [Math.max(0, left), Math.min(picture.width, left + width)]
  const [first, last] = [Math.max(0, top), Math.min(picture.height, top + height)]
  if (from >= to || first >= last) return
  for (let x = from; x < to; x++) setPixel(picture, x, first, colour)
  // The other rows are copies: a background is a million pixels.
  const at = (x: number, y: number) => 4 * (x + picture.width * y)
  for (let y = first + 1; y < last; y++) picture.rgba.copyWithin(at(from, y), at(from, first), at(to, first))
}

/** Width in pixels of a line of text, without the space after its last character. */
export function textWidth(text: string, scale: number): number {
  return Math.max(0, text.length * (GLYPH_WIDTH + 1) - 1) * scale
}

export interface TextOptions {
  /** Pixels a font pixel. */
  readonly scale: number
  readonly colour: Colour
  /** Which end of the text `x` is. Default 'left'. */
  readonly align?: 'left' | 'centre' | 'right'
  /** One-pixel outline that keeps text readable on a picture. */
  readonly outline?: Colour
}

/** Draws a line of text with its top at `y`; characters outside ASCII appear as '?'. */
export function drawText(picture: Picture, text: string, x: number, y: number, options: TextOptions): void {
  const { scale, colour, align = 'left', outline } = options
  const shift = { left: 0, centre: 0.5, right: 1 }[align]
  const left = Math.round(x - shift * textWidth(text, scale))
  const passes: [number, Colour][] = outline
    ? [
        [1, outline],
        [0, colour],
      ]
    : [[0, colour]]
  for (const [grow, paint] of passes) {
    ;[...text].forEach((character, n) => {
      const drop = descent(character)
      glyphRows(character).forEach((bits, row) => {
        for (let column = 0; column < GLYPH_WIDTH; column++) {
          if (!((bits >> (GLYPH_WIDTH - 1 - column)) & 1)) continue
          const px = left + (n * (GLYPH_WIDTH + 1) + column) * scale
          fillBox(picture, px - grow, y + (row + drop) * scale - grow, scale + 2 * grow, scale + 2 * grow, paint)
        }
      })
    })
  }
}

/** Height in pixels of a line of text, without what hangs below it (two font pixels). */
export function textHeight(scale: number): number {
  return GLYPH_HEIGHT * scale
}
