/** Scans named on the command line: checked before any work, read while the GPU is busy, failures told one by one. */
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { GpuError } from '../engine/errors.ts'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import { gunzipNeeded, isGzip, MAX_DEFLATE_RATIO } from '../io/gunzip.ts'
import { type NiftiVolume, readVolume } from '../io/nifti.ts'
import { HEADER_BYTES, parseHeader } from '../io/nifti-header.ts'
import type { Reporter } from './terminal.ts'

/**
 * Checks that all scans are there, before the GPU is opened.
 * @throws InputError naming the first that is missing or a folder
 */
export async function requireFiles(paths: readonly string[]): Promise<void> {
  const faults: string[] = []
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined)
    if (!found) faults.push(`${path} does not exist; check the path`)
    else if (found.isDirectory()) faults.push(`${path} is a folder, not a scan; name the .nii or .nii.gz files in it`)
  }
  if (faults.length === 0) return
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more of the ${paths.length} scans cannot be read)` : ''
  throw new InputError(faults[0] + more)
}

/** A scan that was read. */
export interface ReadScan {
  /** SHA-256 of the file. */
  readonly digest: string
  /** Undefined where the volume was not wanted. */
  readonly volume: NiftiVolume | undefined
}

/**
 * A volume from a file, as readVolumeFile gives it, but decompressed on another thread, so that this one can keep the GPU
 * busy meanwhile. What is not a sound gzip file is left to the reader that says why.
 */
async function readScan(path: string, wanted: (digest: string) => Promise<boolean>): Promise<ReadScan> {
  const bytes = await readFileChecked(path)
  const digest = await sha256(bytes)
  if (!(await wanted(digest))) return { digest, volume: undefined }
  const plain = isGzip(bytes) ? await decompressed(bytes, path).catch(() => undefined) : undefined
  return { digest, volume: readVolume(plain ?? bytes, { name: path }) }
}

/** SHA-256 in hexadecimal, computed on another thread. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex')
}

async function decompressed(bytes: Uint8Array, path: string): Promise<Uint8Array> {
  const head = gunzipNeeded(bytes, HEADER_BYTES, () => HEADER_BYTES, path)
  const { offset, size } = parseHeader(head, bytes.length * MAX_DEFLATE_RATIO, MOST_BYTES, path)
  return promisify(gunzip)(bytes, { maxOutputLength: offset + size })
}

/** Largest voxel data that is decompressed at once; readVolume has the last word. */
const MOST_BYTES = 2 ** 31

/**
 * Reads scans by their index; asking for one begins to read the next, too.
 * @param wanted whether a volume is needed, once the digest of its file is known
 */
export function readerOf(
  paths: readonly string[],
  wanted: (index: number, digest: string) => Promise<boolean> = async () => true,
): (index: number) => Promise<ReadScan> {
  const begun = new Map<number, Promise<ReadScan>>()
  const begin = (index: number) => {
    const path = paths[index]
    if (path === undefined || begun.has(index)) return
    const reading = readScan(path, (digest) => wanted(index, digest))
    // Awaited in its turn; until then a failure must not count as unhandled.
    reading.catch(() => undefined)
    begun.set(index, reading)
  }
  return (index) => {
    begin(index)
    begin(index + 1)
    const reading = begun.get(index)!
    begun.delete(index)
    return reading
  }
}

/** What became of a scan. */
export type Outcome<R> = { readonly scan: string } & ({ readonly result: R } | { readonly error: string })

/**
 * Works on one scan after another; the next is read meanwhile. A scan that fails is told in one line and left out. When
 * the GPU fails there is no going on: the remaining scans are not tried.
 */
export async function forEachScan<R>(
  paths: readonly string[],
  reporter: Reporter,
  work: (scan: NiftiVolume, path: string, index: number, digest: string) => Promise<R>,
): Promise<Outcome<R>[]> {
  const outcomes: Outcome<R>[] = []
  const read = readerOf(paths)
  const fail = (scan: string, error: string) => {
    reporter.warn(error.startsWith(scan) ? error : `${scan}: ${error}`)
    outcomes.push({ scan, error })
  }
  for (const [index, path] of paths.entries()) {
    try {
      const { volume, digest } = await read(index)
      outcomes.push({ scan: path, result: await work(volume!, path, index, digest) })
    } catch (error) {
      if (error instanceof GpuError) {
        const left = paths.length - index - 1
        fail(path, `${error.message}${left > 0 ? `; ${left} more not tried` : ''}`)
        for (const scan of paths.slice(index + 1)) outcomes.push({ scan, error: 'not tried: the GPU failed before' })
        return outcomes
      }
      if (!(error instanceof InputError)) throw error
      fail(path, error.message)
    }
  }
  return outcomes
}

/** 1 when a scan failed. */
export function exitCode(outcomes: readonly Outcome<unknown>[]): number {
  return outcomes.some((outcome) => 'error' in outcome) ? 1 : 0
}

/** Tells of voxels without a number and of scans that lie elsewhere than the recipe expects. */
export function tellAbout(
  path: string,
  { nonFinite, notes }: { nonFinite: number; notes: readonly string[] },
  reporter: Reporter,
) {
  if (nonFinite > 0) reporter.warn(`${path}: ${nonFinite} NaN or infinite voxels were set to zero`)
  for (const note of notes) reporter.warn(`${path}: ${note}`)
}
