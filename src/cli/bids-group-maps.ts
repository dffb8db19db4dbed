/** The maps in an output folder of voxplain bids, put into groups of one method and class. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathOfSource } from '../io/bids/dataset.ts'
import { entitiesOf, labelOf } from '../io/bids/names.ts'
import { type Cohort, type CohortRow, findColumn, participantKey, sessionKey } from '../io/cohort/cohort.ts'
import { InputError } from '../io/errors.ts'
import { MAP_ENDINGS } from './explain-keep.ts'

export interface GroupMap {
  readonly participant: string
  readonly session?: string
  /** Of participants.tsv or sessions.tsv. */
  readonly group?: string
  /** Path of the map. */
  readonly path: string
  /** The scan below the data set. */
  readonly source: string
  readonly key: string
}

export interface MapGroup {
  /** What its files are called by: desc, and the class where the maps of one desc are of several. */
  readonly name: string
  readonly method: string
  readonly title: string
  readonly className: string
  readonly signed: boolean
  readonly maps: readonly GroupMap[]
}

interface Sidecar {
  readonly key?: string
  readonly Sources?: readonly string[]
  readonly Method?: { readonly Name: string; readonly Title: string; readonly Signed?: boolean }
  readonly Network?: { readonly SHA256: string; readonly File: string }
  readonly Target?: { readonly name: string }
}

interface Found {
  readonly desc: string
  readonly map: GroupMap
  readonly sidecar: Sidecar
}

/**
 * Groups of maps, in the order of their names.
 * @param descs only those; undefined: all
 * @throws InputError where maps of one name are of different networks
 */
export async function findMapGroups(
  out: string,
  cohort: Pick<Cohort, 'rows' | 'columns' | 'labelColumn'>,
  descs: ReadonlySet<string> | undefined,
): Promise<MapGroup[]> {
  const rows = new Map(
    cohort.rows.map((row) => [personKey(labelOf(participantKey(row)), labelOf(sessionKey(row))), row]),
  )
  const column = cohort.labelColumn ?? findColumn(cohort.columns, ['diagnosis', 'label', 'group'])
  const found: Found[] = []
  for (const path of await recordsIn(out)) {
    const one = await readMap(join(out, path), rows, column)
    if (one && (descs === undefined || descs.has(one.desc))) found.push(one)
  }
  const byDesc = groupBy(found, ({ desc }) => desc)
  return [...byDesc].flatMap(([desc, all]) => groupsOf(desc, all)).sort((a, b) => (a.name < b.name ? -1 : 1))
}

const personKey = (participant: string, session: string) => `${participant} ${session}`

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

function groupsOf(desc: string, all: readonly Found[]): MapGroup[] {
  const networks = new Set(all.map(({ sidecar }) => sidecar.Network?.SHA256))
  if (networks.size > 1) {
    throw new InputError(
      `the maps desc-${desc} are of ${networks.size} networks; run level participant again with one, or use a folder for each`,
    )
  }
  const byClass = groupBy(all, ({ sidecar }) => sidecar.Target?.name ?? '')
  return [...byClass].map(([className, members]) => {
    const { Method } = members[0]!.sidecar
    const suffix = byClass.size > 1 ? `Target${labelOf(className)}` : ''
    return {
      name: `${desc}${suffix}`,
      method: Method?.Name ?? desc,
      title: Method?.Title ?? desc,
      className,
      signed: Method?.Signed ?? false,
      maps: members.map(({ map }) => map),
    }
  })
}

/** Records below sub-*, relative, sorted; links to folders are not followed. */
async function recordsIn(out: string, folder = ''): Promise<string[]> {
  const entries = await readdir(join(out, folder), { withFileTypes: true }).catch(() => [])
  const sorted = entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  const found: string[] = []
  for (const entry of sorted) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory() && (folder !== '' || entry.name.startsWith('sub-')))
      found.push(...(await recordsIn(out, path)))
    else if (entry.isFile() && folder !== '' && entry.name.endsWith('_relevance.json')) found.push(path)
  }
  return found
}

async function readMap(
  record: string,
  rows: ReadonlyMap<string, CohortRow>,
  column: string | undefined,
): Promise<Found | undefined> {
  const stem = record.slice(0, -'.json'.length)
  const sidecar: Sidecar | undefined = await readFile(record, 'utf8')
    .then(JSON.parse)
    .catch(() => undefined)
  const entities = entitiesOf(stem.split('/').at(-1)!)
  const row = rows.get(personKey(entities.sub ?? '', entities.ses ?? ''))
  if (!sidecar?.key || !sidecar.Sources?.[0] || !entities.sub || !entities.desc || !row) return undefined
  return {
    desc: entities.desc,
    sidecar,
    map: {
      participant: row.participant,
      ...(row.session !== undefined && { session: row.session }),
      ...(column !== undefined && row.cells[column] && { group: row.cells[column] }),
      path: stem + MAP_ENDINGS[0],
      source: pathOfSource(sidecar.Sources[0]),
      key: sidecar.key,
    },
  }
}
