/** voxplain regions: what maps amount to in the regions of an atlas. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { type RegionRow, regionColumns, regionTable, topRegions } from '../explain/regions/region-table.ts'
import { type Atlas, atlasOnGrid } from '../io/atlas/atlas.ts'
import { mergeSides } from '../io/atlas/sides.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile, writeFileAtomic } from '../io/files.node.ts'
import { resample, sameGrid } from '../io/resample.ts'
import { formatTsv } from '../io/tsv.ts'
import type { Volume } from '../io/volume.ts'
import { openAtlas } from './explain-atlas.ts'
import { versions } from './gpu.ts'
import { integerOption } from './options.ts'
import { requireWritableFile } from './outputs.ts'
import { requireFiles } from './scans.ts'
import { digits, formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

const ORDERS = ['mean', 'density', 'positive', 'peak', 'perTissue'] as const

interface Options {
  atlas: string
  atlasNames?: string
  mergeSides?: boolean
  tissue?: string
  by: (typeof ORDERS)[number]
  top: number
  out?: string
  json?: boolean
}

const HELP = `
Every map keeps its own grid; the atlas is brought to it through the affines (nearest label). NaN counts as 0.
mean: sum over voxels, right for masks. density: sum over mm3, right for relevance, whatever the voxel size. perTissue: sum over
mm3 of the tissue in the region (--tissue), so that regions of thin cortex are not diluted by the white matter around it.
With several maps the table shows means over them, and in how many maps a region is among the first.

Examples:
  voxplain regions maps/sub-01_desc-mask_relevance.nii.gz --atlas atlas-AAL2_dseg.nii.gz
  voxplain regions maps/*_desc-lrp_relevance.nii.gz --atlas AAL3v1.nii --by density --merge-sides --out regions.tsv
`

export function addRegions(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('regions')
    .description('regions of an atlas, ranked by what maps amount to in them')
    .argument('<maps...>', 'NIfTI volumes')
    .requiredOption('--atlas <file.nii>', 'label volume in the space of the maps')
    .option('--atlas-names <table>', 'names of its labels (default: a table of the same name beside it)')
    .option('--merge-sides', 'left and right regions as one')
    .option('--tissue <scan>', 'grey matter, 0 to 1: adds its volume in each region')
    .addOption(new Option('--by <column>', 'what regions are ranked by').choices(ORDERS).default('mean'))
    .option('--top <count>', 'regions to print', integerOption(1), 15)
    .option('--out <file.tsv>', 'all regions of all maps, one line each')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', HELP)
    .action(async (maps: string[], options: Options) => {
      finish(await regions(maps, options, makeReporter(terminal, options.json ?? false)))
    })
}

async function regions(paths: readonly string[], options: Options, reporter: Reporter): Promise<number> {
  const { by, top, out } = options
  if (by === 'perTissue' && options.tissue === undefined) {
    throw new InputError('--by perTissue divides by the tissue in a region; give the grey matter with --tissue')
  }
  await requireFiles(paths)
  const opened = await openAtlas(options.atlas, options.atlasNames)
  const atlas = options.mergeSides ? mergeSides(opened) : opened
  const tissue = options.tissue === undefined ? undefined : await readVolumeFile(options.tissue)
  if (out !== undefined) await requireWritableFile(out)
  const tables = await tablesOf(paths, atlas, tissue)

  const average = averageRows(tables.map(({ rows }) => rows))
  const found = topRegions(average, top, by)
  if (found.length < average.length && average.some(({ voxels }) => voxels === 0)) {
    const missing = average.filter(({ voxels }) => voxels === 0).length
    reporter.note(`${missing} of ${average.length} regions have no voxel on the grid of the maps`)
  }
  const firsts = tables.map(({ rows }) => new Set(topRegions(rows, top, by).map(({ name }) => name)))
  const lines = formatTable(
    printed(found, by, (name) => firsts.filter((set) => set.has(name)).length, paths.length),
    [0, 2, 3, 4, 5, 6, 7],
  )
  for (const line of lines) reporter.print(line)
  if (out !== undefined) {
    const own = tables.flatMap(({ path, rows }) => regionColumns(rows).rows.map((row) => ({ map: path, ...row })))
    await writeFileAtomic(out, formatTsv(['map', ...regionColumns(average).columns], own))
    reporter.note(`${out}: ${own.length} lines`)
  }
  reporter.document({
    atlas: options.atlas,
    by,
    maps: tables.map(({ path }) => path),
    regions: found,
    versions: versions(),
  })
  return 0
}

/** @throws InputError for a map that does not overlap the atlas or the tissue */
async function tablesOf(
  paths: readonly string[],
  atlas: Atlas,
  tissue: Volume | undefined,
): Promise<{ path: string; rows: RegionRow[] }[]> {
  const tables: { path: string; rows: RegionRow[] }[] = []
  let placed: { atlas: Atlas; scan: Volume | undefined; grid: Volume } | undefined
  for (const path of paths) {
    const map = await readVolumeFile(path)
    // Maps of a cohort share a grid: atlas and tissue are brought there once.
    if (!placed || !sameGrid(placed.grid, map)) {
      const scan = tissue && (sameGrid(tissue, map) ? tissue : resample(tissue, map, 'linear'))
      if (scan?.data.every((value) => !(value > 0))) {
        throw new InputError(
          `the tissue is nothing but 0 on the grid of ${path}; is it grey matter in the space of the map?`,
        )
      }
      placed = { atlas: atlasOnGrid(atlas, map), scan, grid: map }
    }
    tables.push({ path, rows: regionTable(map, placed.atlas, { scan: placed.scan }) })
  }
  return tables
}

/** Means over maps, region by region; the peak is the one furthest from 0. */
function averageRows(tables: readonly (readonly RegionRow[])[]): RegionRow[] {
  const mean = (rows: readonly RegionRow[], value: (row: RegionRow) => number) =>
    rows.reduce((sum, row) => sum + value(row), 0) / rows.length
  return tables[0]!.map((first, r) => {
    const rows = tables.map((table) => table[r]!)
    const strongest = rows.reduce((best, row) => (Math.abs(row.peak) > Math.abs(best.peak) ? row : best))
    return {
      ...first,
      voxels: mean(rows, (row) => row.voxels),
      mm3: mean(rows, (row) => row.mm3),
      positive: mean(rows, (row) => row.positive),
      negative: mean(rows, (row) => row.negative),
      mean: mean(rows, (row) => row.mean),
      density: mean(rows, (row) => row.density),
      peak: strongest.peak,
      peakMm: strongest.peakMm,
      ...(first.tissueMm3 !== undefined && {
        tissueMm3: mean(rows, (row) => row.tissueMm3!),
        perTissue: mean(rows, (row) => row.perTissue!),
      }),
    }
  })
}

function printed(
  rows: readonly RegionRow[],
  by: Options['by'],
  among: (name: string) => number,
  maps: number,
): string[][] {
  const number = (value: number | undefined) => (value === undefined ? '-' : `${Number(value.toPrecision(3))}`)
  const place = (at: RegionRow['peakMm']) => (at ? at.map((mm) => mm.toFixed(0)).join(' ') : '-')
  const head = ['', 'region', by, 'cm3', 'positive', 'negative', 'peak', 'at x y z mm']
  return [
    [...head, ...(maps > 1 ? ['among the first'] : [])],
    ...rows.map((row, k) => [
      ...[`${k + 1}`, row.name, number(row[by]), digits(row.mm3 / 1000), number(row.positive), number(row.negative)],
      ...[number(row.peak), place(row.peakMm)],
      ...(maps > 1 ? [`${among(row.name)} of ${maps}`] : []),
    ]),
  ]
}
