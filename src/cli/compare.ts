/** voxplain compare: how alike maps are, voxel by voxel and region by region. */
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { regionMeans } from '../explain/regions/similarity.ts'
import { compareMaps } from '../explain/study/map-comparison.ts'
import { type Atlas, atlasOnGrid } from '../io/atlas/atlas.ts'
import { mergeSides } from '../io/atlas/sides.ts'
import { svgToPng } from '../io/chart/chart-png.node.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { resample, sameGrid } from '../io/resample.ts'
import { formatTsv } from '../io/tsv.ts'
import type { Volume } from '../io/volume.ts'
import { type ComparedMap, type ComparedPair, comparePage, comparePicture } from './compare-page.ts'
import { openAtlas } from './explain-atlas.ts'
import { versions } from './gpu.ts'
import { formatJson } from './json.ts'
import { listOption, numbersOption } from './options.ts'
import { requireWritable, stemOf, writeTogether } from './outputs.ts'
import { requireFiles } from './scans.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

interface Options {
  out?: string
  names?: string[]
  background?: string
  atlas?: string
  atlasNames?: string
  mergeSides?: boolean
  share: number[]
  json?: boolean
}

const HELP = `
Maps are compared where any of them is not 0 (with --background: where that is not 0). Dice takes the strongest positive voxels
of both maps, as many of one as of the other, so that neither scale nor threshold matters. Maps on another grid than the first
are brought to it.

Examples:
  voxplain compare maps/sub-01_desc-mask_relevance.nii.gz maps/sub-01_desc-lrp_relevance.nii.gz --background sub-01_gm.nii.gz
  voxplain compare robustness/maps/fold-*_relevance.nii.gz --atlas AAL2.nii --merge-sides --out compared
`

export function addCompare(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('compare')
    .description('how alike maps are: correlation, Dice, regions, slices side by side')
    .argument('<maps...>', 'NIfTI volumes, two or more')
    .option('--out <folder>', 'for tables, a picture and a page (default: numbers on stdout alone)')
    .option('--names <list>', 'what to call the maps (default: by their files)', listOption)
    .option('--background <scan>', 'drawn below the maps; they are compared where it is not 0')
    .option('--atlas <file.nii>', 'label volume, to compare regions, too')
    .option('--atlas-names <table>', 'names of its labels (default: a table of the same name beside it)')
    .option('--merge-sides', 'left and right regions as one')
    .option('--share <parts>', 'of the voxels compared, for Dice', numbersOption(1e-6, 1), [0.01, 0.05, 0.1])
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', HELP)
    .action(async (maps: string[], options: Options) => {
      finish(await compare(maps, options, makeReporter(terminal, options.json ?? false)))
    })
}

async function compare(paths: readonly string[], options: Options, reporter: Reporter): Promise<number> {
  const { share, out } = options
  const maps = await openMaps(paths, options, reporter)
  const grid = maps[0]!.volume
  const background =
    options.background === undefined ? undefined : onGrid(await readVolumeFile(options.background), grid)
  const atlas = await atlasFor(options, grid)
  if (out !== undefined) await requireWritable(out)
  const data = maps.map(({ volume }) => volume.data)
  const comparison = compareMaps(data, share, atlas, background && ((v) => background.data[v] !== 0))
  const pairs = comparison.pairs.map(
    ({ first, second, dice, roi, ...voxels }): ComparedPair => ({
      a: maps[first]!.name,
      b: maps[second]!.name,
      voxels,
      dice,
      regions: roi,
    }),
  )
  const means = atlas && data.map((map) => regionMeans(map, atlas))
  const table = pairTable(pairs, share)
  for (const line of formatTable(table, table[0]!.map((_, c) => c).slice(2))) reporter.print(line)
  const document = { maps: maps.map(({ name, path }) => ({ name, path })), pairs, shares: share, versions: versions() }
  if (out !== undefined) {
    const picture = comparePicture(maps, background)
    const regions = atlas && means && { names: atlas.regions.map(({ name }) => name), means }
    const told: [string, string][] = [
      ...maps.map(({ name, path }): [string, string] => [name, path]),
      [
        'compared',
        options.background === undefined ? 'where any map is not 0' : `where ${options.background} is not 0`,
      ],
      ...(options.atlas === undefined ? [] : ([['atlas', options.atlas]] as [string, string][])),
      [
        'versions',
        Object.entries(versions())
          .map(([name, version]) => `${name} ${version}`)
          .join(', '),
      ],
    ]
    const files: Record<string, string | Uint8Array> = {
      'compare.tsv': pairsTsv(pairs, share),
      ...(regions && { 'regions.tsv': regionsTsv(regions, maps) }),
      'compare.svg': picture,
      'compare.png': await svgToPng(picture, 2),
      'compare.json': formatJson(document),
      'index.html': comparePage({ maps, pairs, shares: share, picture, regions, settings: told }),
    }
    await writeTogether(Object.entries(files).map(([name, bytes]) => ({ path: join(out, name), bytes })))
    reporter.print(`\n${join(out, 'index.html')} shows the maps beside each other`)
  }
  reporter.document(document)
  return 0
}

/** @throws InputError for fewer than two maps, one that is constant, or names that do not fit */
async function openMaps(paths: readonly string[], { names }: Options, reporter: Reporter): Promise<ComparedMap[]> {
  if (paths.length < 2) throw new InputError(`${paths[0]} cannot be compared with itself; give two maps or more`)
  if (names && names.length !== paths.length) {
    throw new InputError(`--names gives ${names.length} names for ${paths.length} maps`)
  }
  await requireFiles(paths)
  const called = names ?? namesOf(paths)
  const maps: ComparedMap[] = []
  for (const [n, path] of paths.entries()) {
    const volume = await readVolumeFile(path)
    const finite = volume.data.map((value) => (Number.isFinite(value) ? value : 0))
    if (finite.every((value) => value === finite[0])) {
      throw new InputError(`${path} is ${finite[0]} everywhere: there is nothing to compare`)
    }
    const first = maps[0]?.volume
    const own = { shape: volume.shape, affine: volume.affine, data: finite }
    if (first && !sameGrid(own, first)) {
      const placed = onGrid(own, first)
      if (placed.data.every((value) => value === 0)) {
        throw new InputError(`${path} and ${paths[0]} do not overlap; are they in one space?`)
      }
      reporter.note(`${path} lies on another grid than ${paths[0]} and was brought to it`)
      maps.push({ name: called[n]!, path, volume: placed })
    } else maps.push({ name: called[n]!, path, volume: own })
  }
  return maps
}

/** By their files; by their whole paths where files in several folders are called alike. */
function namesOf(paths: readonly string[]): string[] {
  const stems = paths.map((path) => stemOf(basename(path)))
  return new Set(stems).size === stems.length ? stems : paths.map((path) => path.replace(/\.nii(\.gz)?$/i, ''))
}

const onGrid = (volume: Volume, grid: Volume): Volume =>
  sameGrid(volume, grid) ? volume : resample(volume, grid, 'linear')

async function atlasFor({ atlas, atlasNames, mergeSides: merged }: Options, grid: Volume): Promise<Atlas | undefined> {
  if (atlas === undefined) {
    if (atlasNames !== undefined || merged) throw new InputError('--atlas-names and --merge-sides are for --atlas')
    return undefined
  }
  const opened = await openAtlas(atlas, atlasNames)
  return atlasOnGrid(merged ? mergeSides(opened) : opened, grid)
}

const percent = (share: number) => `${Number((100 * share).toPrecision(3))} %`

const shown = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(3))

function pairTable(pairs: readonly ComparedPair[], shares: readonly number[]): string[][] {
  const regional = pairs.some(({ regions }) => regions !== undefined)
  const head = ['map', 'and', 'pearson', 'spearman', 'cosine', ...shares.map((share) => `Dice ${percent(share)}`)]
  return [
    [...head, ...(regional ? ['regions'] : [])],
    ...pairs.map(({ a, b, voxels, dice, regions }) => {
      const numbers = [voxels.pearson, voxels.spearman, voxels.cosine, ...dice, ...(regional ? [regions] : [])]
      return [a, b, ...numbers.map(shown)]
    }),
  ]
}

function pairsTsv(pairs: readonly ComparedPair[], shares: readonly number[]): string {
  const dice = shares.map((share) => `dice_${share}`)
  return formatTsv(
    ['map_a', 'map_b', 'voxels', 'pearson', 'spearman', 'cosine', ...dice, 'roi_similarity'],
    pairs.map(({ a, b, voxels, dice: found, regions }) => {
      const shared = Object.fromEntries(dice.map((name, k) => [name, found[k]]))
      return { map_a: a, map_b: b, ...voxels, ...shared, roi_similarity: regions }
    }),
  )
}

function regionsTsv(
  { names, means }: { names: readonly string[]; means: readonly Float64Array[] },
  maps: readonly ComparedMap[],
): string {
  return formatTsv(
    ['region', ...maps.map(({ name }) => name)],
    names.map((region, r) => ({ region, ...Object.fromEntries(maps.map(({ name }, m) => [name, means[m]![r]])) })),
  )
}
