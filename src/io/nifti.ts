/**
 * NIfTI volumes: bytes in, a Volume out, and back.
 */

import { InputError } from './errors.ts'
import { gunzipNeeded, isGzip, MAX_DEFLATE_RATIO } from './gunzip.ts'
import { HEADER_BYTES, type NiftiInfo, parseHeader } from './nifti-header.ts'
import { decodeVoxels } from './nifti-voxels.ts'
import type { Volume } from './volume.ts'

export type { NiftiInfo } from './nifti-header.ts'
export { type WriteOptions, writeVolume } from './nifti-write.ts'

/** A volume from a file; `nifti` is what the file said about itself, and is used again when the volume is written. */
export type NiftiVolume = Volume & { readonly nifti: NiftiInfo }

export interface ReadOptions {
  /** What to call the file in error messages. Default 'this file'. */
  name?: string
  /** Largest voxel data accepted, in bytes as stored. Default 2 GiB. */
  maxBytes?: number
}

/**
 * Reads one volume: NIfTI-1 or NIfTI-2, plain or gzipped, every integer and real voxel type, either byte order, with
 * the file's scaling applied. Further dimensions must have length 1. World space comes from the sform, else the qform,
 * else the voxel sizes alone (first voxel at the origin), in mm. NaN and infinite voxels are kept (see countNonFinite).
 *
 * Nothing is allocated before the header is checked against the bytes that are there, and a gzip stream is decompressed
 * no further than the header needs.
 *
 * @param bytes a whole file; a view with an offset will do
 * @throws InputError saying in one sentence why the bytes are not a usable volume
 */
export function readVolume(bytes: ArrayBuffer | Uint8Array, options: ReadOptions = {}): NiftiVolume {
  const { name = 'this file', maxBytes = 2 ** 31 } = options
  // A plain Uint8Array in any case: slice() copies there, but not in Node's Buffer, which is a Uint8Array too.
  const file =
    bytes instanceof Uint8Array ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : new Uint8Array(bytes)
  if (file.length === 0) throw new InputError(`${name} is empty`)
  const gzip = isGzip(file)
  const available = gzip ? file.length * MAX_DEFLATE_RATIO : file.length
  const parse = (head: Uint8Array) => parseHeader(head, available, maxBytes, name)
  const end = (head: Uint8Array) => {
    const { offset, size } = parse(head)
    // Extensions lie before the voxels and have to be decompressed too.
    if (offset > maxBytes)
      throw new InputError(`${name} has a damaged header: its voxels would start at byte ${offset}`)
    return offset + size
  }
  const plain = gzip ? gunzipNeeded(file, HEADER_BYTES, end, name) : file
  const { info, shape, affine, type, offset, size } = parse(plain.subarray(0, HEADER_BYTES))
  const raw = plain.subarray(offset, offset + size)
  const data = decodeVoxels(raw, type, info.littleEndian, info.slope, info.intercept)
  return { shape, data, affine, nifti: info }
}

/** How many voxels are not a number, and how many are infinite. */
export function countNonFinite(volume: Volume): { nan: number; infinite: number } {
  let nan = 0
  let infinite = 0
  for (const value of volume.data) {
    if (Number.isNaN(value)) nan++
    else if (!Number.isFinite(value)) infinite++
  }
  return { nan, infinite }
}
