/**
 * Tab-separated tables as BIDS has them: a header row, one record a line, `n/a` for what is missing.
 */

import { InputError } from './errors.ts'

/** A cell is text; null stands for BIDS `n/a`. */
export type TsvRow = Record<string, string | null>

export interface TsvTable {
  /** Column names in file order. */
  readonly columns: string[]
  /** One object a line, keyed by column name. */
  readonly rows: TsvRow[]
}

/**
 * Reads a table. LF and CRLF line ends and a byte-order mark are accepted; blank lines at the end are ignored;
 * quotation marks have no meaning in BIDS tables and stay in the text.
 *
 * @param name what to call the table in error messages
 * @throws InputError for an empty table, an unnamed or repeated column, or a row with the wrong number of cells
 */
export function parseTsv(text: string, name = 'the table'): TsvTable {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  while (lines.length > 0 && lines.at(-1)!.trim() === '') lines.pop()
  const header = lines.shift()
  if (header === undefined)
    throw new InputError(`${name} is empty: it needs a header row of tab-separated column names`)
  const columns = header.split('\t')
  columns.forEach((column, at) => {
    if (column.trim() === '') throw new InputError(`${name}, line 1: column ${at + 1} has no name`)
    if (columns.indexOf(column) !== at) throw new InputError(`${name}, line 1: two columns are named "${column}"`)
  })
  const rows = lines.map((line, at) => {
    const cells = line.split('\t')
    if (cells.length !== columns.length) {
      const counts = `${cells.length} ${cells.length === 1 ? 'cell' : 'cells'} where the header has ${columns.length}`
      throw new InputError(
        `${name}, line ${at + 2}: ${counts}; separate cells by one tab and write n/a for a missing one`,
      )
    }
    return Object.fromEntries(columns.map((column, c) => [column, cells[c] === 'n/a' ? null : cells[c]!]))
  })
  return { columns, rows }
}

/**
 * Writes a table with LF line ends. Missing cells (null, undefined, empty text, NaN) become `n/a`; numbers are written
 * in JavaScript's shortest exact form.
 *
 * @throws InputError when a name or a cell holds a tab or a line end
 */
export function formatTsv(
  columns: readonly string[],
  rows: readonly Readonly<Record<string, string | number | boolean | null | undefined>>[],
): string {
  const cell = (value: unknown): string => {
    if (value === null || value === undefined || value === '' || Number.isNaN(value)) return 'n/a'
    const text = String(value)
    if (/[\t\r\n]/.test(text)) {
      throw new InputError(`${JSON.stringify(text)} holds a tab or a line end, which a cell of a table cannot`)
    }
    return text
  }
  const lines = [columns.map(cell), ...rows.map((row) => columns.map((column) => cell(row[column])))]
  return lines.map((line) => `${line.join('\t')}\n`).join('')
}
