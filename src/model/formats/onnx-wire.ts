/**
 * The protobuf wire format, as far as ONNX uses it. Nothing is copied: messages, texts and packed lists stay views of the
 * file until they are asked for, and every declared length is checked against the bytes that are there.
 * https://protobuf.dev/programming-guides/encoding
 */
import { InputError } from '../../io/errors.ts'

/** One field of a message. */
export interface Field {
  readonly number: number
  /** 0 variable-length integer, 1 eight bytes, 2 length and bytes, 5 four bytes. */
  readonly wire: 0 | 1 | 2 | 5
  /** The integer of wire type 0, as int64 and rounded beyond 2^53; 0 for the others. */
  readonly value: number
  /** The bytes of the others; empty for wire type 0. */
  readonly bytes: Uint8Array
}

const NOTHING = new Uint8Array(0)
const WIRES = 'an integer, 8 bytes, a length with bytes, , , 4 bytes'.split(', ')

function damaged(message: string): never {
  throw new InputError(`the ONNX file is damaged: ${message}`)
}

/** A position in bytes that only moves forward. */
interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

/** A variable-length integer as int64. */
function varint(cursor: Cursor): number {
  let low = 0
  let high = 0
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = cursor.bytes[cursor.at++]
    if (byte === undefined) damaged('it ends within a number')
    const part = byte & 127
    if (shift < 28) low += part * 2 ** shift
    else high += part * 2 ** (shift - 28)
    if (byte < 128) {
      // 36 bits above the low 28; the 64th is the sign.
      const above = high % 2 ** 36
      return (above >= 2 ** 35 ? above - 2 ** 36 : above) * 2 ** 28 + low
    }
  }
  return damaged('a number is longer than ten bytes')
}

function take(cursor: Cursor, count: number): Uint8Array {
  const left = cursor.bytes.length - cursor.at
  if (count < 0 || count > left) damaged(`a field of ${count} bytes is announced where ${left} are left`)
  cursor.at += count
  return cursor.bytes.subarray(cursor.at - count, cursor.at)
}

/** The fields of a message, in file order. @throws InputError when the bytes are no message */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) {
    const key = varint(cursor)
    const number = Math.floor(key / 8)
    const wire = key & 7
    if (key < 8 || number >= 2 ** 29) damaged(`there is no field number ${number}`)
    if (wire === 0) yield { number, wire, value: varint(cursor), bytes: NOTHING }
    else if (wire === 1) yield { number, wire, value: 0, bytes: take(cursor, 8) }
    else if (wire === 2) yield { number, wire, value: 0, bytes: take(cursor, varint(cursor)) }
    else if (wire === 5) yield { number, wire, value: 0, bytes: take(cursor, 4) }
    else damaged(`field ${number} has the wire type ${wire}`)
  }
}

/** The field, which must be of this wire type. */
export function expectWire(field: Field, wire: Field['wire']): Field {
  if (field.wire !== wire) damaged(`field ${field.number} is ${WIRES[field.wire]} instead of ${WIRES[wire]}`)
  return field
}

const decoder = new TextDecoder()

export function textOf(field: Field): string {
  return decoder.decode(expectWire(field, 2).bytes)
}

/** How many integers a repeated field adds: one, or a packed list. */
export function countIntegers(field: Field): number {
  if (field.wire === 0) return 1
  const { bytes } = expectWire(field, 2)
  // Each ends with a byte below 128.
  let count = 0
  for (const byte of bytes) if (byte < 128) count++
  return count
}

/** Hands over the integers of a repeated field. */
export function eachInteger(field: Field, use: (value: number) => void): void {
  if (field.wire === 0) {
    use(field.value)
    return
  }
  const cursor = { bytes: expectWire(field, 2).bytes, at: 0 }
  while (cursor.at < cursor.bytes.length) use(varint(cursor))
}

/** A short list of integers. @throws InputError beyond `most` */
export function integersOf(field: Field, into: number[], most: number): void {
  if (into.length + countIntegers(field) > most) damaged(`field ${field.number} has more than ${most} numbers`)
  eachInteger(field, (value) => into.push(value))
}

/** How many floats of `size` bytes a repeated field adds. */
export function countFloats(field: Field, size: 4 | 8): number {
  if (field.wire !== 2) expectWire(field, size === 4 ? 5 : 1)
  if (field.bytes.length % size !== 0) damaged(`a list of ${8 * size}-bit floats has ${field.bytes.length} bytes`)
  return field.bytes.length / size
}

export function eachFloat(field: Field, size: 4 | 8, use: (value: number) => void): void {
  const { bytes } = field
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = countFloats(field, size)
  for (let k = 0; k < count; k++) use(size === 4 ? view.getFloat32(4 * k, true) : view.getFloat64(8 * k, true))
}
