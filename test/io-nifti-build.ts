/**
 * NIfTI files made by hand, field by field from nifti1.h and nifti2.h, independent of the code under test.
 */

export interface Recipe {
  version?: 1 | 2
  littleEndian?: boolean
  /** dim[1..]; default 2 x 2 x 2. */
  dims?: number[]
  /** NIfTI datatype code; default 16 (float32). */
  datatype?: number
  /** Stored values, in file order; bigint for 64-bit integers. */
  values?: (number | bigint)[]
  slope?: number
  intercept?: number
  sform?: { code: number; rows: number[] }
  /** b, c, d, then the offsets x, y, z. */
  qform?: { code: number; quaternion: number[] }
  /** pixdim[0..3]. */
  pixdim?: number[]
  units?: number
  /** vox_offset as stored; where it is beyond the header's end, the gap is filled with 0xAA. */
  offset?: number
  description?: string
}

/** DataView setter and width in bytes of each datatype code. */
export const WRITERS: Record<
  number,
  { bytes: number; put: (v: DataView, at: number, x: number | bigint, le: boolean) => void }
> = {
  2: { bytes: 1, put: (v, at, x) => v.setUint8(at, Number(x)) },
  4: { bytes: 2, put: (v, at, x, le) => v.setInt16(at, Number(x), le) },
  8: { bytes: 4, put: (v, at, x, le) => v.setInt32(at, Number(x), le) },
  16: { bytes: 4, put: (v, at, x, le) => v.setFloat32(at, Number(x), le) },
  64: { bytes: 8, put: (v, at, x, le) => v.setFloat64(at, Number(x), le) },
  256: { bytes: 1, put: (v, at, x) => v.setInt8(at, Number(x)) },
  512: { bytes: 2, put: (v, at, x, le) => v.setUint16(at, Number(x), le) },
  768: { bytes: 4, put: (v, at, x, le) => v.setUint32(at, Number(x), le) },
  1024: { bytes: 8, put: (v, at, x, le) => v.setBigInt64(at, BigInt(x), le) },
  1280: { bytes: 8, put: (v, at, x, le) => v.setBigUint64(at, BigInt(x), le) },
}

/** The bytes of a .nii file. */
export function buildNifti(recipe: Recipe = {}): Uint8Array {
  const { version = 1, littleEndian: le = true, dims = [2, 2, 2], datatype = 16 } = recipe
  const values = recipe.values ?? Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, n) => n)
  const writer = WRITERS[datatype] ?? WRITERS[16]!
  const header = version === 1 ? 352 : 544
  const stored = recipe.offset ?? header
  const start = Math.max(stored, header)
  const bytes = new Uint8Array(start + values.length * writer.bytes).fill(0xaa, header, start)
  const view = new DataView(bytes.buffer)
  const pixdim = recipe.pixdim ?? [1, 1, 1, 1]
  const q = recipe.qform ?? { code: 0, quaternion: [0, 0, 0, 0, 0, 0] }
  const s = recipe.sform ?? { code: 0, rows: new Array(12).fill(0) }
  const [slope, intercept, units] = [recipe.slope ?? 0, recipe.intercept ?? 0, recipe.units ?? 2]
  const text = new TextEncoder().encode(recipe.description ?? '')
  const dim = [dims.length, ...dims]
  if (version === 1) {
    view.setInt32(0, 348, le)
    dim.forEach((n, d) => {
      view.setInt16(40 + 2 * d, n, le)
    })
    view.setInt16(70, datatype, le)
    view.setInt16(72, 8 * writer.bytes, le)
    pixdim.forEach((x, d) => {
      view.setFloat32(76 + 4 * d, x, le)
    })
    ;[stored, slope, intercept].forEach((x, n) => {
      view.setFloat32(108 + 4 * n, x, le)
    })
    view.setUint8(123, units)
    bytes.set(text, 148)
    view.setInt16(252, q.code, le)
    view.setInt16(254, s.code, le)
    ;[...q.quaternion, ...s.rows].forEach((x, n) => {
      view.setFloat32(256 + 4 * n, x, le)
    })
    bytes.set([0x6e, 0x2b, 0x31, 0], 344)
  } else {
    view.setInt32(0, 540, le)
    bytes.set([0x6e, 0x2b, 0x32, 0, 0x0d, 0x0a, 0x1a, 0x0a], 4)
    view.setInt16(12, datatype, le)
    view.setInt16(14, 8 * writer.bytes, le)
    dim.forEach((n, d) => {
      view.setBigInt64(16 + 8 * d, BigInt(n), le)
    })
    pixdim.forEach((x, d) => {
      view.setFloat64(104 + 8 * d, x, le)
    })
    view.setBigInt64(168, BigInt(stored), le)
    view.setFloat64(176, slope, le)
    view.setFloat64(184, intercept, le)
    bytes.set(text, 240)
    view.setInt32(344, q.code, le)
    view.setInt32(348, s.code, le)
    ;[...q.quaternion, ...s.rows].forEach((x, n) => {
      view.setFloat64(352 + 8 * n, x, le)
    })
    view.setInt32(500, units, le)
  }
  values.forEach((x, n) => {
    writer.put(view, start + n * writer.bytes, x, le)
  })
  return bytes
}
