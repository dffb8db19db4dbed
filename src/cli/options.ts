/** Reading the values of command-line options. A value that will not do ends the command before any work. */
import { InvalidArgumentError } from 'commander'

type Parser = (text: string) => number

/** A finite number within [low, high]. */
export function numberOption(low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Parser {
  return (text) => within(parse(text), low, high, 'a number')
}

/** A whole number within [low, high]. */
export function integerOption(low: number, high = Number.MAX_SAFE_INTEGER): Parser {
  return (text) => {
    const value = parse(text)
    return within(Number.isInteger(value) ? value : Number.NaN, low, high, 'a whole number')
  }
}

export const seedOption = integerOption(0, 0xffffffff)

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

/** An amount of memory in bytes: 800MB, 1.5GiB, or plain bytes. */
export function bytesOption(text: string): number {
  const [, amount, unit] = /^([\d.]+)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const bytes = Number(amount) * (UNITS[unit?.toLowerCase() ?? '?'] ?? Number.NaN)
  if (!(bytes > 0)) throw new InvalidArgumentError('Give an amount of memory such as 800MB or 1.5GiB.')
  return bytes
}

/** Different numbers within [low, high], separated by commas. */
export function numbersOption(low: number, high = Number.POSITIVE_INFINITY): (text: string) => number[] {
  const one = numberOption(low, high)
  return (text) => {
    const numbers = text.split(',').map(one)
    if (new Set(numbers).size < numbers.length) throw new InvalidArgumentError('Give each number once.')
    return numbers
  }
}

/** Names separated by commas. */
export function listOption(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.some((name) => name === '')) throw new InvalidArgumentError('Give names separated by commas.')
  return names
}

/** Whole numbers from 1 up, joined by x: 1x8x61x73x61. */
export function shapeOption(axes: number): (text: string) => number[] {
  return (text) => {
    const shape = sizes(text)
    if (shape.length === axes && shape.every((n) => n >= 1)) return shape
    throw new InvalidArgumentError(`Give ${axes} whole numbers from 1 up, joined by x.`)
  }
}

/** One whole number for all three axes, or one for each, joined by x. */
export function tripleOption(least: number): (text: string) => [number, number, number] {
  return (text) => {
    const given = sizes(text)
    const [d, h, w] = given.length === 1 ? [given[0]!, given[0]!, given[0]!] : given
    if (given.length !== 2 && given.length < 4 && given.every((n) => n >= least)) return [d!, h!, w!]
    throw new InvalidArgumentError(`Give a whole number from ${least} up, or three joined by x.`)
  }
}

/** Two positive numbers with a comma between. */
export function pairOption(text: string): [number, number] {
  const [first, second, ...rest] = text.split(',').map(parse)
  if (first! > 0 && second! > 0 && rest.length === 0) return [first!, second!]
  throw new InvalidArgumentError('Give two positive numbers with a comma between.')
}

function sizes(text: string): number[] {
  return text.split('x').map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN))
}

function parse(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text)
}

function within(value: number, low: number, high: number, what: string): number {
  if (Number.isFinite(value) && value >= low && value <= high) return value
  const from = low === Number.NEGATIVE_INFINITY ? '' : ` from ${low}`
  const to = high >= Number.MAX_SAFE_INTEGER ? (from ? ' up' : '') : ` to ${high}`
  throw new InvalidArgumentError(`Give ${what}${from}${to}.`)
}
