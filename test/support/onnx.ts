/**
 * Reads what the ONNX test vectors need of ModelProto and TensorProto (onnx.proto, protobuf wire format).
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

export interface OnnxTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Numbers of any type, widened. */
  readonly data: Float64Array
}

export type OnnxAttribute = number | string | readonly number[]

export interface OnnxNode {
  readonly type: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  /** Names of the graph's inputs that have no initializer. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

/** The fields of a message by number: a varint or fixed number, or the bytes of a string, message or packed list. */
type Fields = Map<number, (number | Uint8Array)[]>

function readFields(bytes: Uint8Array): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields: Fields = new Map()
  let at = 0
  const next = (): number => {
    const { value, end } = readVarint(bytes, at)
    at = end
    return value
  }
  while (at < bytes.length) {
    const key = next()
    const [field, wire] = [key >>> 3, key & 7]
    let value: number | Uint8Array
    if (wire === 0) value = next()
    else if (wire === 1) {
      value = view.getFloat64(at, true)
      at += 8
    } else if (wire === 5) {
      value = view.getFloat32(at, true)
      at += 4
    } else if (wire === 2) {
      const length = next()
      value = bytes.subarray(at, at + length)
      at += length
    } else throw new Error(`wire type ${wire} of field ${field} is not protobuf`)
    fields.set(field, [...(fields.get(field) ?? []), value])
  }
  return fields
}

/** Signed 64-bit integers, as far as a double holds them. */
function readVarint(bytes: Uint8Array, from: number): { value: number; end: number } {
  let value = 0n
  let end = from
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[end++]
    if (byte === undefined) throw new Error('a varint runs past the end of the file')
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return { value: Number(BigInt.asIntN(64, value)), end }
  }
}

const messages = (fields: Fields, field: number) => (fields.get(field) ?? []) as Uint8Array[]
const texts = (fields: Fields, field: number) => messages(fields, field).map((b) => new TextDecoder().decode(b))
const text = (fields: Fields, field: number) => texts(fields, field)[0] ?? ''

/** A repeated number, packed or not. */
function numbers(fields: Fields, field: number, packed: (bytes: Uint8Array) => number[]): number[] {
  return (fields.get(field) ?? []).flatMap((v) => (typeof v === 'number' ? [v] : packed(v)))
}

function integers(bytes: Uint8Array): number[] {
  const list: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const { value, end } = readVarint(bytes, at)
    list.push(value)
    at = end
  }
  return list
}

function wide<T>(bytes: Uint8Array, size: number, get: (view: DataView, at: number) => T): T[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / size }, (_, k) => get(view, k * size))
}

const float32s = (bytes: Uint8Array) => wide(bytes, 4, (v, at) => v.getFloat32(at, true))
const float64s = (bytes: Uint8Array) => wide(bytes, 8, (v, at) => v.getFloat64(at, true))
const int64s = (bytes: Uint8Array) => wide(bytes, 8, (v, at) => Number(v.getBigInt64(at, true)))

/** TensorProto.DataType -> how raw_data is read. */
const raw: Record<number, (bytes: Uint8Array) => number[]> = { 1: float32s, 7: int64s, 11: float64s }

/** A TensorProto: FLOAT, INT64 or DOUBLE. */
export function readOnnxTensor(bytes: Uint8Array): OnnxTensor {
  const fields = readFields(bytes)
  const type = fields.get(2)?.[0] as number
  const readRaw = raw[type]
  if (readRaw === undefined)
    throw new Error(`tensor ${text(fields, 8)}: data type ${type} is none of FLOAT, INT64, DOUBLE`)
  const list = [
    ...messages(fields, 9).flatMap(readRaw),
    ...numbers(fields, 4, float32s),
    ...numbers(fields, 7, integers),
    ...numbers(fields, 10, float64s),
  ]
  const shape = numbers(fields, 1, integers)
  const size = shape.reduce((a, b) => a * b, 1)
  if (list.length !== size) throw new Error(`tensor ${text(fields, 8)}: ${list.length} values for shape [${shape}]`)
  return { name: text(fields, 8), shape, data: Float64Array.from(list) }
}

function readAttribute(fields: Fields): OnnxAttribute {
  const type = fields.get(20)?.[0]
  if (type === 1) return (fields.get(2)?.[0] as number) ?? 0
  if (type === 2) return (fields.get(3)?.[0] as number) ?? 0
  if (type === 3) return text(fields, 4)
  if (type === 6) return numbers(fields, 7, float32s)
  if (type === 7) return numbers(fields, 8, integers)
  throw new Error(`attribute ${text(fields, 1)}: type ${type} is none of float, int, string and lists of numbers`)
}

function readNode(bytes: Uint8Array): OnnxNode {
  const fields = readFields(bytes)
  const attributes = messages(fields, 5).map(readFields)
  return {
    type: text(fields, 4),
    inputs: texts(fields, 1),
    outputs: texts(fields, 2),
    attributes: Object.fromEntries(attributes.map((a) => [text(a, 1), readAttribute(a)])),
  }
}

/** A ModelProto. */
export function readOnnxModel(bytes: Uint8Array): OnnxModel {
  const [graph] = messages(readFields(bytes), 7)
  if (graph === undefined) throw new Error('not an ONNX model: it has no graph')
  const fields = readFields(graph)
  const initializers = messages(fields, 5).map(readOnnxTensor)
  const named = new Set(initializers.map((t) => t.name))
  const names = (field: number) => messages(fields, field).map((info) => text(readFields(info), 1))
  return {
    nodes: messages(fields, 1).map(readNode),
    initializers,
    inputs: names(11).filter((name) => !named.has(name)),
    outputs: names(12),
  }
}
