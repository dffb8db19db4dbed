/** Reading the values of the benchmarks' options. */
import { InvalidArgumentError } from 'commander'
import type { Size } from './layers.ts'

/** Words separated by commas. */
export const list = (text: string): string[] => text.split(',').map((word) => word.trim())

/** Words of which each is known. */
export const someOf = (known: readonly string[]) => (text: string) => {
  const wrong = list(text).find((word) => !known.includes(word))
  if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is none of ${known.join(', ')}`)
  return list(text)
}

/** A whole number from 1 up. */
export function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a positive integer')
  return value
}

/** Three whole numbers joined by x. */
export function size(text: string): Size {
  const parts = text.split('x').map(positive)
  if (parts.length !== 3) throw new InvalidArgumentError('must be like 33x41x33')
  return parts as unknown as Size
}
