/** Maps of a data set as a task: their names, their records, and why each is to be made. */
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { sourceUri } from '../io/bids/dataset.ts'
import { labelOf } from '../io/bids/names.ts'
import type { BidsScan } from './bids-scans.ts'
import type { MapToWrite } from './explain-files.ts'
import { keyOf, recordOf } from './explain-keep.ts'
import { type JobName, mapKey, mapStem, type Task } from './explain-task.ts'

/** What of a task says which maps there are to be; no GPU is needed for that. */
export type MapPlan = Pick<Task, 'methods' | 'targets' | 'facts' | 'out' | 'nameOf'> & {
  readonly about: { readonly loaded: Task['about']['loaded'] }
}

/** stem_desc-igAD_relevance: BIDS has no entity for a class, so it is a part of desc. */
export function bidsMapName(stem: string, { choice, variant }: JobName, className: string | undefined): string {
  const class_ = className === undefined ? '' : labelOf(className)
  return `${stem}${variant.suffix}_desc-${choice.name}${class_.replace(/^[a-z]/, (c) => c.toUpperCase())}_relevance`
}

/** What a map depends on, in the order in which it is told. */
const PART_NAMES: Readonly<Record<string, string>> = {
  scan: 'scan',
  covariates: 'covariates',
  network: 'network',
  method: 'method',
  settings: 'settings',
  target: 'class',
  polish: 'post-processing',
  atlas: 'atlas',
  precision: 'precision',
  seed: 'seed',
  voxplain: "voxplain's version",
}

/** How it stands with one map. */
export interface MapState {
  readonly stem: string
  readonly desc: string
  readonly state: 'done' | 'missing' | 'stale'
  /** Of a stale map: what is not as it was. */
  readonly changed?: readonly string[]
}

interface PlannedMap {
  readonly stem: string
  readonly key: string
  /** Short hashes of the parts of the key. */
  readonly parts: Readonly<Record<string, string>>
}

/** The maps of one scan. */
export function plannedMaps(plan: MapPlan, scan: BidsScan, digest: string): PlannedMap[] {
  const { methods, targets, facts } = plan
  const about = [{ digest, covariates: scan.covariates }]
  return methods.flatMap(({ choice, variants }) =>
    targets.flatMap((target) =>
      variants.map((variant) => {
        const job = { choice, variant, target }
        const of = {
          ...facts,
          method: choice.method.name,
          settings: variant.settings,
          target: target ?? null,
          scan: digest,
          covariates: scan.covariates,
        }
        const parts = Object.fromEntries(
          Object.entries(of).map(([name, value]) => [name, keyOf({ value }).slice(0, 12)]),
        )
        const task = plan as Task
        return { stem: mapStem(task, scan.stem, job), key: mapKey(task, job, about), parts }
      }),
    ),
  )
}

/** How it stands with the maps of one scan. */
export async function statesOf(plan: MapPlan, scan: BidsScan, digest: string): Promise<MapState[]> {
  return Promise.all(
    plannedMaps(plan, scan, digest).map(async ({ stem, key, parts }): Promise<MapState> => {
      const desc = /_desc-([^_]+)_relevance$/.exec(stem)![1]!
      if (await recordOf(stem, key)) return { stem, desc, state: 'done' }
      const record = await readFile(`${stem}.json`, 'utf8')
        .then(JSON.parse)
        .catch(() => undefined)
      if (!record || record.key === key) return { stem, desc, state: 'missing' }
      const before: Record<string, unknown> = record.KeyParts ?? {}
      const changed = Object.entries(PART_NAMES).flatMap(([name, words]) =>
        before[name] === parts[name] ? [] : [words],
      )
      return { stem, desc, state: 'stale', changed }
    }),
  )
}

/**
 * The sidecar of a map in BIDS's words. Nothing in it depends on the clock or on what else was made with it, so that the same
 * map has the same bytes however the work was divided.
 */
export function sidecarOf(
  report: Readonly<Record<string, unknown>>,
  made: MapToWrite,
  scan: BidsScan,
  {
    parts,
    spatialReference,
    network,
  }: { parts: object; spatialReference?: unknown; network: { name: string; sha256: string } },
): object {
  const { method, target, options, postprocess, notes, adapter, software, versions, key, nonFinite, ...details } =
    report
  const {
    title,
    source,
    signed,
    map: _,
    network: __,
    seconds: ___,
    gpuBytes: ____,
    scans,
    covariates,
    ...rest
  } = details
  const { name } = target as { name: string }
  const { file, name: trained } = report.network as { file: string; name: string }
  const [about] = (scans ?? []) as { scan: string }[]
  const { scan: _____, ...found } = about ?? { scan: '' }
  return {
    Description: `What speaks for the class ${name} in the eyes of the network (${made.choice.method.title})`,
    Sources: [sourceUri(scan.source)],
    ...(spatialReference !== undefined && { SpatialReference: spatialReference }),
    Method: {
      Name: method,
      Title: title ?? made.choice.method.title,
      Source: source,
      Signed: signed,
      Settings: options,
    },
    Network: { Name: trained, File: network.name, SHA256: network.sha256 },
    Target: target,
    ...(postprocess !== undefined && { Postprocessing: postprocess }),
    ...(Array.isArray(covariates) && { Covariates: covariates[0] }),
    NonFiniteVoxels: nonFinite,
    // The folder of the network is not the same on every node.
    Notes: (notes as string[]).map((note) => note.replaceAll(file, network.name)),
    Output: { ...found, ...rest },
    GeneratedBy: [{ Name: 'voxplain', ...(versions as object), Adapter: adapter, SoftwareAdapter: software }],
    key,
    KeyParts: parts,
  }
}

/** SpatialReference of a scan's own sidecar. */
export async function spatialReferenceOf(path: string): Promise<unknown> {
  const file = path.replace(/\.nii(\.gz)?$/i, '.json')
  const about = await readFile(file, 'utf8')
    .then(JSON.parse)
    .catch(() => undefined)
  return about?.SpatialReference
}

/** File of a network for records: its name alone, as folders differ from node to node. */
export const networkName = (path: string) => basename(path)

export const inOutput = (out: string, scan: BidsScan) => join(out, scan.folder)
