/**
 * The NIfTI-1 and NIfTI-2 header: what a volume needs from it, checked before anything is allocated.
 *
 * Fields come from nifti-reader-js, which is given exactly the header's bytes and nothing else: beyond them it follows
 * header extensions without a bound (a negative size loops for ever). Four things it gets wrong are read here instead:
 * 64-bit dimensions (big-endian and negative values), NIfTI-2 qforms (ignored), the sform where the qform's code is
 * higher (overwritten), and the quaternion (NaN when rounding makes its length exceed one; any qfac taken as a scale).
 */

import { NIFTI1, NIFTI2 } from 'nifti-reader-js'
import { isUsableAffine } from './affine.ts'
import { InputError } from './errors.ts'
import { type VoxelType, voxelType } from './nifti-voxels.ts'
import type { Affine } from './volume.ts'

/** What a file said about itself besides shape, values and affine; travels with the volume so that a copy can say it too. */
export interface NiftiInfo {
  readonly version: 1 | 2
  readonly littleEndian: boolean
  /** Stored voxel type, for example 'int16'. */
  readonly datatype: string
  /** Value = stored * slope + intercept; 1 and 0 where the file asks for no scaling. */
  readonly slope: number
  readonly intercept: number
  /** Meaning of the world space: 0 unknown, 1 scanner, 2 aligned, 3 Talairach, 4 MNI152. */
  readonly sformCode: number
  readonly qformCode: number
  readonly description: string
}

export interface NiftiHeader {
  readonly info: NiftiInfo
  readonly shape: [number, number, number]
  readonly affine: Affine
  readonly type: VoxelType
  /** Byte offset of the first voxel from the start of the (decompressed) file. */
  readonly offset: number
  /** Bytes of all voxels. */
  readonly size: number
}

/** Bytes enough for either header. */
export const HEADER_BYTES = 540

/**
 * Reads and checks a header.
 *
 * @param head the first HEADER_BYTES bytes of the decompressed file, or all of it where it is shorter
 * @param available upper bound on the decompressed file's length in bytes
 * @param maxBytes largest voxel data accepted, in bytes
 * @param name what to call the file in error messages
 * @throws InputError for anything that is not one usable 3D volume
 */
export function parseHeader(head: Uint8Array, available: number, maxBytes: number, name: string): NiftiHeader {
  const { version, littleEndian } = identify(head, name)
  const headerSize = version === 1 ? 348 : 540
  const own = head.slice(0, headerSize).buffer as ArrayBuffer
  const view = new DataView(own)
  const fields = version === 1 ? new NIFTI1() : new NIFTI2()
  fields.readHeader(own)

  const dims = Array.from({ length: 8 }, (_, d) =>
    version === 1 ? view.getInt16(40 + 2 * d, littleEndian) : Number(view.getBigInt64(16 + 8 * d, littleEndian)),
  )
  const shape = checkDims(dims, name)
  const type = voxelType(fields.datatypeCode, name)
  const voxOffset = version === 1 ? view.getFloat32(108, littleEndian) : Number(view.getBigInt64(168, littleEndian))
  // Four bytes after the header tell of extensions; some writers leave the offset 0 and mean "right after them".
  const offset = voxOffset === 0 ? headerSize + 4 : voxOffset
  if (!Number.isInteger(offset) || offset < headerSize + 4) {
    throw new InputError(`${name} has a damaged header: its voxels would start at byte ${offset} (vox_offset)`)
  }
  const size = shape[0] * shape[1] * shape[2] * type.bytes
  const declared = `${shape.join(' x ')} voxels of ${type.name}`
  if (offset + size > available) {
    throw new InputError(
      `${name} is truncated or its header is damaged: it declares ${declared} (${size} bytes from byte ${offset}), ` +
        `but holds no more than ${Math.max(0, available - offset)} bytes there`,
    )
  }
  if (size > maxBytes) {
    throw new InputError(`${name} declares ${declared}, ${size} bytes: more than the limit of ${maxBytes} (maxBytes)`)
  }

  const stored = { slope: fields.scl_slope, intercept: fields.scl_inter }
  const scaled = Number.isFinite(stored.slope) && stored.slope !== 0
  if (scaled && !Number.isFinite(stored.intercept)) {
    throw new InputError(`${name} has a damaged header: its scaling intercept is ${stored.intercept}`)
  }
  const info: NiftiInfo = {
    version,
    littleEndian,
    datatype: type.name,
    slope: scaled ? stored.slope : 1,
    intercept: scaled ? stored.intercept : 0,
    sformCode: fields.sform_code,
    qformCode: fields.qform_code,
    description: fields.description,
  }
  return { info, shape, affine: readAffine(view, info, fields.pixDims, fields.xyzt_units, name), type, offset, size }
}

function identify(head: Uint8Array, name: string): { version: 1 | 2; littleEndian: boolean } {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const sizeIs = (size: number, littleEndian: boolean) => head.length >= 4 && view.getInt32(0, littleEndian) === size
  const version = sizeIs(348, true) || sizeIs(348, false) ? 1 : sizeIs(540, true) || sizeIs(540, false) ? 2 : undefined
  if (version === undefined) throw new InputError(`${name} is not a NIfTI file: it does not begin with a NIfTI header`)
  const headerSize = version === 1 ? 348 : 540
  if (head.length < headerSize) {
    throw new InputError(`${name} is truncated: ${head.length} bytes, less than the ${headerSize} of a NIfTI header`)
  }
  const at = version === 1 ? 344 : 4
  const magic = String.fromCharCode(...head.subarray(at, at + 4))
  if (magic === `ni${version}\0`) {
    throw new InputError(`${name} is the .hdr half of a .hdr/.img pair; convert the pair to one .nii or .nii.gz file`)
  }
  if (magic !== `n+${version}\0`) {
    throw new InputError(
      version === 1
        ? `${name} is not a NIfTI file: its header has no NIfTI mark (perhaps Analyze 7.5); convert it to .nii`
        : `${name} is not a NIfTI file: its header has no NIfTI-2 mark`,
    )
  }
  return { version, littleEndian: sizeIs(headerSize, true) }
}

function checkDims(dims: readonly number[], name: string): [number, number, number] {
  const rank = dims[0]!
  if (rank < 1 || rank > 7) {
    throw new InputError(`${name} has a damaged header: ${rank} dimensions, where NIfTI allows 1 to 7`)
  }
  const used = dims.slice(1, rank + 1)
  if (rank < 3) {
    throw new InputError(`${name} is not a volume: it has ${rank} ${rank === 1 ? 'dimension' : 'dimensions'}, need 3`)
  }
  // Beyond the third axis a 0 is written by some tools where 1 is meant, and the reference library reads it so.
  const [nx, ny, nz, ...further] = used.map((n, axis) => (axis > 2 && n === 0 ? 1 : n)) as [number, number, number]
  if ([nx, ny, nz, ...further].some((n) => n < 1)) {
    throw new InputError(`${name} has a damaged header: dimensions ${used.join(' x ')}, all must be at least 1`)
  }
  const frames = (further as number[]).reduce((product, n) => product * n, 1)
  if (frames > 1) {
    throw new InputError(
      `${name} holds ${frames} volumes (${used.join(' x ')}), one is needed; extract a frame first (for example fslroi)`,
    )
  }
  return [nx, ny, nz]
}

/**
 * Voxel -> mm, chosen as nifti1.h recommends but with the sform first: METHOD 3 (sform), 2 (qform), 1 (voxel sizes).
 * Metres and micrometres are converted to mm.
 */
function readAffine(view: DataView, info: NiftiInfo, pixdim: number[], units: number, name: string): Affine {
  const { version, littleEndian, sformCode, qformCode } = info
  // [quatern_b, c, d, qoffset_x, y, z, srow_x[4], srow_y[4], srow_z[4]] lie side by side in both versions.
  const placed = Array.from({ length: 18 }, (_, n) =>
    version === 1 ? view.getFloat32(256 + 4 * n, littleEndian) : view.getFloat64(352 + 8 * n, littleEndian),
  )
  // Zero, negative and non-finite voxel sizes are repaired as the reference library does.
  const sizes = [1, 2, 3].map((d) => {
    const length = Math.abs(pixdim[d]!)
    return Number.isFinite(length) && length > 0 ? length : 1
  })
  const [dx, dy, dz] = sizes as [number, number, number]
  let source = 'voxel sizes'
  let rows = [dx, 0, 0, 0, 0, dy, 0, 0, 0, 0, dz, 0]
  if (sformCode > 0) {
    source = 'sform'
    rows = placed.slice(6)
  } else if (qformCode > 0) {
    source = 'qform'
    rows = quaternionRows(placed, [dx, dy, dz], pixdim[0]! < 0 ? -1 : 1)
  }
  const mm = { 1: 1000, 3: 0.001 }[units & 7] ?? 1
  const affine = [...rows.map((value) => value * mm), 0, 0, 0, 1]
  if (!isUsableAffine(affine)) {
    throw new InputError(
      `${name} has a damaged header: its ${source} [${rows.join(', ')}] does not place voxels in space; ` +
        'repair it (for example with nifti_tool or nibabel)',
    )
  }
  return affine
}

/** METHOD 2 of nifti1.h: rotation from the unit quaternion (a, b, c, d) with a >= 0, times voxel sizes; qfac flips k. */
function quaternionRows(q: readonly number[], [dx, dy, dz]: [number, number, number], qfac: number): number[] {
  let [b, c, d] = q as [number, number, number]
  const square = b * b + c * c + d * d
  let a = 0
  // Rounding can leave a tiny or negative remainder for a^2: then it is a half turn, and (b, c, d) the unit axis.
  if (1 - square < 1e-7) {
    // Much longer than one is damage, not rounding: NaN makes the caller refuse the affine.
    const scale = square < 1.01 ? 1 / Math.sqrt(square) : Number.NaN
    b *= scale
    c *= scale
    d *= scale
  } else {
    a = Math.sqrt(1 - square)
  }
  const z = qfac * dz
  return [
    [(a * a + b * b - c * c - d * d) * dx, 2 * (b * c - a * d) * dy, 2 * (b * d + a * c) * z, q[3]!],
    [2 * (b * c + a * d) * dx, (a * a + c * c - b * b - d * d) * dy, 2 * (c * d - a * b) * z, q[4]!],
    [2 * (b * d - a * c) * dx, 2 * (c * d + a * b) * dy, (a * a + d * d - c * c - b * b) * z, q[5]!],
  ].flat()
}
