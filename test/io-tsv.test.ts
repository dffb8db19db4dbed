import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { formatTsv, parseTsv } from '../src/io/tsv.ts'

const fails = (call: () => unknown, pattern: RegExp) =>
  assert.throws(call, (error: Error) => error instanceof InputError && pattern.test(error.message))

test('a BIDS table: byte-order mark, CRLF, n/a, quotes, blank lines at the end', () => {
  const table = parseTsv('\uFEFFparticipant_id\tage\tnote\r\nsub-01\t71.5\tn/a\r\nsub-02\tn/a\tsaid "no"\r\n\r\n')
  assert.equal(table.columns, ['participant_id', 'age', 'note'])
  assert.equal(table.rows, [
    { participant_id: 'sub-01', age: '71.5', note: null },
    { participant_id: 'sub-02', age: null, note: 'said "no"' },
  ])
})

test('a header alone is a table without rows', () => {
  assert.equal(parseTsv('a\tb\n'), { columns: ['a', 'b'], rows: [] })
})

test('faults name the table and the line', () => {
  fails(
    () => parseTsv('a\tb\n1\t2\n1\n', 'participants.tsv'),
    /participants\.tsv, line 3: 1 cell where the header has 2/,
  )
  fails(() => parseTsv('a\tb\r\n1\t2\t3'), /line 2: 3 cells/)
  fails(() => parseTsv('a\tb\n\n1\t2'), /line 2: 1 cell/)
  fails(() => parseTsv('a\ta\n'), /two columns are named "a"/)
  fails(() => parseTsv('a\t\tb\n'), /column 2 has no name/)
  fails(() => parseTsv(' \n\n'), /empty/)
})

test('missing cells are written as n/a, numbers exactly, and tabs are refused', () => {
  const rows = [{ a: null, b: 0.1 }, { a: undefined, b: Number.NaN }, { a: '', b: true }, {}]
  assert.is(formatTsv(['a', 'b'], rows), 'a\tb\nn/a\t0.1\nn/a\tn/a\nn/a\ttrue\nn/a\tn/a\n')
  fails(() => formatTsv(['a'], [{ a: 'x\ty' }]), /tab/)
  fails(() => formatTsv(['a\n'], []), /line end/)
})

test('any table survives writing and reading', () => {
  // Names such as __proto__ must be ordinary columns.
  const text = fc.oneof(fc.constantFrom('__proto__', 'constructor', '0'), fc.string({ minLength: 1 })).filter((s) => {
    return !/[\t\r\n]/.test(s) && s.trim() !== '' && s !== 'n/a' && !s.startsWith('\uFEFF')
  })
  const table = fc.uniqueArray(text, { minLength: 1, maxLength: 5 }).chain((columns) => {
    const row = fc.array(fc.option(text), { minLength: columns.length, maxLength: columns.length })
    return fc.record({ columns: fc.constant(columns), cells: fc.array(row, { maxLength: 5 }) })
  })
  const property = fc.property(table, fc.boolean(), ({ columns, cells }, crlf) => {
    const rows = cells.map((row) => Object.fromEntries(columns.map((column, c) => [column, row[c] ?? null])))
    const written = formatTsv(columns, rows)
    assert.equal(parseTsv(crlf ? written.replaceAll('\n', '\r\n') : written), { columns, rows })
  })
  fc.assert(property, { seed: 5, numRuns: 200 })
})

test.run()
