/** Writes ONNX's protobuf messages. A message is a list of pieces, joined once at the end. */
import { product, type Sizes } from '../layer-rules.ts'

/** Bytes of a message, in pieces. */
export type Pieces = readonly Uint8Array[]

const encoder = new TextEncoder()

function varint(value: number): number[] {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}

export function join(pieces: Pieces): Uint8Array {
  const result = new Uint8Array(pieces.reduce((sum, p) => sum + p.length, 0))
  let at = 0
  for (const piece of pieces) {
    result.set(piece, at)
    at += piece.length
  }
  return result
}

/** A field that holds an integer. */
export function integer(field: number, value: number): Pieces {
  return [Uint8Array.from([...varint(field * 8), ...varint(value)])]
}

/** A field that holds a text, bytes or a message. */
export function block(field: number, content: string | Pieces): Pieces {
  const pieces = typeof content === 'string' ? [encoder.encode(content)] : content
  const length = pieces.reduce((sum, p) => sum + p.length, 0)
  return [Uint8Array.from([...varint(field * 8 + 2), ...varint(length)]), ...pieces]
}

function float(field: number, value: number): Pieces {
  const bytes = new Uint8Array(5)
  bytes[0] = field * 8 + 5
  new DataView(bytes.buffer).setFloat32(1, value, true)
  return [bytes]
}

/** The numbers as little-endian bytes. */
function littleEndian(data: Float32Array | BigInt64Array): Uint8Array {
  const bytes = new Uint8Array(data.byteLength)
  const view = new DataView(bytes.buffer)
  for (let k = 0; k < data.length; k++) {
    if (data instanceof Float32Array) view.setFloat32(4 * k, data[k]!, true)
    else view.setBigInt64(8 * k, data[k]!, true)
  }
  return bytes
}

/** A TensorProto of floats, or of 64-bit integers where `data` are bigints. */
export function tensorProto(name: string, shape: Sizes, data: Float32Array | BigInt64Array): Pieces {
  if (data.length !== product(shape)) throw new RangeError(`${data.length} values for the shape [${shape}]`)
  return [
    ...shape.flatMap((n) => integer(1, n)),
    ...integer(2, data instanceof Float32Array ? 1 : 7),
    ...block(8, name),
    ...block(9, [littleEndian(data)]),
  ]
}

/** A float attribute as {float}, others as they are: integers, lists of integers, texts. */
export type AttributeValue = number | readonly number[] | string | { readonly float: number }

function attributeProto(name: string, value: AttributeValue): Pieces {
  const head = block(1, name)
  if (typeof value === 'number') return [...head, ...integer(3, value), ...integer(20, 2)]
  if (typeof value === 'string') return [...head, ...block(4, value), ...integer(20, 3)]
  if ('float' in value) return [...head, ...float(2, value.float), ...integer(20, 1)]
  return [...head, ...value.flatMap((v) => integer(8, v)), ...integer(20, 7)]
}

export function nodeProto(
  operator: string,
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>>,
): Pieces {
  return [
    ...inputs.flatMap((i) => block(1, i)),
    ...outputs.flatMap((o) => block(2, o)),
    ...block(3, name),
    ...block(4, operator),
    ...Object.entries(attributes).flatMap(([key, value]) => block(5, attributeProto(key, value))),
  ]
}

/** A ValueInfoProto of floats; a size that is a text is open and has this name. */
export function valueInfoProto(name: string, shape: readonly (number | string)[]): Pieces {
  const dimensions = shape.flatMap((n) => block(1, typeof n === 'number' ? integer(1, n) : block(2, n)))
  const tensor = [...integer(1, 1), ...block(2, dimensions)]
  return [...block(1, name), ...block(2, block(1, tensor))]
}
