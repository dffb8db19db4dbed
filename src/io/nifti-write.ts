/**
 * Volume -> NIfTI bytes: float32, little-endian, the volume's own grid.
 */

import { gzipSync } from 'fflate'
import { affineDeterminant, isUsableAffine } from './affine.ts'
import { InputError } from './errors.ts'
import type { NiftiInfo } from './nifti-header.ts'
import { type Affine, type Volume, voxelSize } from './volume.ts'

export interface WriteOptions {
  /** Compress (for a .nii.gz name). Default false. Equal volumes give equal bytes: the time stamp is left 0. */
  gzip?: boolean
  /** Up to 79 ASCII characters for the header's description; others become '?'. Default 'voxplain'. */
  description?: string
}

/** NIfTI-1 stores dimensions as int16. */
const MAX_NIFTI1_DIM = 32767

/**
 * A single-file NIfTI: NIfTI-1, or NIfTI-2 where a dimension exceeds 32767.
 *
 * The sform holds the affine (float32 in NIfTI-1, float64 in NIfTI-2) under the code of the file the volume was read
 * from, else 2 (aligned to something: claims neither scanner nor template space); 0 where that file had no code and the
 * volume still lies where its voxel sizes alone put it. A qform with the same code is added
 * when the affine is a rotation, possibly with a flip, times voxel sizes. The display range is that of the finite values.
 *
 * @param volume shape [nx, ny, nz], i fastest; what readVolume returned, or a plain Volume
 * @throws InputError when shape, data and affine do not fit together
 */
export function writeVolume(volume: Volume & { nifti?: NiftiInfo }, options: WriteOptions = {}): Uint8Array {
  const { shape, data, affine, nifti } = volume
  if (shape.length !== 3 || shape.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new InputError(
      `a volume of shape [${shape.join(', ')}] cannot be written: three positive integers are needed`,
    )
  }
  if (data.length !== shape[0] * shape[1] * shape[2]) {
    throw new InputError(`a volume of shape [${shape.join(', ')}] cannot be written: it has ${data.length} values`)
  }
  if (!isUsableAffine(affine)) {
    throw new InputError(`a volume cannot be written with the affine [${affine.join(', ')}]: not finite or singular`)
  }
  const code = [nifti?.sformCode ?? 0, nifti?.qformCode ?? 0].find((c) => c > 0) ?? (nifti && isBare(affine) ? 0 : 2)
  const write = shape.some((n) => n > MAX_NIFTI1_DIM) ? writeHeader2 : writeHeader1
  const header = write(volume, code, options.description ?? 'voxplain')
  const file = new Uint8Array(header.length + 4 * data.length)
  file.set(header)
  // All platforms with WebGPU are little-endian, so the array's own bytes are the file's.
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length)
  return options.gzip ? gzipSync(file, { mtime: 0, level: 6 }) : file
}

/**
 * Whether voxel sizes say all of an affine. Programs disagree on where such a file lies (nibabel and SPM flip and centre it),
 * so a copy that claimed our place for it would not lie over the original in them.
 */
function isBare(affine: Affine): boolean {
  return affine.slice(0, 12).every((value, n) => (n % 5 === 0 ? value > 0 : value === 0))
}

/** Header plus the four bytes that say "no extensions". Offsets: nifti1.h. */
function writeHeader1({ shape, data, affine }: Volume, code: number, description: string): Uint8Array {
  const bytes = new Uint8Array(352)
  const view = new DataView(bytes.buffer)
  const floats = (at: number, values: readonly number[]) =>
    values.forEach((value, n) => {
      view.setFloat32(at + 4 * n, value, true)
    })
  const q = quaternion(affine)
  view.setInt32(0, 348, true)
  bytes[38] = 114 // 'r', "regular": the value Analyze 7.5 readers expect
  ;[3, ...shape, 1, 1, 1, 1].forEach((n, d) => {
    view.setInt16(40 + 2 * d, n, true)
  })
  view.setInt16(70, 16, true) // datatype float32
  view.setInt16(72, 32, true) // bits a voxel
  floats(76, [q?.qfac ?? 1, ...voxelSize(affine), 1, 1, 1, 1])
  floats(108, [352, 1, 0]) // vox_offset, scl_slope, scl_inter
  bytes[123] = 2 // lengths in mm
  const range = finiteRange(data)
  floats(124, [range[1], range[0]]) // cal_max, cal_min
  writeText(bytes, 148, 80, description)
  view.setInt16(252, q ? code : 0, true)
  view.setInt16(254, code, true)
  floats(256, q ? [...q.bcd, affine[3]!, affine[7]!, affine[11]!] : [0, 0, 0, 0, 0, 0])
  floats(280, affine.slice(0, 12))
  writeText(bytes, 344, 4, 'n+1')
  return bytes
}

/** As writeHeader1, with the wider fields of nifti2.h. */
function writeHeader2({ shape, data, affine }: Volume, code: number, description: string): Uint8Array {
  const bytes = new Uint8Array(544)
  const view = new DataView(bytes.buffer)
  const doubles = (at: number, values: readonly number[]) =>
    values.forEach((value, n) => {
      view.setFloat64(at + 8 * n, value, true)
    })
  const q = quaternion(affine)
  view.setInt32(0, 540, true)
  bytes.set([0x6e, 0x2b, 0x32, 0, 0x0d, 0x0a, 0x1a, 0x0a], 4) // 'n+2', and line ends that text-mode transfer would damage
  view.setInt16(12, 16, true)
  view.setInt16(14, 32, true)
  ;[3, ...shape, 1, 1, 1, 1].forEach((n, d) => {
    view.setBigInt64(16 + 8 * d, BigInt(n), true)
  })
  doubles(104, [q?.qfac ?? 1, ...voxelSize(affine), 1, 1, 1, 1])
  view.setBigInt64(168, 544n, true)
  const range = finiteRange(data)
  doubles(176, [1, 0, range[1], range[0]]) // scl_slope, scl_inter, cal_max, cal_min
  writeText(bytes, 240, 80, description)
  view.setInt32(344, q ? code : 0, true)
  view.setInt32(348, code, true)
  doubles(352, q ? [...q.bcd, affine[3]!, affine[7]!, affine[11]!] : [0, 0, 0, 0, 0, 0])
  doubles(400, affine.slice(0, 12))
  view.setInt32(500, 2, true)
  return bytes
}

function writeText(bytes: Uint8Array, at: number, room: number, text: string): void {
  for (let n = 0; n < Math.min(text.length, room - 1); n++) {
    const code = text.charCodeAt(n)
    bytes[at + n] = code >= 32 && code < 127 ? code : 63
  }
}

/** [min, max] of the finite values; [0, 0], "no suggestion", where there is no range to show. */
function finiteRange(data: Float32Array): [number, number] {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const value of data) {
    if (!Number.isFinite(value)) continue
    if (value < min) min = value
    if (value > max) max = value
  }
  return min < max ? [min, max] : [0, 0]
}

/**
 * The unit quaternion (b, c, d; a >= 0 implied) of an affine without shear, and qfac (-1: the grid is left-handed, k is
 * flipped first). Undefined with shear. Formula: nifti1_io.c, nifti_mat44_to_quatern.
 */
function quaternion(affine: Affine): { bcd: [number, number, number]; qfac: number } | undefined {
  const size = voxelSize(affine)
  const qfac = affineDeterminant(affine) < 0 ? -1 : 1
  const r = [0, 1, 2].map((row) =>
    [0, 1, 2].map((column) => (affine[4 * row + column]! / size[column]!) * (column === 2 ? qfac : 1)),
  ) as [[number, number, number], [number, number, number], [number, number, number]]
  const dot = (a: 0 | 1 | 2, b: 0 | 1 | 2) => r[0][a] * r[0][b] + r[1][a] * r[1][b] + r[2][a] * r[2][b]
  if (Math.max(Math.abs(dot(0, 1)), Math.abs(dot(0, 2)), Math.abs(dot(1, 2))) > 1e-5) return undefined

  const trace = 1 + r[0][0] + r[1][1] + r[2][2]
  if (trace > 0.5) {
    const a = 0.5 * Math.sqrt(trace)
    const bcd = [r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]].map((v) => (0.25 * v) / a)
    return { bcd: bcd as [number, number, number], qfac }
  }
  // Near a half turn a is too small to divide by: take the largest of b, c, d from the diagonal instead.
  const diagonal = [
    1 + r[0][0] - (r[1][1] + r[2][2]),
    1 + r[1][1] - (r[0][0] + r[2][2]),
    1 + r[2][2] - (r[0][0] + r[1][1]),
  ]
  const p = diagonal.indexOf(Math.max(...diagonal)) as 0 | 1 | 2
  const [s, t] = [(p + 1) % 3, (p + 2) % 3] as [0 | 1 | 2, 0 | 1 | 2]
  const largest = 0.5 * Math.sqrt(diagonal[p]!)
  const bcd: [number, number, number] = [0, 0, 0]
  bcd[p] = largest
  bcd[s] = (0.25 * (r[p][s] + r[s][p])) / largest
  bcd[t] = (0.25 * (r[p][t] + r[t][p])) / largest
  const a = (0.25 * (r[t][s] - r[s][t])) / largest
  return { bcd: a < 0 ? [-bcd[0], -bcd[1], -bcd[2]] : bcd, qfac }
}
