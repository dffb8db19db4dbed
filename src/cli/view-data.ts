/** What `voxplain view` gives the page to load: files under names of their own, and the manifest that lists them. */
import { basename } from 'node:path'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import { countNonFinite, type NiftiVolume, readVolume, writeVolume } from '../io/nifti.ts'
import { resample, sameGrid } from '../io/resample.ts'
import { formatTsv } from '../io/tsv.ts'
import type { Network } from '../model/description.ts'
import { saveNetwork } from '../model/formats/format.ts'
import { openAtlas } from './explain-atlas.ts'
import { type ImportCommandOptions, importOptions, openNetwork } from './network.ts'
import { stemOf } from './outputs.ts'
import { listScans } from './scan-list.ts'
import type { Reporter } from './terminal.ts'

export interface ViewOptions extends ImportCommandOptions {
  network: string
  map?: string[]
  atlas?: string
  atlasNames?: string
  recipe?: string
  covariates?: string[]
  open: boolean
}

const SUBJECT = 'scan'

/**
 * Reads all that was named, so that what cannot be used is refused before a page opens.
 * @returns the files by their path beside the page
 * @throws InputError naming the file that is missing or not usable, or the covariates that the network needs
 */
export async function viewData(
  path: string,
  options: ViewOptions,
  reporter: Reporter,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  const put = (name: string, bytes: Uint8Array | string) => {
    files.set(`data/${name}`, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
    return name
  }
  const scan = await openVolume(path)
  const loaded = await openNetwork(options.network, options.recipe, await importOptions(options))
  const { covariates, notes } = await covariatesOf(path, loaded.network, options.covariates)
  for (const note of [...loaded.notes, ...notes]) reporter.note(note)
  const maps = []
  for (const [n, map] of (options.map ?? []).entries()) {
    const { volume, bytes } = fitting(await openVolume(map), scan.volume, map, reporter)
    maps.push({
      id: `map-${n}`,
      name: stemOf(map),
      subject: SUBJECT,
      file: put(`map-${n}${ending(bytes)}`, bytes),
      signed: volume.data.some((value) => value < 0),
      // Masks are shares: their scale is the same for all.
      ...(/^voxplain mask\b/.test(volume.nifti.description) && { max: 1 }),
    })
  }
  const manifest = {
    format: 'voxplain-viewer',
    title: basename(path),
    ...(options.atlas !== undefined && { atlas: await putAtlas(options.atlas, options.atlasNames, put) }),
    subjects: [{ id: SUBJECT, name: basename(path), scan: put(`scan${ending(scan.bytes)}`, scan.bytes), covariates }],
    // As our own file, with the recipe in it: the page need not know how it was read.
    networks: [
      {
        id: 'network',
        name: basename(options.network),
        file: put('network.safetensors', saveNetwork(loaded.network)),
      },
    ],
    maps,
    start: { subject: SUBJECT, network: 'network', ...(maps[0] && { map: maps[0].id }) },
  }
  put('manifest.json', JSON.stringify(manifest))
  return files
}

interface OpenedVolume {
  readonly volume: NiftiVolume
  /** Of a file that holds it. */
  readonly bytes: Uint8Array
}

async function openVolume(path: string): Promise<OpenedVolume> {
  const bytes = await readFileChecked(path)
  return { bytes, volume: readVolume(bytes, { name: path }) }
}

const ending = ([first]: Uint8Array) => (first === 0x1f ? '.nii.gz' : '.nii')

/** A map without gaps, on the grid of its scan: the page lays voxel on voxel. */
function fitting(map: OpenedVolume, scan: NiftiVolume, path: string, reporter: Reporter): OpenedVolume {
  const { volume } = map
  const { nan, infinite } = countNonFinite(volume)
  const gaps = nan + infinite
  const elsewhere = !sameGrid(volume, scan)
  if (gaps === 0 && !elsewhere) return map
  const filled = { ...volume, data: volume.data.map((value) => (Number.isFinite(value) ? value : 0)) }
  if (gaps > 0) reporter.warn(`${path}: ${gaps} NaN or infinite voxels are shown as zero`)
  if (elsewhere) reporter.warn(`${path} is on another grid than the scan; it is shown resampled to it`)
  const shown = { ...(elsewhere ? resample(filled, scan, 'linear') : filled), nifti: volume.nifti }
  if (shown.data.every((value) => value === 0) && filled.data.some((value) => value !== 0)) {
    throw new InputError(`${path} does not overlap the scan; is it a map of this scan, in the same space?`)
  }
  return { volume: shown, bytes: writeVolume(shown, { description: volume.nifti.description }) }
}

/** The numbers that the network needs of this person. */
async function covariatesOf(path: string, network: Network, given: string[] | undefined) {
  const { scans, notes } = await listScans([path], network, { covariates: given, missing: 'refuse' })
  const known = Object.entries(scans[0]!.covariates).filter(([, value]) => Number.isFinite(value))
  return { covariates: Object.fromEntries(known), notes }
}

/** The labels as they are, and their names as one kind of table, whatever kind they came in. */
async function putAtlas(
  path: string,
  table: string | undefined,
  put: (name: string, bytes: Uint8Array | string) => string,
) {
  const { regions } = await openAtlas(path, table)
  const rows = regions.flatMap(({ name, values }) => values.map((index) => ({ index, name })))
  const bytes = await readFileChecked(path)
  return { volume: put(`atlas${ending(bytes)}`, bytes), names: put('atlas.tsv', formatTsv(['index', 'name'], rows)) }
}
