/** Pictures and reports of a map, made of the same pieces as those of the command line; nothing in them links anywhere. */
import type { RegionRow } from '../../src/explain/regions/region-table.ts'
import { encodePng, montage } from '../../src/io/montage.ts'
import { fact, facts, figure, html, page, table } from '../../src/io/page.ts'
import type { Volume } from '../../src/io/volume.ts'

/** All texts come from the page, in its language. */
export interface PictureRequest {
  readonly scan: Volume
  /** As it is shown: what is below the threshold is 0. */
  readonly map: Volume
  readonly title: string
  readonly label: string
  readonly signed: boolean
  readonly max: number
  readonly threshold: number
}

export interface ReportRequest extends PictureRequest {
  readonly heading: string
  readonly lead: string
  readonly caption: string
  readonly footer: string
  readonly numbers: readonly { readonly value: string; readonly text: string }[]
  readonly regionHead: readonly string[]
  readonly regions: readonly RegionRow[]
}

/** Rows of the report's region table. */
const ROWS = 20

/** A montage of slices as PNG. */
export function picture({ scan, map, title, label, signed, max, threshold }: PictureRequest): Uint8Array {
  return encodePng(montage(scan, map, { title, label, signed, max, threshold, slices: 6 }))
}

/** A page that needs nothing else. */
export function report(request: ReportRequest): string {
  const { heading, lead, caption, footer, numbers, regionHead, regions } = request
  const amount = (row: RegionRow) => row.positive - row.negative
  const rows = regions.filter((row) => amount(row) > 0).sort((a, b) => amount(b) - amount(a))
  const short = (value: number) => String(Number(value.toPrecision(4)))
  const cells = rows
    .slice(0, ROWS)
    .map((row) => [
      row.name.replaceAll('_', ' '),
      short(row.positive),
      short(row.negative),
      short(row.peak),
      (row.peakMm ?? []).map((mm) => Math.round(mm)).join(', '),
    ])
  return page(
    heading,
    html`<h1>${heading}</h1><p class="lead">${lead}</p>`,
    facts(...numbers.map(({ value, text }) => fact(value, text))),
    html`<div class="wide">${figure(picture(request), heading, caption)}</div>`,
    cells.length > 0 ? table(regionHead, cells) : '',
    html`<footer>${footer}</footer>`,
  )
}
