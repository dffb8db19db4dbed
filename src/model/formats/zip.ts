/**
 * Reading zip archives as they come from strangers (PKWARE APPNOTE 6.3, with zip64). Every size that an archive
 * declares is held against the bytes there are before anything is allocated or inflated.
 */
import { inflateSync } from 'fflate'
import { InputError } from '../../io/errors.ts'
import { allocate, crc32, MAX_DEFLATE_RATIO } from '../../io/gunzip.ts'

export interface Zip {
  /** Paths of the files in it, in the order of its directory; folders are left out. */
  readonly names: readonly string[]
  /** The bytes of one file: a view of the archive where it is stored as it is. @throws InputError when missing or damaged */
  read(name: string): Uint8Array
}

interface Entry {
  readonly name: string
  readonly method: number
  readonly crc: number
  readonly begin: number
  readonly end: number
  readonly size: number
}

const END = 0x06054b50
const END_64 = 0x06064b50
const LOCATOR_64 = 0x07064b50
const CENTRAL = 0x02014b50
const LOCAL = 0x04034b50
const FULL = 0xffffffff
const MOST_FILES = 65536
/** Trained values hardly compress: what unpacks to more than this is no network. */
const MOST_EXPANSION = 20
const SMALL = 2 ** 24

export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 22 && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4
}

function damaged(why: string): InputError {
  return new InputError(`the zip archive is truncated or damaged: ${why}`)
}

/**
 * Opens an archive: its directory is read and checked, no file is.
 * @throws InputError for a damaged directory, files that overlap or leave the archive, unsafe or repeated paths, or a
 *   declared size that its compressed bytes cannot hold
 */
export function openZip(bytes: Uint8Array): Zip {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const entries = new Map<string, Entry>()
  for (const entry of readDirectory(view, bytes)) {
    if (entries.has(entry.name)) throw damaged(`it lists "${entry.name}" twice`)
    entries.set(entry.name, entry)
  }
  refuseOverlaps([...entries.values()])
  const total = [...entries.values()].reduce((sum, { size }) => sum + size, 0)
  if (total > Math.max(SMALL, MOST_EXPANSION * bytes.length)) {
    throw new InputError(
      `the zip archive of ${bytes.length} bytes would unpack to ${total}; no network is stored like that`,
    )
  }
  return {
    names: [...entries.keys()],
    read(name) {
      const entry = entries.get(name)
      if (!entry) throw new InputError(`the archive has no file "${name}"`)
      return extract(bytes, entry)
    },
  }
}

/** Where the directory is, and how many entries it has. */
function findDirectory(view: DataView): { at: number; end: number; count: number } {
  const lowest = Math.max(0, view.byteLength - 22 - 65535)
  let end = view.byteLength - 22
  while (end >= lowest && view.getUint32(end, true) !== END) end--
  if (end < lowest) throw damaged('it has no directory at its end')
  const count = view.getUint16(end + 10, true)
  const at = view.getUint32(end + 16, true)
  if (end < 20 || view.getUint32(end - 20, true) !== LOCATOR_64) return { at, end, count }
  const end64 = number64(view, end - 12)
  if (end64 + 56 > end || view.getUint32(end64, true) !== END_64) throw damaged('its zip64 directory is missing')
  return { at: number64(view, end64 + 48), end: end64, count: number64(view, end64 + 32) }
}

function number64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true))
}

function* readDirectory(view: DataView, bytes: Uint8Array): Generator<Entry> {
  const { at: start, end, count } = findDirectory(view)
  if (count > MOST_FILES) throw new InputError(`the zip archive declares ${count} files, more than ${MOST_FILES}`)
  let at = start
  for (let k = 0; k < count; k++) {
    if (at + 46 > end || view.getUint32(at, true) !== CENTRAL) throw damaged(`entry ${k} of its directory is not there`)
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)]
    const nameEnd = at + 46 + view.getUint16(at + 28, true)
    const extraEnd = nameEnd + view.getUint16(at + 30, true)
    if (extraEnd > end) throw damaged(`entry ${k} of its directory leaves it`)
    const name = new TextDecoder().decode(bytes.subarray(at + 46, nameEnd))
    const sizes = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)]
    const [size, packed, header] = withZip64(view, nameEnd, extraEnd, sizes) as [number, number, number]
    const crc = view.getUint32(at + 16, true)
    at = extraEnd + view.getUint16(at + 32, true)
    if (name.endsWith('/')) continue
    requireSafe(name)
    if (flags & 1) throw new InputError(`the file "${name}" of the archive is encrypted; that is not supported`)
    if (header + 30 > start || view.getUint32(header, true) !== LOCAL)
      throw damaged(`"${name}" is not where it should be`)
    const begin = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true)
    if (begin + packed > start) throw damaged(`"${name}" takes ${packed} bytes from byte ${begin}, past its end`)
    requireHonest(name, method, packed, size)
    yield { name, method, crc, begin, end: begin + packed, size }
  }
}

/** Values too large for their field stand in the zip64 extra field, in the same order. */
function withZip64(view: DataView, from: number, to: number, values: readonly number[]): number[] {
  for (let at = from; at + 4 <= to; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue
    let next = at + 4
    return values.map((value) => {
      if (value !== FULL) return value
      if (next + 8 > to) throw damaged('a zip64 field is too short')
      next += 8
      return number64(view, next - 8)
    })
  }
  return [...values]
}

function requireSafe(name: string): void {
  const unsafe = name === '' || /^\/|\\|\0|^[a-z]:/i.test(name) || name.split('/').includes('..')
  if (unsafe) throw new InputError(`the zip archive has a file with the unsafe path ${JSON.stringify(name)}`)
}

function requireHonest(name: string, method: number, packed: number, size: number): void {
  if (method !== 0 && method !== 8) {
    throw new InputError(
      `the file "${name}" of the archive is compressed by method ${method}; stored and deflate are known`,
    )
  }
  if (method === 0 ? size !== packed : size > packed * MAX_DEFLATE_RATIO + 64) {
    throw damaged(`"${name}" declares ${size} bytes, which its ${packed} bytes in the archive cannot hold`)
  }
}

/** Files that share bytes are how small archives come to unpack to huge ones. */
function refuseOverlaps(entries: Entry[]): void {
  let last: Entry | undefined
  for (const entry of entries.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (last && entry.begin < last.end) throw damaged(`its files "${last.name}" and "${entry.name}" overlap`)
    last = entry
  }
}

function extract(bytes: Uint8Array, { name, method, crc, begin, end, size }: Entry): Uint8Array {
  const packed = bytes.subarray(begin, end)
  // PyTorch may leave the checksum of stored files out, so only what is inflated is held against it.
  if (method === 0) return packed
  let out: Uint8Array
  try {
    out = inflateSync(packed, { out: allocate(size, `the file "${name}" of the archive`) })
  } catch (error) {
    if (error instanceof InputError) throw error
    throw damaged(`"${name}" cannot be decompressed (${(error as Error).message})`)
  }
  if (out.length !== size || crc32(out) !== crc) throw damaged(`"${name}" does not match its checksum`)
  return out
}
