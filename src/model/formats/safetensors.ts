/**
 * The safetensors format: eight bytes of header length, a JSON header, then the arrays' bytes without gaps.
 * https://github.com/huggingface/safetensors. Everything is read as float32.
 */
import { InputError } from '../../io/errors.ts'
import type { Weight } from '../description.ts'
import { listOf, numberWithin, readObject, show } from './read-json.ts'

export interface Safetensors {
  readonly tensors: Map<string, Weight>
  /** The header's `__metadata__`. */
  readonly metadata: Record<string, string>
}

/** The format's own limit. */
const LARGEST_HEADER = 100_000_000

export type Decode = (view: DataView, at: number) => number

/** Bytes an element, and how one is read. */
export const TYPES: Readonly<Record<string, readonly [number, Decode]>> = {
  F64: [8, (v, at) => v.getFloat64(at, true)],
  F32: [4, (v, at) => v.getFloat32(at, true)],
  F16: [2, (v, at) => halfToNumber(v.getUint16(at, true))],
  BF16: [2, (v, at) => bfloatToNumber(v.getUint16(at, true))],
  I64: [8, (v, at) => Number(v.getBigInt64(at, true))],
  U64: [8, (v, at) => Number(v.getBigUint64(at, true))],
  I32: [4, (v, at) => v.getInt32(at, true)],
  U32: [4, (v, at) => v.getUint32(at, true)],
  I16: [2, (v, at) => v.getInt16(at, true)],
  U16: [2, (v, at) => v.getUint16(at, true)],
  I8: [1, (v, at) => v.getInt8(at)],
  U8: [1, (v, at) => v.getUint8(at)],
  BOOL: [1, (v, at) => v.getUint8(at)],
}

/** IEEE 754 binary16. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

const scratch = new DataView(new ArrayBuffer(4))

/** bfloat16 is the upper half of a float32. */
export function bfloatToNumber(bits: number): number {
  scratch.setUint32(0, bits * 65536)
  return scratch.getFloat32(0)
}

/** True when the bytes can only be safetensors: a plausible header length followed by a JSON object. */
export function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length >= 10 && bytes.subarray(4, 8).every((b) => b === 0) && bytes[8] === 0x7b
}

interface Entry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

function readEntry(name: string, value: unknown): Entry {
  const what = `safetensors: "${name}"`
  const json = readObject(value, what)
  const dtype = json.dtype
  if (typeof dtype !== 'string' || !Object.hasOwn(TYPES, dtype)) {
    throw new InputError(`${what} has the element type ${show(dtype)}; supported: ${Object.keys(TYPES).join(', ')}`)
  }
  const size = numberWithin(0, Number.MAX_SAFE_INTEGER)
  const shape = listOf(size)(json.shape, `${what} shape`)
  const [begin, end] = listOf(size, 2)(json.data_offsets, `${what} data_offsets`) as [number, number]
  const bytes = shape.reduce((a, b) => a * b, TYPES[dtype]![0])
  if (![...shape, begin, end].every(Number.isInteger) || end - begin !== bytes) {
    throw new InputError(`${what}: ${dtype} [${shape}] takes ${bytes} bytes, but its range is ${begin} to ${end}`)
  }
  return { name, dtype, shape, begin, end }
}

interface Header {
  readonly metadata: Record<string, string>
  /** Entries by array name, unchecked. */
  readonly arrays: Readonly<Record<string, unknown>>
  /** Where the arrays' bytes begin. */
  readonly data: number
}

function readHeader(bytes: Uint8Array): Header {
  if (bytes.length < 8) throw new InputError(`not a safetensors file: it has only ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const length = Number(view.getBigUint64(0, true))
  if (length > LARGEST_HEADER || length > bytes.length - 8) {
    throw new InputError(
      `safetensors: the header claims ${length} bytes, but the file has ${bytes.length}; it is damaged or truncated`,
    )
  }
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)))
  } catch (error) {
    throw new InputError(`safetensors: the header is not JSON (${(error as Error).message})`)
  }
  const { __metadata__: meta, ...arrays } = readObject(json, 'safetensors header')
  const metadata = meta === undefined ? {} : readObject(meta, 'safetensors __metadata__')
  const wrong = Object.keys(metadata).find((key) => typeof metadata[key] !== 'string')
  if (wrong) throw new InputError(`safetensors: __metadata__ "${wrong}" must be a text`)
  return { metadata: metadata as Record<string, string>, arrays, data: 8 + length }
}

/** The header's `__metadata__` alone. @throws InputError when the header is damaged or too large */
export function safetensorsMetadata(bytes: Uint8Array): Record<string, string> {
  return readHeader(bytes).metadata
}

/**
 * Reads a whole safetensors file.
 * @throws InputError when the header is damaged or too large, or when ranges overlap, leave gaps or leave the file
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const { metadata, arrays, data } = readHeader(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const entries = Object.entries(arrays).map(([name, value]) => readEntry(name, value))
  let expected = 0
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== expected) {
      throw new InputError(
        `safetensors: "${name}" starts at byte ${begin} where ${expected} was expected: ranges overlap or leave a gap`,
      )
    }
    expected = end
  }
  if (expected !== bytes.length - data) {
    throw new InputError(
      `safetensors: the arrays take ${expected} bytes, but ${bytes.length - data} follow the header; the file is truncated or damaged`,
    )
  }
  const tensors = new Map<string, Weight>()
  for (const { name, dtype, shape, begin, end } of entries) {
    const [width, decode] = TYPES[dtype]!
    const values = new Float32Array((end - begin) / width)
    for (let k = 0; k < values.length; k++) values[k] = decode(view, data + begin + k * width)
    tensors.set(name, { shape, data: values })
  }
  return { tensors, metadata }
}

/**
 * A safetensors file of float32 arrays, in the order given. Equal content gives equal bytes.
 * @throws InputError when an array's length and shape differ
 */
export function writeSafetensors({
  tensors,
  metadata,
}: {
  tensors: ReadonlyMap<string, Weight>
  metadata: Record<string, string>
}): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata }
  let at = 0
  for (const [name, { shape, data }] of tensors) {
    if (shape.reduce((a, b) => a * b, 1) !== data.length) {
      throw new InputError(`"${name}" has ${data.length} values, which do not fill [${shape}]`)
    }
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + 4 * data.length] }
    at += 4 * data.length
  }
  const json = JSON.stringify(header)
  const encoded = new TextEncoder().encode(json)
  // Spaces up to a multiple of eight, so that the arrays are aligned.
  const length = Math.ceil(encoded.length / 8) * 8
  const file = new Uint8Array(8 + length + at)
  const view = new DataView(file.buffer)
  view.setBigUint64(0, BigInt(length), true)
  file.fill(0x20, 8, 8 + length)
  file.set(encoded, 8)
  let offset = 8 + length
  for (const { data } of tensors.values()) {
    for (const value of data) {
      view.setFloat32(offset, value, true)
      offset += 4
    }
  }
  return file
}
