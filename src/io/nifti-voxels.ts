/**
 * Stored voxels -> float32 values: every real NIfTI type, either byte order, with scaling.
 */

import { InputError } from './errors.ts'

export interface VoxelType {
  readonly name: string
  /** Bytes a voxel. */
  readonly bytes: 1 | 2 | 4 | 8
  /** Views little-endian bytes as numbers. All platforms with WebGPU are little-endian, so typed arrays will do. */
  readonly view: (buffer: ArrayBuffer) => ArrayLike<number>
}

const TYPES: Record<number, VoxelType> = {
  2: { name: 'uint8', bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  4: { name: 'int16', bytes: 2, view: (buffer) => new Int16Array(buffer) },
  8: { name: 'int32', bytes: 4, view: (buffer) => new Int32Array(buffer) },
  16: { name: 'float32', bytes: 4, view: (buffer) => new Float32Array(buffer) },
  64: { name: 'float64', bytes: 8, view: (buffer) => new Float64Array(buffer) },
  256: { name: 'int8', bytes: 1, view: (buffer) => new Int8Array(buffer) },
  512: { name: 'uint16', bytes: 2, view: (buffer) => new Uint16Array(buffer) },
  768: { name: 'uint32', bytes: 4, view: (buffer) => new Uint32Array(buffer) },
  1024: { name: 'int64', bytes: 8, view: (buffer) => joinHalves(buffer, new Int32Array(buffer)) },
  1280: { name: 'uint64', bytes: 8, view: (buffer) => joinHalves(buffer, new Uint32Array(buffer)) },
}

const REFUSED: Record<number, string> = {
  1: 'single bits',
  32: 'complex64',
  128: 'RGB colours',
  1536: 'float128',
  1792: 'complex128',
  2048: 'complex256',
  2304: 'RGBA colours',
}

/** The type of a NIfTI datatype code. Throws InputError for codes that are not one real number a voxel. */
export function voxelType(code: number, name: string): VoxelType {
  const type = TYPES[code]
  if (type) return type
  const refused = REFUSED[code]
  throw new InputError(
    refused
      ? `${name} stores ${refused} (datatype ${code}); convert it to a type of one real number a voxel, such as float32`
      : `${name} has a damaged header: ${code} is not a NIfTI datatype`,
  )
}

/** 64-bit integers as the nearest doubles: one rounding, and many times faster than through BigInt. */
function joinHalves(buffer: ArrayBuffer, high: ArrayLike<number>): Float64Array {
  const low = new Uint32Array(buffer)
  const values = new Float64Array(low.length / 2)
  for (let n = 0; n < values.length; n++) values[n] = high[2 * n + 1]! * 2 ** 32 + low[2 * n]!
  return values
}

/**
 * Decodes voxels. Values beyond float32's range become infinite (see countNonFinite).
 *
 * @param raw exactly the voxels' bytes; not changed
 * @returns stored * slope + intercept, computed in double precision
 */
export function decodeVoxels(
  raw: Uint8Array,
  type: VoxelType,
  littleEndian: boolean,
  slope: number,
  intercept: number,
): Float32Array {
  const copy = raw.slice()
  if (!littleEndian) swapBytes(copy, type.bytes)
  const stored = type.view(copy.buffer as ArrayBuffer)
  const plain = slope === 1 && intercept === 0
  if (plain) return stored instanceof Float32Array ? stored : Float32Array.from(stored)
  const values = new Float32Array(stored.length)
  for (let n = 0; n < values.length; n++) values[n] = stored[n]! * slope + intercept
  return values
}

function swapBytes(bytes: Uint8Array, width: number): void {
  for (let start = 0; start < bytes.length; start += width) {
    for (let a = start, b = start + width - 1; a < b; a++, b--) {
      const byte = bytes[a]!
      bytes[a] = bytes[b]!
      bytes[b] = byte
    }
  }
}
