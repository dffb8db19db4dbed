/** The picture and the page of voxplain compare. */
import type { MapSimilarity } from '../explain/study/map-similarity.ts'
import { heatMap } from '../io/chart/chart-heat.ts'
import { html, page } from '../io/page.ts'
import { formatNumber, numbered, settingsTable } from '../io/report/report-parts.ts'
import { commonSlices, sliceFigure } from '../io/report/slice-figure.ts'
import type { Volume } from '../io/volume.ts'

export interface ComparedMap {
  readonly name: string
  readonly path: string
  /** On the grid of the first. */
  readonly volume: Volume
}

export interface ComparedPair {
  readonly a: string
  readonly b: string
  readonly voxels: MapSimilarity
  /** At each share of the voxels, in the order of the shares; undefined where a map has nothing positive. */
  readonly dice: readonly (number | undefined)[]
  /** Cosine of the regions' means; undefined without an atlas, or where a map is 0 in all of it. */
  readonly regions: number | undefined
}

/** Maps of one row beside each other. */
const ABREAST = 3

/**
 * Slices of the maps beside each other. Methods differ in what their values mean, so that each map has a scale of its own:
 * its 99.5th percentile is 1.
 */
export function comparePicture(maps: readonly ComparedMap[], background: Volume | undefined): string {
  const scaled = maps.map(({ volume }) => {
    const sizes = volume.data
      .filter((value) => value !== 0)
      .map(Math.abs)
      .sort()
    const top = sizes[Math.floor(0.995 * (sizes.length - 1))] || 1
    return { ...volume, data: volume.data.map((value) => value / top) }
  })
  const columns = Math.min(ABREAST, maps.length)
  const lines = Array.from({ length: Math.ceil(maps.length / columns) }, (_, k) => k * columns)
  const empty = {
    ...scaled[0]!,
    data: scaled[0]!.data.map((_, v) => (maps.some(({ volume }) => volume.data[v] !== 0) ? 1 : 0)),
  }
  const place = (from: number) => Array.from({ length: columns }, (_, k) => from + k)
  return sliceFigure({
    rows: lines.map(() => ''),
    columns: Array(columns).fill(''),
    captions: lines.map((from) => place(from).map((n) => maps[n]?.name ?? '')),
    maps: lines.map((from) => place(from).map((n) => scaled[n])),
    background: background ?? empty,
    slices: commonSlices(scaled, ['coronal', 'axial']),
    label: 'part of the map’s 99.5th percentile',
    signed: scaled.some(({ data }) => data.some((value) => value < -0.1)),
    max: 1,
    width: Math.min(1032, 40 + 330 * columns),
  })
}

/** A self-contained document. */
export function comparePage({
  maps,
  pairs,
  shares,
  picture,
  regions,
  settings,
}: {
  maps: readonly ComparedMap[]
  pairs: readonly ComparedPair[]
  shares: readonly number[]
  picture: string
  regions: { readonly names: readonly string[]; readonly means: readonly Float64Array[] } | undefined
  settings: readonly (readonly [string, string])[]
}): string {
  const count = numbered()
  const dice = shares.map((share) => `Dice ${Number((100 * share).toPrecision(3))} %`)
  const rows = pairs.map(({ a, b, voxels, dice: found, regions: cosine }) => {
    const numbers = [voxels.pearson, voxels.spearman, voxels.cosine, ...found, ...(regions ? [cosine] : [])]
    return [`${a} and ${b}`, ...numbers.map((value) => formatNumber(value, 3))]
  })
  const head = ['maps', 'Pearson', 'Spearman', 'cosine', ...dice, ...(regions ? ['ROI cosine'] : [])]
  const top = regions && strongestRegions(regions)
  return page(
    `${maps.length} maps compared`,
    html`<header><h1>${maps.length} maps compared</h1></header>`,
    count.figure('The same slices of every map, each at a scale of its own.', picture),
    count.table(
      html`How alike the maps are over ${pairs[0]!.voxels.voxels.toLocaleString('en')} voxels. Dice is of the strongest positive voxels, as many
in one map as in the other.`,
      head,
      rows,
    ),
    top
      ? count.figure(
          'Mean of each map in the regions that are strongest in any of them, as a part of the map’s largest region.',
          heatMap({
            rows: top.map(({ name }) => name),
            columns: maps.map(({ name }) => name),
            values: top.map(({ values }) => values),
            label: 'part of the largest',
            diverging: top.some(({ values }) => values.some((value) => value < 0)),
            width: 700,
            height: 140 + 26 * top.length,
          }),
        )
      : '',
    html`<h2>What was compared</h2>${settingsTable(settings)}`,
  )
}

/** Regions with the largest means, as parts of each map's largest. */
function strongestRegions({ names, means }: { names: readonly string[]; means: readonly Float64Array[] }) {
  const largest = means.map((list) => list.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1)
  const rows = names.map((name, r) => ({ name, values: means.map((list, m) => list[r]! / largest[m]!) }))
  const reach = (values: readonly number[]) => Math.max(...values.map(Math.abs))
  return rows.sort((a, b) => reach(b.values) - reach(a.values)).slice(0, 15)
}
