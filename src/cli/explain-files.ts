/** What explain writes for one map: the volume, the record of what was done, the picture. */
import { unlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { MethodChoice } from '../explain/methods.ts'
import type { PostprocessOptions } from '../explain/postprocess/postprocess.ts'
import { montagePng } from '../io/montage-apart.node.ts'
import { type NiftiVolume, writeVolume } from '../io/nifti.ts'
import type { ScanCovariates } from '../model/recipe/residual.ts'
import { MAP_ENDINGS } from './explain-keep.ts'
import { polish } from './explain-polish.ts'
import { formatJson } from './json.ts'
import type { LoadedNetwork } from './network.ts'
import { writeTogether } from './outputs.ts'

/** What is the same for all maps of one run. */
export interface About {
  /** File of the network. */
  readonly network: string
  readonly loaded: LoadedNetwork
  readonly adapter: string
  readonly software: boolean
  readonly versions: Readonly<Record<string, string>>
  /** The record as it is written, where not as writeMap makes it; it keeps the key. */
  readonly describe?: (report: Readonly<Record<string, unknown>>, made: MapToWrite) => object
}

/** One map, ready to be written. */
export interface MapToWrite {
  /** Path of the files without an ending. */
  readonly stem: string
  readonly choice: MethodChoice
  /** Hash of all that the map depends on. */
  readonly key: string
  readonly polish: PostprocessOptions | undefined
  /** Class, by index. */
  readonly target: number
  readonly map: NiftiVolume
  /** Scan behind the map in the picture. */
  readonly background: NiftiVolume
  /** The scans that it is of. */
  readonly scans: readonly string[]
  readonly covariates: readonly ScanCovariates[]
  readonly nonFinite: number
  readonly notes: readonly string[]
  /** What the method has to say, for the record. */
  readonly details: Readonly<Record<string, unknown>>
  /** How the class fared, for people: P(AD) 0.9810 -> 0.0412. */
  readonly change: string
  /** The rest of the line that is printed. */
  readonly summary: string
}

/** Files of one map, and their record. */
export interface Written {
  readonly files: readonly string[]
  readonly report: object
}

/**
 * Writes the three files, each as a whole, the record last: where there is one, the others are there too. The volume
 * is compressed and the picture drawn on other threads, so that this one can keep the GPU busy meanwhile.
 * @returns what was written, and a line about it
 */
export async function writeMap(made: MapToWrite, about: About): Promise<Written & { readonly line: string }> {
  const { choice, target, change, stem } = made
  const { map, record } = polish(made.map, made.polish)
  const { method } = choice
  const { description } = about.loaded.network
  const { classes } = description.recipe
  const name = classes[target]!
  const report = {
    method: method.name,
    map: `${basename(stem)}.nii.gz`,
    network: { file: about.network, name: description.name, input: description.input, recipe: description.recipe },
    target: { index: target, name },
    ...made.details,
    ...(record && { postprocess: record }),
    nonFinite: made.nonFinite,
    notes: [...about.loaded.notes, ...made.notes],
    ...(made.covariates.some((one) => Object.keys(one).length > 0) && { covariates: made.covariates }),
    adapter: about.adapter,
    software: about.software,
    versions: about.versions,
    key: made.key,
  }
  const who = made.scans.length > 1 ? `group of ${made.scans.length}` : basename(made.scans[0]!)
  const isMask = method.name === 'mask'
  const { part = 'both' } = made.polish ?? {}
  const signed = method.signed && part === 'both'
  const label = signed ? `for (+) or against (-) ${name}` : `${part === 'negative' ? 'against' : 'for'} ${name}`
  const [volume, image] = await Promise.all([
    promisify(gzip)(writeVolume(map, { description: `voxplain ${method.name} ${name}` })),
    montagePng(made.background, map, {
      title: `${who}: ${isMask ? '' : `${method.title}, `}${change}`,
      label: isMask ? `relevance ${label} (1 - mask)` : label,
      signed,
      ...(isMask && !made.polish && { max: 1 }),
    }),
  ])
  const bytes = [volume, image, formatJson(about.describe?.(report, made) ?? report)]
  const files = MAP_ENDINGS.map((ending, n) => ({ path: stem + ending, bytes: bytes[n]! }))
  // A record of an earlier run must not stand beside a newer volume, even if this is the last that happens.
  await unlink(`${stem}.json`).catch(() => undefined)
  await writeTogether(files)
  const paths = files.map(({ path }) => path)
  return { files: paths, report, line: `${paths[0]}: ${change}, ${made.summary}` }
}
