/**
 * Pieces of a self-contained HTML report: a page with its own style (light and dark, any width), figures, tables, a chart.
 * Nothing it makes refers to another file or to the network.
 */

/** Markup that is safe to put into a page. Made by `html` and the functions here. */
export interface Html {
  readonly html: string
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as markup. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

type Content = Html | string | number | readonly Content[]

function render(content: Content): string {
  if (typeof content === 'string' || typeof content === 'number') return escapeHtml(String(content))
  return 'html' in content ? content.html : content.map(render).join('')
}

/** A template whose values are escaped, unless they are markup themselves: html`<p>${anything}</p>`. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return { html: strings.map((text, k) => text + (k < values.length ? render(values[k]!) : '')).join('') }
}

/** A PNG as a data URI. */
export function pngUri(png: Uint8Array): string {
  let binary = ''
  // In parts, because a call takes only so many arguments.
  for (let at = 0; at < png.length; at += 8192) binary += String.fromCharCode(...png.subarray(at, at + 8192))
  return `data:image/png;base64,${btoa(binary)}`
}

/** A picture with a caption. @param alt what it shows, for those who do not see it */
export function figure(png: Uint8Array, alt: string, caption: Content): Html {
  return html`<figure><img src="${pngUri(png)}" alt="${alt}"><figcaption>${caption}</figcaption></figure>`
}

/** A table; columns after the first are numbers, set to the right. */
export function table(head: readonly string[], rows: readonly (readonly Content[])[]): Html {
  const top = html`<tr>${head.map((text) => html`<th scope="col">${text}</th>`)}</tr>`
  const line = ([first, ...rest]: readonly Content[]) =>
    html`<tr><th scope="row">${first!}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`
  return html`<div class="scroll"><table><thead>${top}</thead><tbody>${rows.map(line)}</tbody></table></div>`
}

/** A share in [0, 1] as a bar with its value. */
export function bar(share: number, text: string): Html {
  const width = (100 * Math.min(1, Math.max(0, share))).toFixed(1)
  return html`<span class="bar"><span style="width:${width}%"></span></span><span class="value">${text}</span>`
}

/** A number in large type and what it is. */
export function fact(value: string, meaning: Content): Html {
  return html`<div class="fact"><strong>${value}</strong><span>${meaning}</span></div>`
}

/** Facts beside each other. */
export function facts(...items: readonly Html[]): Html {
  return html`<div class="facts">${items}</div>`
}

export interface Line {
  readonly name: string
  /** y at x = 1, 2, 3, ... */
  readonly values: readonly number[]
}

const CHART = { width: 640, height: 260, left: 44, right: 132, top: 14, bottom: 36 }

/** Round values between 0 and `most`, about four of them. */
function ticks(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most / 4))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((s) => most / s <= 5)!
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, k) => Number((k * step).toPrecision(3)))
}

/**
 * A line chart as inline SVG: y from 0, a line's name at its end. Values that are not finite are left out.
 * @param x what the axis counts. @param mark an x to point out, with a text
 */
export function lineChart(x: string, lines: readonly Line[], mark?: { x: number; text: string }): Html {
  const { width, height, left, right, top, bottom } = CHART
  const finite = lines.flatMap((line) => line.values.filter(Number.isFinite))
  const most = Math.max(1e-9, ...finite) * 1.05
  const count = Math.max(2, ...lines.map((line) => line.values.length))
  const place = (n: number) => left + ((n - 1) / (count - 1)) * (width - left - right)
  const level = (v: number) => height - bottom - (v / most) * (height - top - bottom)
  const grid = ticks(most).map(
    (v) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${level(v)}" y2="${level(v)}"/>
<text x="${left - 8}" y="${level(v) + 4}" text-anchor="end">${v}</text>`,
  )
  const every = Math.ceil(count / 12)
  const numbers = Array.from({ length: count }, (_, k) => k + 1)
    .filter((n) => (n - 1) % every === 0)
    .map((n) => html`<text x="${place(n)}" y="${height - bottom + 18}" text-anchor="middle">${n}</text>`)
  const marked = mark
    ? html`<line class="mark" x1="${place(mark.x)}" x2="${place(mark.x)}" y1="${top}" y2="${height - bottom}"/>
<text x="${place(mark.x) - 6}" y="${top + 10}" text-anchor="end">${mark.text}</text>`
    : ''
  const drawn = lines.map((line, k) => {
    const points = line.values.map((v, n) => [place(n + 1), level(v)] as const).filter(([, y]) => Number.isFinite(y))
    const path = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ')
    return html`<polyline class="line line${k}" points="${path}"/>`
  })
  const names = labelHeights(lines, level).map(
    (y, k) => html`<text class="name name${k}" x="${width - right + 10}" y="${y + 4}">${lines[k]!.name}</text>`,
  )
  const axis = html`<text x="${(left + width - right) / 2}" y="${height - 2}" text-anchor="middle">${x}</text>`
  const description = lines.map((line) => `${line.name}: ${line.values.map((v) => v.toFixed(3)).join(', ')}`).join('. ')
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${description}">
${grid}${numbers}${marked}${drawn}${names}${axis}</svg>`
}

/** Heights of the lines' names: at the ends of the lines, but not over each other. */
function labelHeights(lines: readonly Line[], level: (v: number) => number): number[] {
  const apart = 18
  const wanted = lines.map((line) => level(line.values.findLast(Number.isFinite) ?? 0))
  const order = [...wanted.keys()].sort((a, b) => wanted[a]! - wanted[b]!)
  const heights = [...wanted]
  let above = Number.NEGATIVE_INFINITY
  for (const k of order) above = heights[k] = Math.max(wanted[k]!, above + apart)
  const over = Math.max(0, above - (CHART.height - CHART.bottom))
  return heights.map((y) => y - over)
}

const STYLE = `
:root { color-scheme: light dark; --paper: #fdfcfa; --ink: #1d1d1f; --quiet: #65656b; --rule: #dedbd5;
  --panel: #f3f1ec; --a: #b3461f; --b: #2a6f97; --c: #4d7c3a; }
@media (prefers-color-scheme: dark) { :root { --paper: #141417; --ink: #ececee; --quiet: #a0a0a8; --rule: #34343a;
  --panel: #1e1e23; --a: #f08a5d; --b: #6db6dd; --c: #93c47d; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.6 system-ui, -apple-system, "Segoe UI",
  Roboto, "Open Sans", sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 1080px; margin: 0 auto; padding: 56px 24px 72px }
main > :not(.wide, header), header > * { max-width: 700px }
h1 { font-size: clamp(1.75rem, 4.6vw, 2.5rem); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 16px }
h2 { font-size: 1.4rem; line-height: 1.25; letter-spacing: -0.01em; margin: 56px 0 8px }
h3 { font-size: 1.05rem; margin: 40px 0 8px }
p { margin: 0 0 14px; text-wrap: pretty }
.lead { font-size: 1.15rem }
.quiet, figcaption, footer { color: var(--quiet); font-size: 0.9rem; line-height: 1.5 }
code { font: 0.88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--panel);
  padding: 0.1em 0.35em; border-radius: 4px }
figure { margin: 0 }
img { display: block; width: 100%; height: auto; border-radius: 8px; background: #000 }
figcaption { margin-top: 8px }
.pair { display: grid; gap: 24px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); margin: 16px 0 }
.facts { display: grid; gap: 20px 24px; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); margin: 20px 0 28px }
.fact strong { display: block; font-size: 1.45rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; white-space: nowrap }
.fact span { color: var(--quiet); font-size: 0.9rem; line-height: 1.4; display: block }
.scroll { overflow-x: auto; margin: 16px 0 }
table { border-collapse: collapse; width: 100%; font-size: 0.93rem; font-variant-numeric: tabular-nums }
th, td { padding: 7px 0 7px 20px; border-bottom: 1px solid var(--rule); text-align: right; font-weight: 400 }
th:first-child { text-align: left; padding-left: 0 }
thead th { color: var(--quiet); font-size: 0.85rem; vertical-align: bottom }
td.text { text-align: left }
.bar { display: inline-block; width: min(120px, 22vw); height: 8px; border-radius: 4px; background: var(--panel);
  margin-right: 10px; vertical-align: middle; text-align: left }
.bar span { display: block; height: 100%; border-radius: 4px; background: var(--a) }
.value { display: inline-block; min-width: 3.2em }
.chart { width: 100%; height: auto; margin: 12px 0; font-size: 13px; overflow: visible }
.chart text { fill: var(--quiet) }
.chart .grid { stroke: var(--rule) }
.chart .mark { stroke: var(--quiet); stroke-dasharray: 2 4 }
.chart .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
.chart .line0 { stroke: var(--a) } .chart .line1 { stroke: var(--b) } .chart .line2 { stroke: var(--c) }
.chart .name { font-weight: 600 }
.chart .name0 { fill: var(--a) } .chart .name1 { fill: var(--b) } .chart .name2 { fill: var(--c) }
footer { margin-top: 64px; padding-top: 16px; border-top: 1px solid var(--rule) }
@media (max-width: 520px) { body { font-size: 16px } main { padding: 32px 16px 48px } .chart { font-size: 17px } }
`

/** A whole document. Blocks of the class `wide` may be wider than the text. */
export function page(title: string, ...body: readonly Content[]): string {
  const content = render(body)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`
}
