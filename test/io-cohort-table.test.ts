/** Tables as people have them: separators, quotation marks, line ends, missing cells, and faults by their lines. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeTable, parseTable } from '../src/io/cohort/table.ts'
import { InputError } from '../src/io/errors.ts'

const test = suite('cohort tables')

const fails = (call: () => unknown, ...patterns: RegExp[]) =>
  assert.throws(call, (error: Error) => error instanceof InputError && patterns.every((p) => p.test(error.message)))

const cells = (text: string) => parseTable(text).rows.map((row) => Object.values(row.cells))

test('byte-order mark, CRLF, missing cells, blank lines, and the lines that rows stand on', () => {
  const table = parseTable(
    '\uFEFFparticipant_id\tage\tnote\r\nsub-01\t71.5\tn/a\r\n\r\nsub-02\t NaN \t said "no"\r\n\r\n',
  )
  assert.equal(table.columns, ['participant_id', 'age', 'note'])
  assert.equal(table.rows, [
    { line: 2, cells: { participant_id: 'sub-01', age: '71.5', note: null } },
    { line: 4, cells: { participant_id: 'sub-02', age: null, note: 'said "no"' } },
  ])
})

test('commas, or semicolons, where there is no tab', () => {
  assert.equal(cells('a,b\n1;2,3\n'), [['1;2', '3']])
  assert.equal(cells('a;b\n1,5;2\n'), [['1,5', '2']])
  assert.equal(cells('a,b\tc\n1,2\t3\n'), [['1,2', '3']])
  assert.equal(cells('a\n1\n\n2\r\n'), [['1'], ['2']])
  assert.equal(cells('a,b\n,\n'), [])
})

test('quotation marks around a cell go, elsewhere they are text', () => {
  assert.equal(cells('a,b\n"x, ""y""",2\n'), [['x, "y"', '2']])
  assert.equal(cells('a\tb\n"x\ty"\t"AD"\n'), [['x\ty', 'AD']])
  assert.equal(cells('a\tb\n"5 inch\t"a"b\n'), [['"5 inch', '"a"b']])
  assert.equal(cells('a,b\n"n/a",""\n1,2\n'), [
    [null, null],
    ['1', '2'],
  ])
})

test('a quoted cell of CSV may hold line ends, and lines are still counted', () => {
  const table = parseTable('a,b\n"one\r\ntwo",2\n3,4\n')
  assert.equal(table.rows[0]!.cells, { a: 'one\r\ntwo', b: '2' })
  assert.is(table.rows[1]!.line, 4)
  fails(() => parseTable('a,b\n1,"2\n3,4\n'), /line 2: .*never closed/)
  assert.equal(cells('a\tb\n1\t"2\n3\t4"\n'), [
    ['1', '"2'],
    ['3', '4"'],
  ])
})

test('faults: all lines with a wrong number of cells, columns, no header, no text', () => {
  fails(
    () => parseTable('a\tb\n1\n1\t2\n1\t2\t3\n', 'p.tsv'),
    /p\.tsv: .*2 columns.*line 2 has 1, line 4 has 3/,
    /one tab/,
  )
  fails(() => parseTable(`a,b\n${'1\n'.repeat(7)}`), /line 6 has 1, and 2 more lines/, /one comma/)
  fails(() => parseTable('a\ta\n'), /two columns are named "a"/)
  fails(() => parseTable('a\t\tb\n'), /column 2 has no name/)
  fails(() => parseTable(' \n\n'), /empty/)
  fails(() => decodeTable(new Uint8Array([0x50, 0x4b, 3, 4, 9]), 'x.xlsx'), /x\.xlsx is not a text table/, /\.tsv/)
  fails(() => decodeTable(new Uint8Array([65, 0, 66])), /not a text table/)
})

test('UTF-8 and the UTF-16 of spreadsheets', () => {
  const text = 'a\tb\nä\t1\n'
  assert.is(decodeTable(new TextEncoder().encode(text)), text)
  const units = Uint16Array.from([0xfeff, ...[...text].map((letter) => letter.charCodeAt(0))])
  assert.equal(cells(decodeTable(new Uint8Array(units.buffer))), [['ä', '1']])
  const latin = Uint8Array.from('a\tb\nM\u00fcller\t1\n', (letter) => letter.charCodeAt(0))
  fails(() => decodeTable(latin, 'old.csv'), /^old\.csv, line 2, holds letters that are not UTF-8; save it as UTF-8/)
})

test('any table survives being written with quotation marks', () => {
  const text = fc.oneof(fc.constantFrom('__proto__', 'constructor', '"', 'a"b', '0'), fc.string({ minLength: 1 }))
  const cell = text
    .map((s) => s.trim())
    .filter((s) => s !== '' && !/^(n\/a|na|nan|<na>|#n\/a|null)$/i.test(s) && !/[\uFEFF\0]/.test(s))
  const column = cell.filter((s) => !/[\r\n\t,;]/.test(s))
  const table = fc.uniqueArray(column, { minLength: 1, maxLength: 4 }).chain((columns) => {
    const row = fc.array(fc.option(cell, { freq: 4 }), { minLength: columns.length, maxLength: columns.length })
    const full = row.filter((cells) => cells.some((one) => one !== null))
    return fc.record({ columns: fc.constant(columns), rows: fc.array(full, { maxLength: 4 }) })
  })
  const quote = (s: string) => `"${s.replaceAll('"', '""')}"`
  const property = fc.property(
    table,
    fc.constantFrom(',', ';', '\t'),
    fc.constantFrom('\n', '\r\n'),
    (t, separator, end) => {
      // A header of one column has no separator to be known by, and TSV cells have no line ends.
      const rows = separator === '\t' ? t.rows.map((row) => row.map((c) => c?.replace(/[\r\n]/g, '_') ?? null)) : t.rows
      const columns = [...t.columns, 'last']
      const lines = [columns, ...rows.map((row) => [...row, 'z'])]
      const written = lines.map((line) => line.map((c) => quote(c ?? 'n/a')).join(separator) + end).join('')
      const read = parseTable(written)
      assert.equal(read.columns, columns)
      assert.equal(
        read.rows.map((row) => columns.map((name) => row.cells[name])),
        rows.map((row) => [...row, 'z']),
      )
    },
  )
  fc.assert(property, { seed: 7, numRuns: 300 })
})

test('any text is read or refused, and nothing else happens', () => {
  const piece = fc.constantFrom('a', '"', '\t', ',', ';', '\n', '\r\n', '\r', ' ', 'n/a', '\uFEFF')
  const property = fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
    try {
      const { columns, rows } = parseTable(pieces.join(''))
      for (const row of rows) assert.is(Object.keys(row.cells).length, columns.length)
    } catch (error) {
      assert.instance(error, InputError)
    }
  })
  fc.assert(property, { seed: 8, numRuns: 500 })
})

test.run()
