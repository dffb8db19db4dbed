/**
 * Readers of untrusted JSON values: each returns the value in its type or throws an InputError that says what it wanted.
 */
import { InputError } from '../../io/errors.ts'
import type { Margins, Triple } from '../layer.ts'

/** Reads a value; `what` names it in the error. `undefined` means it was absent. */
export type Reader<V> = (value: unknown, what: string) => V

/** A value as short text for error messages. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function fail(what: string, wanted: string, value: unknown): never {
  throw new InputError(`${what} must be ${wanted}, got ${value === undefined ? 'nothing' : show(value)}`)
}

/** A JSON object, not an array or null. */
export function readObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(what, 'an object', value)
  return value as Record<string, unknown>
}

/** A non-empty text of at most 200 characters. */
export function readName(value: unknown, what: string): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > 200) fail(what, 'a short text', value)
  return value
}

export function readBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') fail(what, 'true or false', value)
  return value
}

/** A finite number within [low, high]. */
export function numberWithin(low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Reader<number> {
  const wanted = low === Number.NEGATIVE_INFINITY ? 'a number' : `a number from ${low} to ${high}`
  return (value, what) => {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < low || value > high) fail(what, wanted, value)
    return value
  }
}

/** The largest dimension, channel count or kernel accepted; also keeps products exact. */
export const LARGEST = 2 ** 24

/** An integer within [low, LARGEST]. */
export function integerFrom(low: number): Reader<number> {
  return (value, what) => {
    if (!Number.isInteger(value) || (value as number) < low || (value as number) > LARGEST) {
      fail(what, `an integer from ${low} to ${LARGEST}`, value)
    }
    return value as number
  }
}

/** A list whose items are read one by one; of the given length if one is given. */
export function listOf<V>(item: Reader<V>, length?: number): Reader<V[]> {
  return (value, what) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
      fail(what, length === undefined ? 'a list' : `a list of ${length}`, value)
    }
    return value.map((v, k) => item(v, `${what}[${k}]`))
  }
}

/** Three integers (D, H, W); one integer stands for all three. */
export function tripleFrom(low: number): Reader<Triple> {
  const item = integerFrom(low)
  return (value, what) => {
    const list = typeof value === 'number' ? [value, value, value] : value
    return listOf(item, 3)(list, what) as unknown as Triple
  }
}

/** {front, back}; a number or three numbers stand for both sides. */
export const readMargins: Reader<Margins> = (value, what) => {
  const sides =
    typeof value === 'number' || Array.isArray(value) ? { front: value, back: value } : readObject(value, what)
  const side = tripleFrom(0)
  return { front: side(sides.front, `${what}.front`), back: side(sides.back, `${what}.back`) }
}

/** One of a few words. */
export function oneOf<const W extends string>(...words: W[]): Reader<W> {
  return (value, what) => {
    if (!words.includes(value as W)) fail(what, words.map((w) => `"${w}"`).join(' or '), value)
    return value as W
  }
}

/** The default where the value is absent. */
export function optional<V>(reader: Reader<V>, otherwise: V): Reader<V> {
  return (value, what) => (value === undefined ? otherwise : reader(value, what))
}
