/**
 * Gzip, decompressed no further than the caller honestly needs.
 */

import { Gunzip } from 'fflate'
import { InputError } from './errors.ts'

/** Deflate cannot expand further than this (zlib technical notes: 1032:1). */
export const MAX_DEFLATE_RATIO = 1032

/** A few hundred bytes hold the header; the first piece stays small so that a bomb gains nothing before it is judged. */
const FIRST_PIECE = 1024
const PIECE = 16384

/** True when the bytes begin as a gzip member using deflate. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 3 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8
}

/**
 * Decompresses the first `headBytes` bytes, asks `need(head)` how many bytes are wanted in all, decompresses those and
 * stops: at most `need` bytes plus one piece's expansion are ever held. The gzip checksum is verified when the stream
 * is a single member of exactly the wanted size, as volumes are.
 *
 * @param name what to call the data in error messages
 * @param need may throw to refuse; gets fewer than `headBytes` bytes only where the stream holds fewer
 * @throws InputError when the stream is damaged or ends early
 */
export function gunzipNeeded(
  bytes: Uint8Array,
  headBytes: number,
  need: (head: Uint8Array) => number,
  name: string,
): Uint8Array {
  const waiting: Uint8Array[] = []
  let out: Uint8Array | undefined
  let total = 0
  let members = 1
  const keep = (piece: Uint8Array, at: number) => {
    const room = out!.length - at
    if (room > 0) out!.set(piece.length > room ? piece.subarray(0, room) : piece, at)
  }
  const stream = new Gunzip((piece) => {
    if (out) keep(piece, total)
    else if (piece.length > 0) waiting.push(piece)
    total += piece.length
  })
  stream.onmember = () => members++
  const start = () => {
    const size = need(joined(waiting, headBytes))
    out = allocate(size, name)
    let at = 0
    for (const piece of waiting.splice(0)) {
      keep(piece, at)
      at += piece.length
    }
  }

  let failure: unknown
  for (let at = 0; at < bytes.length && !failure && !(out && total > out.length); ) {
    const end = Math.min(bytes.length, at + (at === 0 ? FIRST_PIECE : PIECE))
    try {
      stream.push(bytes.subarray(at, end), end === bytes.length)
    } catch (error) {
      failure = error
    }
    at = end
    if (!out && total >= headBytes) start()
  }
  if (!out && !failure) start()
  if (!out || total < out.length) {
    const wanted = out ? ` after ${total} of ${out.length} bytes` : ''
    throw new InputError(
      `${name} is a truncated or damaged gzip file: decompression ended${wanted}; copy or download it again`,
      { cause: failure },
    )
  }
  if (!failure && members === 1 && total === out.length) checkTrailer(bytes, out, name)
  return out
}

function joined(pieces: readonly Uint8Array[], limit: number): Uint8Array {
  const head = new Uint8Array(
    Math.min(
      limit,
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    ),
  )
  let at = 0
  for (const piece of pieces) {
    head.set(piece.subarray(0, head.length - at), at)
    at += Math.min(piece.length, head.length - at)
  }
  return head
}

/** A zeroed buffer, or an InputError where the machine cannot give one. */
export function allocate(size: number, name: string): Uint8Array {
  try {
    return new Uint8Array(size)
  } catch (error) {
    throw new InputError(`${name} needs ${size} bytes of memory, more than this machine gives`, { cause: error })
  }
}

function checkTrailer(bytes: Uint8Array, out: Uint8Array, name: string): void {
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8, 8)
  if (trailer.getUint32(0, true) !== crc32(out) || trailer.getUint32(4, true) !== out.length % 2 ** 32) {
    throw new InputError(`${name} is a damaged gzip file: its checksum does not match; copy or download it again`)
  }
}

/** CRC-32 of RFC 1952 (polynomial 0xEDB88320, reflected), one table look-up a byte. */
export function crc32(bytes: Uint8Array): number {
  const table = new Int32Array(256).map((_, n) => {
    let c = n
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
    return c
  })
  let crc = -1
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 255]!
  return (crc ^ -1) >>> 0
}
