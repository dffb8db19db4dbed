/** Cohorts: classes from labels, covariates as numbers, and every check of the rows. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { classIndex, leaveOut, parseCohort } from '../src/io/cohort/cohort.ts'
import { checkCohort, dropMissing, requireSound } from '../src/io/cohort/cohort-check.ts'
import { compareNatural, orderClasses, parseLabelMapping } from '../src/io/cohort/cohort-labels.ts'
import { covariateMeans, fillCovariates, readCovariates } from '../src/io/cohort/covariates.ts'
import { assertProblems, cohortOf, fails, problems } from './support/cohort.ts'

const test = suite('cohorts')

const SOUND = [
  'participant_id session_id diagnosis age sex',
  'sub-1 M0 CN 70 F',
  'sub-2 M0 AD 71 M',
  'sub-2 M6 AD 71.5 M',
]

test('a sound cohort has no problems, and its rows say what the table says', () => {
  assertProblems(problems(SOUND, {}, { covariates: ['age', 'sex'] }))
  const cohort = cohortOf(SOUND)
  assert.equal(cohort.classes, ['CN', 'AD'])
  assert.is(cohort.labelColumn, 'diagnosis')
  const [, , last] = cohort.rows
  assert.equal([last!.participant, last!.session, last!.label, last!.line], ['sub-2', 'M6', 'AD', 4])
  assert.is(classIndex(cohort, last!), 1)
  assert.is(last!.cells.age, '71.5')
})

test('the summary counts participants, scans, sessions, sexes and ages', () => {
  const { summary } = checkCohort(cohortOf(SOUND), undefined)
  assert.equal([summary.scans, summary.participants], [3, 2])
  const [cn, ad] = summary.classes
  assert.equal(cn, {
    label: 'CN',
    scans: 1,
    participants: 1,
    sessions: [{ session: 'M0', scans: 1 }],
    sex: { female: 1, male: 0, unknown: 0 },
    age: { mean: 70, deviation: 0, min: 70, max: 70 },
  })
  assert.equal([ad!.scans, ad!.participants, ad!.sex], [2, 1, { female: 0, male: 1, unknown: 0 }])
  assert.ok(Math.abs(ad!.age!.mean - 71.25) < 1e-12 && Math.abs(ad!.age!.deviation - Math.sqrt(0.125)) < 1e-12)
})

test('label columns: diagnosis, label, group, or the one that is named', () => {
  assert.is(cohortOf(['participant_id group label', '1 a b']).labelColumn, 'label')
  assert.is(cohortOf(['participant_id Group', '1 a']).labelColumn, 'Group')
  assert.is(cohortOf(['participant_id group dx', '1 a b'], { labelColumn: 'dx' }).labelColumn, 'dx')
  fails(
    () => cohortOf(['participant_id group', '1 a'], { labelColumn: 'dx' }),
    /no column "dx"; it has participant_id, group/,
  )
  fails(() => cohortOf(['id group', '1 a']), /c\.tsv has no column participant_id; it has id, group/)
})

test('classes: controls first, patients last, whatever the rows', () => {
  assert.equal(orderClasses(['AD', 'MCI', 'CN', 'MCI']), ['CN', 'MCI', 'AD'])
  assert.equal(orderClasses(['patient', 'control']), ['control', 'patient'])
  assert.equal(orderClasses(['g10', 'g9']), ['g9', 'g10'])
  // By natural order the disease would be class 0, to which residuals are fitted and patients compared.
  assert.equal(orderClasses(["Alzheimer's disease", 'healthy control']), ['healthy control', "Alzheimer's disease"])
  assert.equal(orderClasses(['AD', 'prodromal AD', 'non-AD', 'Cognitively Normal', 'CN']), [
    ...['CN', 'Cognitively Normal', 'non-AD', 'prodromal AD', 'AD'],
  ])
  assert.ok(compareNatural('M6', 'M12') < 0 && compareNatural('M06', 'M6') !== 0 && compareNatural('a', 'a1') < 0)
  assert.equal(cohortOf(SOUND, { classes: ['AD', 'CN'] }).classes, ['AD', 'CN'])
})

test('label mappings by number and by name', () => {
  const read = (text: string) => {
    const { classes, classOf } = parseLabelMapping(text)
    return [classes, Object.fromEntries(classOf)]
  }
  assert.equal(read('AD=1,CN=0'), [['CN', 'AD'], { AD: 'AD', CN: 'CN' }])
  assert.equal(read('AD=1, MCI=1, CN=0'), [['CN', 'AD+MCI'], { AD: 'AD+MCI', MCI: 'AD+MCI', CN: 'CN' }])
  assert.equal(read('AD=patient,MCI=patient,CN=control')[0], ['control', 'patient'])
  fails(() => parseLabelMapping('AD'), /"AD" is not of the form LABEL=CLASS/)
  fails(() => parseLabelMapping('AD=1,CN='), /"CN="/)
  fails(() => parseLabelMapping('AD=1,AD=0'), /"AD" is mapped twice/)
  fails(() => parseLabelMapping('AD=2,CN=0'), /numbered 0 to 1, but none is 1/)
  fails(() => cohortOf(SOUND, { labels: 'AD=1,CN=0', classes: ['AD'] }), /not both/)
  const cohort = cohortOf(SOUND, { labels: 'AD=patient,CN=control' })
  assert.equal(
    cohort.rows.map((row) => row.label),
    ['control', 'patient', 'patient'],
  )
})

test('unmapped and empty labels are listed, or their rows left out on request', () => {
  const lines = [...SOUND, 'sub-3 M0 MCI 70 F', 'sub-4 M0 SMC 70 F', 'sub-5 M0 n/a 70 F']
  assertProblems(
    problems(lines, { labels: 'AD=1,CN=0' }),
    /^label 7: rows without a label in the column "diagnosis"/,
    /^label 5,6: labels in .* none of the classes CN, AD: "MCI", "SMC"/,
  )
  const cohort = cohortOf(lines, { labels: 'AD=1,CN=0', unmapped: 'drop' })
  assert.equal(
    cohort.rows.map((row) => row.line),
    [2, 3, 4],
  )
  const { problems: none, notes } = checkCohort(cohort, undefined)
  assert.equal(none, [])
  assert.equal(notes, [
    '1 row was left out: label "MCI" is in no class',
    '1 row was left out: label "SMC" is in no class',
    '1 row was left out: no label',
  ])
})

test('classes without a scan, a single class, no label column, no rows', () => {
  assertProblems(problems(SOUND, { classes: ['CN', 'MCI', 'AD'] }), /^class : no scan of the class MCI; .* has AD, CN/)
  assertProblems(problems(SOUND, { classes: ['CN', 'MCI', 'AD'] }, { absentClasses: true }))
  assertProblems(problems(SOUND.slice(0, 2)), /^class : only the class CN in the column "diagnosis"; two or more/)
  assertProblems(
    problems(['participant_id age', '1 2']),
    /^label : no column diagnosis, label or group.*it has participant_id, age/,
  )
  assertProblems(problems(['participant_id age', '1 2'], {}, { unlabelled: true }))
  assertProblems(problems([SOUND[0]!]), /^participant : the table has no rows$/)
  const gone = checkCohort(
    leaveOut(cohortOf(SOUND), () => 'why'),
    undefined,
  )
  assert.match(gone.problems[0]!.message, /no rows after 3 were left out/)
})

test('a decimal comma is told', () => {
  const german = cohortOf(['participant_id label age', '1 CN 73,6', '2 AD 70'])
  assert.equal(
    readCovariates(german, ['age']).faults.map(({ detail }) => detail),
    ['age "73,6" has a decimal comma; write a point'],
  )
})

test('labels that differ in capitals alone are no two classes', () => {
  const rows = [...SOUND, 'sub-4 M0 ad 70 M']
  assertProblems(
    problems(rows),
    /^label : classes in the column "diagnosis" that differ in capitals alone: AD, ad; write/,
  )
  assertProblems(problems(rows, { labels: 'AD=AD,ad=AD,CN=CN' }))
})

test('participants: nobody, names that would lead elsewhere, one twice', () => {
  const [head, ...rows] = SOUND
  assertProblems(problems([head!, ...rows, 'n/a M0 CN 70 F']), /^participant 5: rows without a participant_id/)
  const odd = checkCohort(
    cohortOf([head!, ...rows, '../x M0 CN 70 F', 'sub-3 a/b CN 7 F', '.y M0 CN 7 F', 'a\u0007 M0 CN 7 F']),
    undefined,
  )
  assert.is(odd.problems.length, 1)
  assert.equal(
    odd.problems[0]!.rows.map((row) => row.detail),
    [
      '"../x" holds a slash and could lead to another folder',
      '"a/b" holds a slash and could lead to another folder',
      '".y" begins with a dot and would name a hidden file or another folder',
      '"a\\u0007" holds a control character',
    ],
  )
  assertProblems(
    problems([head!, ...rows, '2 ses-M6 AD 70 M', 'sub-1 M0 CN 70 F']),
    /^duplicate 2,6: 2 rows of one participant and session/,
    /^duplicate 4,5: 2 rows of one participant and session/,
  )
  assertProblems(
    problems(['participant_id label', '1 CN', 'sub-1 CN', '2 AD']),
    /^duplicate 2,3: 2 rows of one participant;/,
  )
})

test('a participant who changes class is told of, and no fault', () => {
  const { problems: none, notes } = checkCohort(cohortOf([...SOUND, 'sub-1 M6 AD 70 F']), undefined)
  assert.equal(none, [])
  assert.match(notes[0]!, /^1 participants change class between sessions \(sub-1\).*first session$/)
})

test('covariates: missing, not finite, of no possible age, without a column, named twice', () => {
  const lines = [
    ...SOUND,
    'sub-3 M0 CN n/a F',
    'sub-4 M0 CN Infinity F',
    'sub-5 M0 CN old x',
    'sub-6 M0 CN 840 n/a',
    'sub-7 M0 CN -1 F',
  ]
  assertProblems(
    problems(lines, {}, { covariates: ['age', 'height', 'sex'] }),
    /^covariate : c\.tsv has no column for the covariate height; it has participant_id/,
    /^covariate 5: rows without the covariate age/,
    /^covariate 6,7,8,9: values of the covariate age that cannot be used/,
    /^covariate 8: rows without the covariate sex/,
    /^covariate 7: values of the covariate sex/,
  )
  assertProblems(problems(SOUND, {}, { covariates: ['age', 'age'] }), /age is named twice/)
  const report = checkCohort(cohortOf(lines), undefined, { covariates: ['age'] })
  assert.equal(
    report.problems[1]!.rows.map((row) => row.detail),
    [
      'age "Infinity" is not a finite number',
      'age "old" is not a finite number',
      'age "840" is no age in years (0 to 130)',
      'age "-1" is no age in years (0 to 130)',
    ],
  )
})

test('missing covariates: rows dropped, or means put in', () => {
  const lines = [...SOUND, 'sub-3 M0 CN n/a F']
  const cohort = cohortOf(lines)
  const dropped = dropMissing(cohort, ['age', 'height'])
  assert.equal(
    dropped.rows.map((row) => row.line),
    [2, 3, 4],
  )
  assert.equal(checkCohort(dropped, undefined, { covariates: ['age'], missing: 'drop' }).notes, [
    '1 row was left out: no age',
  ])
  const report = checkCohort(cohort, undefined, { covariates: ['age', 'sex'], missing: 'mean' })
  assert.equal(report.problems, [])
  const { covariates } = report
  assert.equal(covariateMeans(covariates!, [0, 2, 3]), [70.75, 2 / 3])
  assert.equal([...fillCovariates(covariates!, [70.75, 0.5])], [70, 1, 71, 0, 71.5, 0, 70.75, 1])
  fails(() => covariateMeans(covariates!, [3]), /age is missing in every row/)
})

test('sex, head size and field strength mean the same in every cohort', () => {
  const read = (name: string, column: string, cells: string[]) => {
    const lines = cells.map((cell, n) => `${n}\t${cell}`)
    const table = `participant_id\t${column}\n${lines.join('\n')}`
    const covariates = readCovariates(parseCohort(table), [name])
    return { ...covariates, values: [...covariates.values] }
  }
  assert.equal(read('sex', 'Gender', ['M', 'female', 'Man', 'f']).values, [0, 1, 0, 1])
  assert.equal(read('sex', 'sex', ['1', '2', '1.0']).values, [0, 1, 0])
  assert.match(read('sex', 'sex', ['1', '2']).notes[0]!, /1 was taken as male and 2 as female/)
  assert.equal(read('sex', 'sex', ['0', '1']).values, [0, 1])
  for (const codes of [
    ['1', '1'],
    ['0', '2'],
    ['0', '1', '2'],
  ])
    assert.is(read('sex', 'sex', codes).faults.length, codes.length)
  assert.is(
    read('sex', 'sex', ['other', 'M']).faults[0]!.detail,
    'sex "other" is not M, F, male, female or a code 0/1 or 1/2',
  )
  assert.equal(read('tiv', 'tiv_ml', ['1400', '1500']).values, [1400, 1500])
  assert.equal(read('tiv', 'eTIV', ['1400000', '1500000']).values, [1400, 1500])
  assert.match(read('tiv', 'eTIV', ['1400000']).notes[0]!, /column eTIV: head sizes of mm3 were turned into ml/)
  assert.equal(read('tiv', 'ICV', ['1.4', '1.5']).values, [1400, 1500])
  assert.is(read('tiv', 'tiv', ['1400', '1.5', '1500000']).faults.length, 2)
  assert.equal(read('field_strength', 'MagneticFieldStrength', ['3T', '1.5 Tesla', '3']).values, [3, 1.5, 3])
  assert.equal(read('MagneticFieldStrength', 'MagneticFieldStrength', ['3']).names, ['field_strength'])
  assert.equal(read('mmse', 'mmse', ['29']).values, [29])
})

test('an unsound cohort ends work with the first problem and the number of others', () => {
  const cohort = cohortOf([...SOUND, 'n/a M0 CN 70 F', 'n/a M0 CN 70 F', 'n/a M0 CN 7 F', 'n/a M0 MCI 7 F'], {
    labels: 'AD=1,CN=0',
  })
  const report = checkCohort(cohort, undefined)
  fails(
    () => requireSound(cohort, report),
    /^c\.tsv: rows without a participant_id/,
    /nobody M0 \(line 5\).*and 1 more\]; 1 more problems; `voxplain cohort`/,
  )
  requireSound(cohort, { problems: [] })
})

test.run()
