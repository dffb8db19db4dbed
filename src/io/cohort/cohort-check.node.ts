/** Checks of a cohort with its files: only headers are read, many at a time (Node only). */
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, gunzipSync } from 'node:zlib'
import { InputError } from '../errors.ts'
import { isGzip, MAX_DEFLATE_RATIO } from '../gunzip.ts'
import { HEADER_BYTES, type NiftiHeader, parseHeader } from '../nifti-header.ts'
import type { Cohort, CohortOptions } from './cohort.ts'
import { type CheckOptions, type CohortReport, checkCohort, dropMissing } from './cohort-check.ts'
import type { ScanFacts } from './cohort-check-scans.ts'
import { openCohort, type ScanSource } from './cohort-files.node.ts'

/** Files that are open at once. */
const ABREAST = 16

/** Bytes read for a header; more where that was not enough (a gzip header may carry long texts). */
const FIRST_READ = 4096
const SECOND_READ = 2 ** 18

export interface CheckedCohort {
  readonly cohort: Cohort
  readonly report: CohortReport
}

/**
 * Opens a cohort, leaves out what is to be left out, and checks it and its files.
 * @throws InputError only for what leaves no cohort to check (see openCohort); all else is in the report
 */
export async function openCheckedCohort(
  file: string,
  options: CohortOptions & ScanSource & CheckOptions = {},
): Promise<CheckedCohort> {
  const opened = await openCohort(file, options)
  const cohort = options.missing === 'drop' ? dropMissing(opened, options.covariates ?? []) : opened
  return { cohort, report: await checkCohortFiles(cohort, options) }
}

/** Checks a cohort and its files (see checkCohort). */
export async function checkCohortFiles(cohort: Cohort, options: CheckOptions = {}): Promise<CohortReport> {
  return checkCohort(cohort, await readScanFacts(cohort.rows.flatMap((row) => row.scan ?? [])), options)
}

/** What the headers of files say, by path. Never throws for a file: its fault is in its facts. */
export async function readScanFacts(paths: readonly string[]): Promise<Map<string, ScanFacts>> {
  const facts = new Map<string, ScanFacts>()
  const waiting = [...new Set(paths)]
  const work = async () => {
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) facts.set(path, await factsOf(path))
  }
  await Promise.all(Array.from({ length: ABREAST }, work))
  return facts
}

async function factsOf(path: string): Promise<ScanFacts> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    return await readFacts(file, path)
  } catch (error) {
    if (error instanceof InputError) return { fault: { kind: 'unreadable', message: error.message } }
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { fault: { kind: 'missing', message: path } }
    return { fault: { kind: 'unreadable', message: `${path} cannot be read (${code ?? message})` } }
  } finally {
    await file?.close()
  }
}

async function readFacts(file: FileHandle, path: string): Promise<ScanFacts> {
  const about = await file.stat({ bigint: true })
  if (!about.isFile()) throw new InputError(`${path} is a folder, not a file`)
  const bytes = Number(about.size)
  if (bytes === 0) throw new InputError(`${path} is empty`)
  const start = await readAt(file, 0, Math.min(FIRST_READ, bytes))
  const gzip = isGzip(start)
  let head = gzip ? beginning(start, path) : start
  if (gzip && head.length < HEADER_BYTES && bytes > FIRST_READ) {
    head = beginning(await readAt(file, 0, Math.min(SECOND_READ, bytes)), path)
  }
  if (gzip && head.length === 0) throw new InputError(`${path} is a truncated gzip file; copy or download it again`)
  const available = gzip ? bytes * MAX_DEFLATE_RATIO : bytes
  const header = parseHeader(head.subarray(0, HEADER_BYTES), available, Number.POSITIVE_INFINITY, path)
  const { shape, affine } = header
  const facts = { identity: `${about.dev}:${about.ino}`, grid: { shape, affine }, bytes }
  if (!gzip) return facts
  const trailer = await readAt(file, bytes - 8, 8)
  await checkLength(path, header, trailer)
  return { ...facts, checksum: `${bytes}:${Buffer.from(trailer).toString('hex')}` }
}

async function readAt(file: FileHandle, from: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, from)
  return buffer.subarray(0, bytesRead)
}

/** What the first bytes of a gzip file decompress to. */
function beginning(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
  } catch (error) {
    throw new InputError(`${path} is a damaged gzip file; copy or download it again`, { cause: error })
  }
}

/**
 * Whether all voxels are in a gzip file. Its last four bytes say how many there are, in a whole file of one piece;
 * where they say anything else than the header does, the file is decompressed to find out.
 */
async function checkLength(path: string, { offset, size }: NiftiHeader, trailer: Uint8Array): Promise<void> {
  const needed = offset + size
  if (new DataView(trailer.buffer, trailer.byteOffset).getUint32(4, true) === needed % 2 ** 32) return
  let found = 0
  const count = new Writable({
    write(piece: Uint8Array, _, done) {
      found += piece.length
      done()
    },
  })
  const damage = await pipeline(createReadStream(path), createGunzip(), count).then(
    () => undefined,
    (error: Error) => error,
  )
  if (damage || found < needed) {
    throw new InputError(
      `${path} is truncated or damaged: it declares ${needed} bytes and decompresses to ${found}; copy or download it again`,
      { cause: damage },
    )
  }
}
