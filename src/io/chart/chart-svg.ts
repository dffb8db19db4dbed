/** SVG as text: elements, words that fit, and a whole document. Nothing refers to another file, font or script. */
import { escapeHtml } from '../page.ts'

/** Sizes are CSS pixels. At 520 pixels a chart fits one column of a paper (85 mm), where 13 pixels print as 6 points. */
export const FONT = 13
export const SMALL = 12
export const TITLE = 15

export const INK = '#1a1a1a'
export const QUIET = '#5c5c5c'
export const GRID = '#e3e3e3'
export const PAPER = '#ffffff'

/** Four faces with the same widths, then whatever there is. The first is what PNG pictures are drawn with. */
const FAMILY = "Arimo, Arial, 'Liberation Sans', Helvetica, sans-serif"

/** Widths of ASCII 32 to 126 in those faces, in thousandths of the size. */
const WIDTHS = (
  '278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 ' +
  '584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 ' +
  '278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 ' +
  '500 334 260 334 584'
)
  .split(' ')
  .map(Number)
const BOLDER = 1.08

/** Width of a line of text in pixels: what it takes to leave room for it. */
export function textWidth(text: string, size = FONT, bold = false): number {
  let sum = 0
  for (const character of text) sum += WIDTHS[character.charCodeAt(0) - 32] ?? 600
  return (sum / 1000) * size * (bold ? BOLDER : 1)
}

/** Words in lines no wider than `room`; a word that is wider by itself is cut with an ellipsis. */
export function wrapText(text: string, room: number, size = FONT, bold = false): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const joined = lines.length > 0 ? `${lines.at(-1)} ${word}` : word
    if (lines.length > 0 && textWidth(joined, size, bold) <= room) lines[lines.length - 1] = joined
    else lines.push(fitText(word, room, size, bold))
  }
  return lines
}

/** Text cut with an ellipsis to a width. */
export function fitText(text: string, room: number, size = FONT, bold = false): string {
  if (textWidth(text, size, bold) <= room) return text
  let kept = text
  while (kept.length > 1 && textWidth(`${kept}...`, size, bold) > room) kept = kept.slice(0, -1)
  return `${kept.trimEnd()}...`
}

type Attributes = Readonly<Record<string, string | number | undefined>>

/**
 * An element. Numbers are rounded to a hundredth of a pixel; attributes that are undefined are left out.
 * @throws Error for a number that is not finite: a picture with NaN in it shows nothing, and says nothing
 */
export function tag(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const parts = Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return []
    return [` ${key}="${typeof value === 'number' ? pixels(value, `${name} ${key}`) : escapeHtml(value)}"`]
  })
  const inside = children.join('')
  return inside === '' ? `<${name}${parts.join('')}/>` : `<${name}${parts.join('')}>${inside}</${name}>`
}

function pixels(value: number, what: string): string {
  if (!Number.isFinite(value)) throw new Error(`${what} is ${value}`)
  return String(Math.round(100 * value) / 100 + 0)
}

/** A line of text; further attributes as those of SVG's text. */
export function words(content: string, x: number, y: number, attributes: Attributes = {}): string {
  return tag('text', { x, y, ...attributes }, escapeHtml(content))
}

export function rule(x1: number, y1: number, x2: number, y2: number, attributes: Attributes): string {
  return tag('line', { x1, y1, x2, y2, ...attributes })
}

/** A picture. @param title what it shows, for those who do not see it */
export function svgDocument(width: number, height: number, title: string, content: readonly string[]): string {
  const about = escapeHtml(title)
  return tag(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      width,
      height,
      viewBox: `0 0 ${pixels(width, 'width')} ${pixels(height, 'height')}`,
      role: 'img',
      'aria-label': title,
      'font-family': FAMILY,
      'font-size': FONT,
      fill: INK,
    },
    ...(about ? [`<title>${about}</title>`] : []),
    tag('rect', { width, height, fill: PAPER }),
    ...content,
  )
}
