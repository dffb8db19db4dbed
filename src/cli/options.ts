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

/** Names separated by commas. */
export function listOption(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.some((name) => name === '')) throw new InvalidArgumentError('Give names separated by commas.')
  return names
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
