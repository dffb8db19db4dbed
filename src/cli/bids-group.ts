/** voxplain bids, level group: mean maps, t-maps, region tables and a page of them. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { addMap, type GroupMoments, groupMean, noMaps, oneSampleT, welchT } from '../explain/postprocess/group.ts'
import { formatRegionTable, type RegionRow, regionTable } from '../explain/regions/region-table.ts'
import { type Atlas, atlasOnGrid } from '../io/atlas/atlas.ts'
import { findDataset } from '../io/bids/find.node.ts'
import { labelOf } from '../io/bids/names.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { montagePng } from '../io/montage-apart.node.ts'
import { type NiftiVolume, writeVolume } from '../io/nifti.ts'
import { sameGrid } from '../io/resample.ts'
import { formatTsv } from '../io/tsv.ts'
import { findMapGroups, type GroupMap, type MapGroup } from './bids-group-maps.ts'
import { type GroupSection, groupPage } from './bids-group-page.ts'
import type { BidsRequest } from './bids-prepare.ts'
import { makeInside, openState, sweep, withFolder } from './bids-state.ts'
import { openAtlas } from './explain-atlas.ts'
import { keyOf } from './explain-keep.ts'
import { type ExplainCommandOptions, openMethods } from './explain-options.ts'
import { versions } from './gpu.ts'
import { formatJson } from './json.ts'
import { openNetwork } from './network.ts'
import { writeTogether } from './outputs.ts'
import type { Reporter } from './terminal.ts'

interface OutFile {
  readonly name: string
  readonly bytes: Uint8Array | string
}

/** @param asked whether --method was given: then only maps of those methods are looked at */
export async function bidsGroup(
  { root, out, options }: BidsRequest,
  asked: boolean,
  reporter: Reporter,
): Promise<number> {
  const { participantLabel: participants, sessionLabel: sessions, pattern, modulated, fwhm, labelColumn } = options
  const found = await findDataset(root, { participants, sessions, pattern, modulated, fwhm, labelColumn })
  const rows = found.asked.map((n) => found.cohort.rows[n]!)
  const descs = asked ? await descsOf(options) : undefined
  const groups = await findMapGroups(out, { ...found.cohort, rows }, descs)
  if (groups.length === 0)
    throw new InputError(
      `${out} has no maps${asked ? ` of --method ${options.method}` : ''}; run level participant first`,
    )
  const atlas = options.atlas === undefined ? undefined : await openAtlas(options.atlas, options.atlasNames)
  const folder = join(out, 'group')
  const key = keyOf({
    voxplain: versions().voxplain,
    atlas,
    groups: groups.map(({ maps, ...rest }) => ({ ...rest, maps: maps.map(({ path: _, ...map }) => map) })),
  })
  if (options.dryRun) {
    const state = (await isDone(folder, key)) ? 'done' : 'to be made'
    for (const { name, maps } of groups) reporter.print(`group ${name}: ${maps.length} maps, ${state}`)
    reporter.document({ state, groups: groups.map(({ name, maps }) => ({ name, maps: maps.length })) })
    return 0
  }
  const claims = await openState(out)
  try {
    return await withFolder(out, claims, async () => {
      await makeInside(out, 'group')
      sweep(folder)
      if (!options.force && (await isDone(folder, key))) {
        reporter.note(`${folder} is there already, of the same maps; --force makes it anew`)
        reporter.document({ out: folder, kept: true })
        return 0
      }
      const files: OutFile[] = []
      const sections: GroupSection[] = []
      for (const group of groups) {
        const made = await summarise(group, root, atlas)
        files.push(...made.files)
        sections.push(made.section)
        reporter.print(`group ${group.name}: ${group.maps.length} maps of ${made.section.people} participants`)
      }
      const page = groupPage({ sections, version: versions().voxplain })
      const names = [...files.map(({ name }) => name), 'index.html']
      const record = { GeneratedBy: [{ Name: 'voxplain', Version: versions().voxplain }], Files: names, key }
      // The record last: where it is of this key, all the others are there.
      const all = [...files, { name: 'index.html', bytes: page }, { name: 'group.json', bytes: formatJson(record) }]
      await writeTogether(all.map(({ name, bytes }) => ({ path: join(folder, name), bytes })))
      reporter.print(`${join(folder, 'index.html')}`)
      reporter.document({ out: folder, files: all.map(({ name }) => name) })
      return 0
    })
  } finally {
    claims.close()
  }
}

async function descsOf(options: BidsRequest['options']): Promise<Set<string>> {
  if (options.network === undefined)
    throw new InputError('level group with --method needs --network too, or give neither')
  const loaded = await openNetwork(options.network, options.recipe)
  const choices = await openMethods(options as ExplainCommandOptions, loaded)
  const classes = options.target && options.target.length > 1 ? options.target : ['']
  const upper = (text: string) => text.replace(/^[a-z]/, (c) => c.toUpperCase())
  return new Set(choices.flatMap(({ name }) => classes.map((class_) => `${name}${upper(labelOf(class_))}`)))
}

async function isDone(folder: string, key: string): Promise<boolean> {
  try {
    const record = JSON.parse(await readFile(join(folder, 'group.json'), 'utf8'))
    for (const name of record.Files) if (!(await stat(join(folder, name))).isFile()) return false
    return record.key === key
  } catch {
    return false
  }
}

/** Everything of one group. A participant counts once: several sessions are averaged before. */
async function summarise(
  group: MapGroup,
  root: string,
  atlas: Atlas | undefined,
): Promise<{ files: OutFile[]; section: GroupSection }> {
  const people = new Map<string, GroupMap[]>()
  for (const map of group.maps) people.set(map.participant, [...(people.get(map.participant) ?? []), map])
  let first: NiftiVolume | undefined
  let onGrid: Atlas | undefined
  const moments = new Map<string, GroupMoments>()
  const regionRows: Record<string, string | number | undefined>[] = []
  for (const maps of people.values()) {
    let own: GroupMoments | undefined
    for (const { path, participant, session, group: label } of maps) {
      const volume = await readVolumeFile(path)
      first ??= volume
      if (!sameGrid(volume, first)) {
        throw new InputError(`${path} is on another grid than ${group.maps[0]!.path}; a group needs maps in one space`)
      }
      own = addMap(own ?? noMaps(volume.data.length), volume.data)
      if (!atlas) continue
      onGrid ??= atlasOnGrid(atlas, volume)
      const means = regionTable(volume, onGrid).map(({ name, mean }) => [name, mean] as const)
      regionRows.push({ participant_id: participant, session_id: session, group: label, ...Object.fromEntries(means) })
    }
    const mean = groupMean(own!)
    // Somebody whose sessions are of two groups is in none of them.
    const labels = new Set(maps.map((map) => map.group))
    const label = labels.size === 1 ? maps[0]!.group : undefined
    for (const name of ['all', ...(label === undefined ? [] : [`group ${label}`])]) {
      moments.set(name, addMap(moments.get(name) ?? noMaps(mean.length), mean))
    }
  }
  return describe(group, root, people.size, first!, moments, onGrid, regionRows)
}

async function describe(
  { name, title, className, signed, maps }: MapGroup,
  root: string,
  people: number,
  grid: NiftiVolume,
  moments: ReadonlyMap<string, GroupMoments>,
  atlas: Atlas | undefined,
  regionRows: readonly Record<string, string | number | undefined>[],
): Promise<{ files: OutFile[]; section: GroupSection }> {
  const files: OutFile[] = []
  const volume = (stem: string, data: Float32Array, about: object) => {
    files.push({ name: `${stem}.nii.gz`, bytes: writeVolume({ ...grid, data }, { gzip: true }) })
    files.push({ name: `${stem}.json`, bytes: formatJson(about) })
  }
  const background = await readVolumeFile(join(root, maps[0]!.source)).catch(() => undefined)
  const rows: GroupSection['groups'][number][] = []
  const regions: { of: string; rows: readonly RegionRow[] }[] = []
  for (const [of, group] of moments) {
    const label = of === 'all' ? '' : labelOf(of.slice('group '.length))
    const stem = (stat: string) => `group${label && `-${label}`}_desc-${name}_stat-${stat}_relevance`
    const mean = groupMean(group)
    const shared = {
      Method: title,
      Target: className,
      Group: of === 'all' ? null : of.slice('group '.length),
      Participants: group.n,
    }
    volume(stem('mean'), mean, { Description: 'Mean map', ...shared })
    if (group.n > 1) {
      const { t, df } = oneSampleT(group)
      volume(stem('t'), t, { Description: "Student's t of the mean against 0", ...shared, DegreesOfFreedom: df })
    }
    if (atlas) {
      const table = regionTable({ ...grid, data: mean }, atlas)
      regions.push({ of, rows: table })
      files.push({
        name: `${stem('mean')}-regions.tsv`.replace('_relevance-regions', '_regions'),
        bytes: formatRegionTable(table),
      })
    }
    const picture = await montagePng(
      background && sameGrid(background, grid) ? background : { ...grid, data: mean },
      { ...grid, data: mean },
      { title: `${title}, ${className}, mean of ${group.n}`, label: `relevance for ${className}`, signed },
    )
    rows.push({ of, people: group.n, picture })
  }
  const [one, other] = [...moments].filter(([of, { n }]) => of !== 'all' && n > 1)
  if (one && other && [...moments].length === 3) {
    const [a, b] = [one[0], other[0]].map((of) => of.slice('group '.length)) as [string, string]
    const { t } = welchT(one[1], other[1])
    const about = {
      Description: "Welch's t, first group minus second",
      Groups: [a, b],
      Participants: [one[1].n, other[1].n],
    }
    volume(`group-${labelOf(a)}Vs${labelOf(b)}_desc-${name}_stat-t_relevance`, t, about)
  }
  if (regionRows.length > 0) {
    const columns = ['participant_id', 'session_id', 'group', ...atlas!.regions.map((region) => region.name)]
    files.push({
      name: `group_desc-${name}_participants-regions.tsv`,
      bytes: formatTsv([...new Set(columns)], regionRows),
    })
  }
  return { files, section: { name, title, className, people, maps: maps.length, groups: rows, regions } }
}
