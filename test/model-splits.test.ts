/** Splits by participant: no leakage, even shares, the same for a seed, and no matter how rows are ordered. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cohort, parseCohort, participantKey } from '../src/io/cohort/cohort.ts'
import { InputError } from '../src/io/errors.ts'
import { splitsFromColumn, splitsFromLists } from '../src/model/training/split-given.ts'
import {
  findLeaks,
  holdOut,
  participantsOf,
  requireNoLeaks,
  type Split,
  stratifiedFolds,
} from '../src/model/training/splits.ts'

const test = suite('splits')

const fails = (call: () => unknown, ...patterns: RegExp[]) =>
  assert.throws(call, (error: Error) => error instanceof InputError && patterns.every((p) => p.test(error.message)))

/** A cohort from lines of cells with blanks between them. */
const cohortOf = (...lines: string[]) =>
  parseCohort(lines.map((line) => line.replace(/ +/g, '\t')).join('\n'), {}, 'c.tsv')

const HEAD = 'participant_id session_id diagnosis'

/** So many participants of each class, some with further sessions, in a random order of rows. */
const randomCohort = (least: number) =>
  fc
    .record({
      counts: fc.array(fc.integer({ min: least, max: 17 }), { minLength: 2, maxLength: 3 }),
      sessions: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 60, maxLength: 60 }),
      order: fc.array(fc.integer(), { minLength: 200, maxLength: 200 }),
    })
    .map(({ counts, sessions, order }) => {
      const people = counts.flatMap((count, label) => Array.from({ length: count }, (_, n) => `sub-${label}${n}x`))
      const lines = people.flatMap((id, n) =>
        Array.from({ length: sessions[n]! }, (_, s) => `${id} M${6 * s} class${id[4]}`),
      )
      const sorted = lines
        .map((line, n) => ({ line, at: order[n]! }))
        .sort((a, b) => a.at - b.at || (a.line < b.line ? -1 : 1))
      return { sorted: cohortOf(HEAD, ...lines), mixed: cohortOf(HEAD, ...sorted.map(({ line }) => line)) }
    })

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 })

/** Participants of each set, as text that can be compared. */
function people(cohort: Cohort, { train, validation, test: held }: Split): string[] {
  return [train, validation, held].map((rows) =>
    [...new Set(rows.map((n) => participantKey(cohort.rows[n]!)))].sort().join(),
  )
}

const rowsOf = (cohort: Cohort, rows: readonly number[]) => rows.map((n) => cohort.rows[n]!)

/** How many participants of each class these rows have. */
function counts(cohort: Cohort, rows: readonly number[]): number[] {
  const chosen = new Set(rows.map((n) => participantKey(cohort.rows[n]!)))
  return cohort.classes.map(
    (_, label) => participantsOf(cohort).filter((one) => one.label === label && chosen.has(one.key)).length,
  )
}

test('folds: everybody validates once, nobody is in two sets, shares are even, rows may be in any order', () => {
  const property = fc.property(
    randomCohort(6),
    fc.integer({ min: 2, max: 4 }),
    fc.constantFrom(0, 0.2, 0.3),
    seeds,
    (cohorts, folds, share, seed) => {
      const { sorted: cohort, mixed } = cohorts
      const splits = stratifiedFolds(cohort, { folds, test: share, seed })
      assert.is(splits.length, folds)
      const held = splits[0]!.test
      for (const split of splits) {
        const { train, validation, test: own } = split
        assert.equal(own, held)
        assert.equal(
          [...train, ...validation, ...own].sort((a, b) => a - b),
          cohort.rows.map((_, n) => n),
        )
        assert.equal(
          findLeaks({
            train: rowsOf(cohort, train),
            validation: rowsOf(cohort, validation),
            test: rowsOf(cohort, own),
          }),
          [],
        )
      }
      const all = counts(
        cohort,
        cohort.rows.map((_, n) => n),
      )
      counts(cohort, held).forEach((count, label) => {
        assert.ok(Math.abs(count - share * all[label]!) <= 1, `${count} of ${all[label]} held out`)
      })
      const validating = splits.map((split) => counts(cohort, split.validation))
      const totals = validating.map((own) => own.reduce((a, b) => a + b, 0))
      for (const series of [totals, ...all.map((_, label) => validating.map((own) => own[label]!))]) {
        assert.ok(Math.max(...series) - Math.min(...series) <= 1, `folds of ${series}`)
      }
      const again = stratifiedFolds(mixed, { folds, test: share, seed })
      assert.equal(
        again.map((split) => people(mixed, split)),
        splits.map((split) => people(cohort, split)),
      )
    },
  )
  fc.assert(property, { seed: 3, numRuns: 60 })
})

test('one split: shares of each class to the nearest participant, no leakage, any order of rows', () => {
  const property = fc.property(
    randomCohort(6),
    fc.constantFrom(0, 0.1, 0.3),
    fc.constantFrom(0, 0.2),
    seeds,
    (cohorts, validation, share, seed) => {
      const { sorted: cohort, mixed } = cohorts
      const split = holdOut(cohort, { validation, test: share, seed })
      assert.equal(
        [...split.train, ...split.validation, ...split.test].sort((a, b) => a - b),
        cohort.rows.map((_, n) => n),
      )
      assert.equal(
        findLeaks({
          a: rowsOf(cohort, split.train),
          b: rowsOf(cohort, split.validation),
          c: rowsOf(cohort, split.test),
        }),
        [],
      )
      const held = counts(cohort, split.test)
      counts(
        cohort,
        cohort.rows.map((_, n) => n),
      ).forEach((count, label) => {
        const expected = share === 0 ? 0 : Math.max(1, Math.round(share * count))
        assert.is(held[label], expected)
        const left = count - expected
        assert.is(
          counts(cohort, split.validation)[label],
          validation === 0 ? 0 : Math.max(1, Math.round(validation * left)),
        )
      })
      assert.equal(people(mixed, holdOut(mixed, { validation, test: share, seed })), people(cohort, split))
    },
  )
  fc.assert(property, { seed: 4, numRuns: 60 })
})

const twenty = cohortOf(HEAD, ...Array.from({ length: 20 }, (_, n) => `sub-${n} M0 ${n % 2 ? 'AD' : 'CN'}`))

test('a seed gives the same split, another one another; repeats share the test set alone', () => {
  const make = (seed: number, repeat = 0) => stratifiedFolds(twenty, { seed, repeat, test: 0.2 })
  assert.equal(make(1), make(1))
  assert.not.equal(make(1)[0]!.validation, make(2)[0]!.validation)
  assert.not.equal(make(1)[0]!.test, make(2)[0]!.test)
  assert.equal(make(1)[0]!.test, make(1, 1)[0]!.test)
  assert.not.equal(make(1)[0]!.validation, make(1, 1)[0]!.validation)
  // Written down once: a change here would change who is where in every study that gives its seed.
  assert.equal(make(1)[0], FIRST_FOLD)
})

const FIRST_FOLD = {
  train: [0, 3, 4, 5, 6, 7, 8, 9, 15, 16, 18, 19],
  validation: [2, 11, 12, 13],
  test: [1, 10, 14, 17],
}

test('over many seeds everybody is held out about as often', () => {
  const held = new Array<number>(20).fill(0)
  for (let seed = 0; seed < 400; seed++)
    for (const n of holdOut(twenty, { validation: 0, test: 0.2, seed }).test) held[n]!++
  // Binomial(400, 0.2): mean 80, standard deviation 8.
  assert.ok(Math.min(...held) > 48 && Math.max(...held) < 112, held.join())
})

test('a participant counts by the class of the first session, in natural order', () => {
  const cohort = cohortOf(HEAD, 'sub-2 M0 AD', '1 M12 CN', '1 M6 AD', '3 M0 AD', '3 n/a CN')
  assert.equal(
    participantsOf(cohort).map(({ key, label, rows }) => [key, cohort.classes[label], rows]),
    [
      ['1', 'AD', [1, 2]],
      ['2', 'AD', [0]],
      ['3', 'CN', [3, 4]],
    ],
  )
})

test('sub-01 and 01 are one person', () => {
  assert.is(participantsOf(cohortOf(HEAD, 'sub-01 M0 CN', '01 M6 CN')).length, 1)
})

test('too few participants, shares and folds out of range, rows without a class', () => {
  const few = cohortOf(HEAD, '1 M0 CN', '2 M0 CN', '3 M0 CN', '4 M0 AD', '5 M0 AD', '5 M6 AD')
  fails(() => stratifiedFolds(few, { folds: 3 }), /class AD has 2 participants, and 3 must be left; use fewer folds/)
  fails(
    () => stratifiedFolds(few, { folds: 2, test: 0.2 }),
    /class AD has 2 participants once 1 are set aside for test/,
  )
  fails(() => holdOut(few, { validation: 0.4, test: 0.4 }), /class AD has 2 participants once 1 are set aside/)
  fails(() => stratifiedFolds(few, { folds: 1 }), /1 folds: give a whole number from 2 up/)
  for (const share of [-0.1, 1, Number.NaN]) {
    fails(() => stratifiedFolds(few, { test: share }), /test share .*: give a number from 0 up to 1/)
    fails(() => holdOut(few, { validation: share }), /validation share/)
  }
  fails(
    () => participantsOf(cohortOf(HEAD, '1 M0 CN', '2 M0 n/a')),
    /c\.tsv, line 3: a split needs a participant and a class/,
  )
})

test('leaks are found with their names: by participant, and by file', () => {
  const cohort = cohortOf(HEAD, 'sub-1 M0 CN', '1 M6 CN', 'sub-2 M0 AD', 'sub-3 M0 AD')
  const [a, b, c, d] = cohort.rows.map((row, n) => ({ ...row, scan: n === 3 ? '/2.nii' : `/${n}.nii` }))
  assert.equal(findLeaks({ train: [a!], test: [b!] }), [{ participant: 'sub-1', sets: ['train', 'test'] }])
  assert.equal(findLeaks({ train: [c!], test: [d!] }), [
    { participant: 'sub-2', scan: '/2.nii', sets: ['train', 'test'] },
  ])
  assert.equal(findLeaks({ train: [a!, b!], test: [c!] }), [])
  fails(
    () => requireNoLeaks({ train: [a!, c!], test: [b!, d!] }),
    /in more than one set: sub-1 \(train, test\), \/2\.nii \(train, test\); each/,
  )
  // Cohorts of their own may use the same names, but not the same files.
  assert.equal(findLeaks({ here: [a!], there: [b!] }, { sameNames: false }), [])
  assert.is(findLeaks({ here: [c!], there: [d!] }, { sameNames: false }).length, 1)
})

test('splits from a column of sets, and of folds', () => {
  const head = 'participant_id label split'
  const sets = cohortOf(head, '1 CN train', '2 AD Training', '3 CN val', '4 AD test')
  assert.equal(splitsFromColumn(sets, 'split'), [{ train: [0, 1], validation: [2], test: [3] }])
  const folds = cohortOf(head, '1 CN fold-10', '2 AD fold-2', '3 CN fold-2', '4 AD test')
  assert.equal(splitsFromColumn(folds, 'Split'), [
    { train: [0], validation: [1, 2], test: [3] },
    { train: [1, 2], validation: [0], test: [3] },
  ])
  assert.equal(splitsFromColumn(cohortOf(head, '1 CN constructor', '2 AD b'), 'split').length, 2)
  fails(() => splitsFromColumn(sets, 'fold'), /no column "fold"; it has participant_id, label, split/)
  fails(
    () => splitsFromColumn(cohortOf(head, '1 CN train', '2 AD n/a'), 'split'),
    /2 \(line 3\) has nothing in the column "split"/,
  )
  fails(() => splitsFromColumn(cohortOf(head, '1 CN train', '2 AD 3'), 'split'), /names sets \(train\), but also "3"/)
  fails(() => splitsFromColumn(cohortOf(head, '1 CN a', '2 AD test'), 'split'), /names 1 folds; two or more/)
  fails(
    () => splitsFromColumn(cohortOf(head, '1 CN train', 'sub-1 AD val'), 'split'),
    /in more than one set: 1 \(train, validation\)/,
  )
  fails(() => splitsFromColumn(cohortOf(head, '1 CN a', 'sub-1 AD b'), 'split'), /in more than one set/)
})

test('splits from lists: a session means one scan, no session all of a participant', () => {
  const cohort = cohortOf(
    HEAD,
    'sub-1 ses-M0 CN',
    'sub-1 ses-M6 CN',
    'sub-2 ses-M0 AD',
    'sub-2 ses-M6 AD',
    'sub-3 ses-M0 AD',
  )
  const given = {
    name: 'split-0',
    train: [{ participant: '1' }],
    validation: [{ participant: 'sub-2', session: 'M6' }],
    test: [],
  }
  assert.equal(splitsFromLists(cohort, [given]), [{ train: [0, 1], validation: [3], test: [] }])
  fails(
    () => splitsFromLists(cohort, [{ ...given, test: [{ participant: 'sub-9', session: 'M0' }] }]),
    /split-0 names sub-9 M0, which c\.tsv does not have/,
  )
  fails(
    () => splitsFromLists(cohort, [{ ...given, test: [{ participant: 'sub-2', session: 'M0' }] }]),
    /in more than one set: sub-2 \(validation, test\)/,
  )
})

test.run()
