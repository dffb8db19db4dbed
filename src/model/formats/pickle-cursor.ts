/** The parts that pickles are made of: numbers, texts and bytes, each checked against the bytes there are. */
import { InputError } from '../../io/errors.ts'

export interface PickleCursor {
  position(): number
  protocol(): void
  frame(): void
  /** Unsigned, little-endian, of 1, 2, 4 or 8 bytes. */
  uint(width: number): number
  int32(): number
  /** Two's complement, little-endian; a bigint where a number cannot hold it. */
  long(width: number): number | bigint
  /** Big-endian, unlike all others. */
  float64(): number
  bytes(length: number): Uint8Array
  latin(length: number): string
  utf8(length: number): string
  /** Up to the end of the line. */
  line(): string
  integerLine(): number | bigint | boolean
  floatLine(): number
  quotedLine(): string
}

/** PyTorch's magic number has 10 bytes. */
const LONGEST_INTEGER = 64
const LONGEST_LINE = 4096
/** Texts of a checkpoint are names. */
const LONGEST_TEXT = 2 ** 20

/** @throws InputError (by each reader) when the bytes end before the value does */
export function makeCursor(bytes: Uint8Array, start: number): PickleCursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = start
  const take = (length: number): number => {
    if (length > bytes.length - at) {
      throw new InputError(
        `the pickle is truncated or damaged: byte ${at} starts a value of ${length} bytes, past its end`,
      )
    }
    at += length
    return at - length
  }
  const line = (): string => {
    const end = bytes.subarray(at, at + LONGEST_LINE).indexOf(10)
    if (end < 0) throw new InputError(`the pickle is truncated or damaged: the line at byte ${at} has no end`)
    const from = take(end + 1)
    return decode(bytes.subarray(from, from + end))
  }
  const uint = (width: number): number => {
    const from = take(width)
    if (width === 1) return bytes[from]!
    if (width === 2) return view.getUint16(from, true)
    return width === 4 ? view.getUint32(from, true) : Number(view.getBigUint64(from, true))
  }
  const text = (length: number): Uint8Array => {
    if (length > LONGEST_TEXT && length <= bytes.length - at) {
      throw new InputError(`the pickle has a text of ${length} bytes; that is no checkpoint`)
    }
    return slice(length)
  }
  const slice = (length: number): Uint8Array => {
    const from = take(length)
    return bytes.subarray(from, from + length)
  }
  return {
    position: () => at,
    protocol() {
      const version = uint(1)
      if (version > 5) throw new InputError(`pickle protocol ${version} is not known; 0 to 5 are`)
    },
    frame() {
      const length = uint(8)
      at = take(length)
    },
    uint,
    int32: () => view.getInt32(take(4), true),
    long(width) {
      if (width > LONGEST_INTEGER) throw new InputError(`the pickle is damaged: it has an integer of ${width} bytes`)
      const from = take(width)
      let value = 0n
      for (let k = width - 1; k >= 0; k--) value = value * 256n + BigInt(bytes[from + k]!)
      return narrow(width > 0 ? BigInt.asIntN(8 * width, value) : 0n)
    },
    float64: () => view.getFloat64(take(8), false),
    bytes: slice,
    latin: (length) => Array.from(text(length), (byte) => String.fromCharCode(byte)).join(''),
    utf8: (length) => decode(text(length)),
    line,
    integerLine() {
      const text = line()
      // Protocol 0 writes booleans so.
      if (text === '00' || text === '01') return text === '01'
      if (!/^-?\d{1,150}L?$/.test(text)) throw new InputError('the pickle is damaged: a line should hold an integer')
      return narrow(BigInt(text.replace('L', '')))
    },
    floatLine() {
      const value = Number(line())
      if (Number.isNaN(value)) throw new InputError('the pickle is damaged: a line should hold a number')
      return value
    },
    quotedLine: () => line().replace(/^(['"])(.*)\1$/, '$2'),
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
