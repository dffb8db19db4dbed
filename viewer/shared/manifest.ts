/**
 * What a page starts with: scans, networks, maps, an atlas. The static site and `voxplain view` serve the same page and
 * differ only in this file, `data/manifest.json` beside the page.
 */
import { InputError } from '../../src/io/errors.ts'
import {
  listOf,
  numberWithin,
  oneOf,
  optional,
  type Reader,
  readBoolean,
  readName,
  readObject,
} from '../../src/model/formats/read-json.ts'

export interface Manifest {
  /** Shown beside the project's name. */
  readonly title: string
  /** Labels (.nii, .nii.gz) and the table of their names, in the space of the scans. */
  readonly atlas?: { readonly volume: string; readonly names: string }
  readonly subjects: readonly ManifestSubject[]
  readonly networks: readonly ManifestNetwork[]
  /** Maps that were made before. */
  readonly maps: readonly ManifestMap[]
  /** Ids of what is open at first; default: the first ones. */
  readonly start: { readonly subject?: string; readonly network?: string; readonly map?: string }
}

export interface ManifestSubject {
  readonly id: string
  /** As the page shows it. */
  readonly name: string
  /** File of the scan. All files are URLs relative to the manifest, of the page's own origin. */
  readonly scan: string
  /** By name, in the units of residualisation (see covariateUnit): age in years, sex 1 for female, tiv in ml. */
  readonly covariates: Readonly<Record<string, number>>
}

export interface ManifestNetwork {
  readonly id: string
  readonly name: string
  /** In any format that loadNetwork reads. */
  readonly file: string
  /** Input recipe, for formats that have none; JSON as readRecipe takes it. */
  readonly recipe?: unknown
}

export interface ManifestMap {
  readonly id: string
  readonly name: string
  /** Whose map it is. */
  readonly subject: string
  readonly file: string
  /** Whether values below 0 mean something. */
  readonly signed: boolean
  /** Magnitude with the brightest colour; default: of the map's own. */
  readonly max?: number
}

const readUrl: Reader<string> = (value, what) => {
  const url = readName(value, what)
  // The page's policy refuses other origins anyhow; this says why.
  if (/^(?:[a-z][a-z0-9+.-]*:|[\\/]{2})/i.test(url))
    throw new InputError(`${what} must be a relative URL, got "${url}"`)
  return url
}

const absent =
  <V>(read: Reader<V>): Reader<V | undefined> =>
  (value, what) =>
    value === undefined ? undefined : read(value, what)

const readSubject: Reader<ManifestSubject> = (value, what) => {
  const s = readObject(value, what)
  const covariates = Object.entries(readObject(s.covariates ?? {}, `${what}.covariates`))
  return {
    id: readName(s.id, `${what}.id`),
    name: readName(s.name ?? s.id, `${what}.name`),
    scan: readUrl(s.scan, `${what}.scan`),
    covariates: Object.fromEntries(covariates.map(([name, n]) => [name, numberWithin()(n, `${what}.${name}`)])),
  }
}

const readNetwork: Reader<ManifestNetwork> = (value, what) => {
  const n = readObject(value, what)
  const id = readName(n.id, `${what}.id`)
  return { id, name: readName(n.name ?? id, `${what}.name`), file: readUrl(n.file, `${what}.file`), recipe: n.recipe }
}

const readMap: Reader<ManifestMap> = (value, what) => {
  const m = readObject(value, what)
  return {
    id: readName(m.id, `${what}.id`),
    name: readName(m.name, `${what}.name`),
    subject: readName(m.subject, `${what}.subject`),
    file: readUrl(m.file, `${what}.file`),
    signed: optional(readBoolean, false)(m.signed, `${what}.signed`),
    max: absent(numberWithin(Number.MIN_VALUE))(m.max, `${what}.max`),
  }
}

/** Checks a manifest. @throws InputError naming what is wrong */
export function readManifest(json: unknown): Manifest {
  const m = readObject(json, 'the manifest')
  oneOf('voxplain-viewer')(m.format, 'the manifest: format')
  const start = readObject(m.start ?? {}, 'start')
  const atlas = m.atlas === undefined ? undefined : readObject(m.atlas, 'atlas')
  const manifest: Manifest = {
    title: readName(m.title, 'title'),
    ...(atlas && {
      atlas: { volume: readUrl(atlas.volume, 'atlas.volume'), names: readUrl(atlas.names, 'atlas.names') },
    }),
    subjects: listOf(readSubject)(m.subjects, 'subjects'),
    networks: listOf(readNetwork)(m.networks, 'networks'),
    maps: optional(listOf(readMap), [])(m.maps, 'maps'),
    start: {
      subject: absent(readName)(start.subject, 'start.subject'),
      network: absent(readName)(start.network, 'start.network'),
      map: absent(readName)(start.map, 'start.map'),
    },
  }
  for (const { id, subject } of manifest.maps) {
    if (manifest.subjects.every((one) => one.id !== subject)) {
      throw new InputError(`the map ${id} is of ${subject}, who is none of the subjects`)
    }
  }
  return manifest
}
