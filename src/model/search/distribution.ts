/** What a random search draws from, as JSON has it: a fixed value, or an object with the distribution's name. */
import { InputError } from '../../io/errors.ts'
import { listOf, numberWithin, type Reader, readObject, show } from '../formats/read-json.ts'

/**
 * - a value by itself: always that
 * - `{ "choice": [...] }`: one of some values, all equally likely
 * - `{ "randint": [low, high] }`: a whole number, both ends included
 * - `{ "uniform": [low, high] }`: a number between
 * - `{ "exponent": [low, high] }`: 10^-U(low, high), so that learning rates of all sizes are equally likely
 */
export type Distribution<V extends number | string = number> =
  | V
  | { readonly choice: readonly V[] }
  | (V extends number ? Range : never)

type Range =
  | { readonly randint: readonly [number, number] }
  | { readonly uniform: readonly [number, number] }
  | { readonly exponent: readonly [number, number] }

const KINDS = ['choice', 'randint', 'uniform', 'exponent']

/**
 * Reads a distribution whose values `allowed` accepts, all of them.
 * @throws (from the reader) InputError naming the field and the value that will not do
 */
export function distributionOf<V extends number | string>(allowed: Reader<V>): Reader<Distribution<V>> {
  return (value, what) => {
    if (typeof value !== 'object' || value === null) return allowed(value, what)
    const entries = Object.entries(readObject(value, what))
    const [[kind, range] = ['', undefined]] = entries
    if (entries.length !== 1 || !KINDS.includes(kind)) {
      throw new InputError(`${what} must be a value or an object with one of ${KINDS.join(', ')}, got ${show(value)}`)
    }
    if (kind === 'choice') {
      const some = listOf(allowed)(range, `${what}.choice`)
      if (some.length === 0) throw new InputError(`${what}.choice is empty; give at least one value`)
      return { choice: some }
    }
    const [low, high] = listOf(numberWithin(), 2)(range, `${what}.${kind}`) as [number, number]
    if (!(low <= high)) throw new InputError(`${what}.${kind} goes from ${low} to ${high}; put the smaller one first`)
    if (kind === 'randint' && !(Number.isInteger(low) && Number.isInteger(high))) {
      throw new InputError(`${what}.randint needs whole numbers, got ${show(range)}`)
    }
    for (const end of [low, high]) allowed(kind === 'exponent' ? 10 ** -end : end, `${what}.${kind}`)
    return { [kind]: [low, high] } as unknown as Distribution<V>
  }
}

/**
 * One value. Numbers that are not whole are rounded to four digits, so that what a log shows is what was used.
 * @param next uniform numbers in [0, 1)
 */
export function draw<V extends number | string>(from: Distribution<V>, next: () => number): V {
  if (typeof from !== 'object') return from
  if ('choice' in from) return from.choice[Math.floor(next() * from.choice.length)]!
  const range = from as Range
  if ('randint' in range) {
    const [low, high] = range.randint
    return (low + Math.floor(next() * (high - low + 1))) as V
  }
  const [low, high] = 'uniform' in range ? range.uniform : range.exponent
  const value = low + next() * (high - low)
  return Number(('uniform' in range ? value : 10 ** -value).toPrecision(4)) as V
}
