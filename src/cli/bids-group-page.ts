/** The group level of voxplain bids as one self-contained page. */
import { type RegionRow, topRegions } from '../explain/regions/region-table.ts'
import { fact, facts, figure, html, page, table } from '../io/page.ts'
import { digits } from './terminal.ts'

export interface GroupSection {
  readonly name: string
  readonly title: string
  readonly className: string
  readonly people: number
  readonly maps: number
  /** `all`, and a group of participants each. */
  readonly groups: readonly { readonly of: string; readonly people: number; readonly picture: Uint8Array }[]
  /** Of the mean maps, where there is an atlas. */
  readonly regions: readonly { readonly of: string; readonly rows: readonly RegionRow[] }[]
}

/** Regions that a table shows. */
const MOST = 12

export function groupPage({ sections, version }: { sections: readonly GroupSection[]; version: string }): string {
  const title = 'Relevance maps of a group'
  return page(
    title,
    html`<header><h1>${title}</h1></header>`,
    facts(
      fact(String(Math.max(...sections.map(({ people }) => people))), 'participants'),
      fact(String(sections.reduce((sum, { maps }) => sum + maps, 0)), 'maps'),
      fact(String(new Set(sections.map(({ name }) => name)).size), 'methods and classes'),
    ),
    html`<p>Means over participants; several sessions of one are averaged before. The t-maps beside this page compare means
with 0, and two groups with each other; they are not corrected for the number of voxels.</p>`,
    sections.map(
      (section) => html`<h2>${section.title}, class ${section.className} (desc-${section.name})</h2>
${section.groups.map(
  ({ of, people, picture }) =>
    html`<div class="wide">${figure(picture, `Mean map of ${of}`, `${of === 'all' ? 'All participants' : of}, mean of ${people}.`)}</div>`,
)}
${section.regions.map(
  ({ of, rows }) =>
    html`<h3>Regions, ${of}</h3>${table(
      ['region', 'mean', 'peak', 'volume (ml)'],
      topRegions(rows, MOST).map(({ name, mean, peak, mm3 }) => [
        name,
        mean.toPrecision(3),
        peak.toPrecision(3),
        digits(mm3 / 1000),
      ]),
    )}`,
)}`,
    ),
    html`<footer>Made by voxplain ${version}.</footer>`,
  )
}
