/**
 * Tables as people have them: TSV of BIDS, TSV and CSV that pandas, R or a spreadsheet wrote. More forgiving than
 * parseTsv, which reads what BIDS allows and nothing else.
 */
import { InputError } from '../errors.ts'
import type { TsvRow } from '../tsv.ts'

export interface TableRow {
  /** Line of the text where the row begins, from 1. */
  readonly line: number
  /** Cells by column; null stands for a missing one. */
  readonly cells: TsvRow
}

export interface Table {
  /** Column names in file order. */
  readonly columns: readonly string[]
  readonly rows: readonly TableRow[]
}

/** What stands for a missing cell, in any case: BIDS's n/a, what pandas and R write, and nothing. */
const MISSING = new Set(['', 'n/a', 'na', 'nan', '<na>', '#n/a', 'null'])

/**
 * The text of a table's bytes: UTF-8, or the UTF-16 that spreadsheets call Unicode text.
 * @param name what to call the table in error messages
 * @throws InputError when the bytes are no text, or text of another encoding
 */
export function decodeTable(bytes: Uint8Array, name = 'the table'): string {
  const mark = bytes.length >= 2 ? `${bytes[0]},${bytes[1]}` : ''
  const encoding = mark === '255,254' ? 'utf-16le' : mark === '254,255' ? 'utf-16be' : 'utf-8'
  const text = new TextDecoder(encoding).decode(bytes)
  if (text.includes('\0') || text.startsWith('PK\u0003\u0004')) {
    throw new InputError(`${name} is not a text table; save it as tab-separated (.tsv) or comma-separated (.csv) text`)
  }
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch (cause) {
    // Such as the umlauts of a spreadsheet's plain CSV: as something else they would get into names and paths.
    const line = text.slice(0, text.indexOf('\uFFFD')).split('\n').length
    throw new InputError(
      `${name}, line ${line}, holds letters that are not ${encoding.toUpperCase()}; save it as UTF-8 text ("CSV UTF-8" in Excel)`,
      { cause },
    )
  }
}

/**
 * Reads a table with a header row. Cells are separated by tabs when the header has one, else by commas, else by
 * semicolons. A cell within quotation marks may hold separators, and two marks stand for one; in comma- and
 * semicolon-separated text it may hold line ends, too. Quotation marks elsewhere in a cell are text, as BIDS has it.
 * Spaces around cells go; blank lines and lines of empty cells are passed over; CRLF and a byte-order mark are accepted.
 * Empty cells and n/a, NA, NaN, null (in any case) are null.
 *
 * @param name what to call the table in error messages
 * @throws InputError for an empty table, an unnamed or repeated column, or naming all lines with a wrong number of cells
 */
export function parseTable(text: string, name = 'the table'): Table {
  const plain = text.replace(/^\uFEFF/, '')
  const firstLine = /[^\r\n]*\S[^\r\n]*/.exec(plain)?.[0] ?? ''
  const separator = firstLine.includes('\t')
    ? '\t'
    : firstLine.includes(',')
      ? ','
      : firstLine.includes(';')
        ? ';'
        : '\t'
  const records = splitRecords(plain, separator, name).filter(({ cells }) => cells.some((cell) => cell !== ''))
  const header = records.shift()
  if (!header) throw new InputError(`${name} is empty: it needs a header row of column names`)
  const columns = header.cells
  columns.forEach((column, at) => {
    if (column === '') throw new InputError(`${name}, line ${header.line}: column ${at + 1} has no name`)
    if (columns.indexOf(column) !== at) {
      throw new InputError(`${name}, line ${header.line}: two columns are named "${column}"`)
    }
  })
  const odd = records.filter(({ cells }) => cells.length !== columns.length)
  if (odd.length > 0) {
    const some = odd.slice(0, 5).map(({ line, cells }) => `line ${line} has ${cells.length}`)
    const more = odd.length > some.length ? `, and ${odd.length - some.length} more lines` : ''
    const kind = { '\t': 'one tab', ',': 'one comma', ';': 'one semicolon' }[separator]
    throw new InputError(
      `${name}: the header has ${columns.length} columns, but ${some.join(', ')}${more}; ` +
        `separate cells by ${kind} and write n/a for a missing one`,
    )
  }
  const rows = records.map(({ line, cells }) => ({
    line,
    cells: Object.fromEntries(columns.map((column, c) => [column, isMissing(cells[c]!) ? null : cells[c]!])),
  }))
  return { columns, rows }
}

function isMissing(cell: string): boolean {
  return MISSING.has(cell.toLowerCase())
}

interface TextRecord {
  readonly line: number
  readonly cells: string[]
}

function splitRecords(text: string, separator: string, name: string): TextRecord[] {
  const records: TextRecord[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const record: TextRecord = { line, cells: [] }
    records.push(record)
    for (;;) {
      const cell = (text[at] === '"' && quotedCell(text, at, separator, name, line)) || plainCell(text, at, separator)
      record.cells.push(cell.text.trim())
      line += cell.lineEnds
      at = cell.end
      if (text[at] !== separator) break
      at++
    }
    at += text.startsWith('\r\n', at) ? 2 : 1
    line++
  }
  return records
}

interface Cell {
  readonly text: string
  /** Index of the separator or line end after it. */
  readonly end: number
  readonly lineEnds: number
}

function plainCell(text: string, from: number, separator: string): Cell {
  let end = from
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end++
  return { text: text.slice(from, end), end, lineEnds: 0 }
}

/** The cell within quotation marks that begins at `from`, or undefined where the mark is only text (RFC 4180). */
function quotedCell(text: string, from: number, separator: string, name: string, line: number): Cell | undefined {
  let close = text.indexOf('"', from + 1)
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
  if (close < 0 && separator !== '\t') {
    throw new InputError(`${name}, line ${line}: a cell begins with a quotation mark that is never closed`)
  }
  const next = text[close + 1]
  const closed = close >= 0 && (next === undefined || next === separator || next === '\n' || next === '\r')
  const inside = closed ? text.slice(from + 1, close) : ''
  const lineEnds = inside.match(/\r\n|\n|\r/g)?.length ?? 0
  if (!closed || (lineEnds > 0 && separator === '\t')) return undefined
  return { text: inside.replaceAll('""', '"'), end: close + 1, lineEnds }
}
