/** voxplain cohort: the table of a sound cohort, all problems of another, and refusals. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('voxplain cohort')
let place: Place
test.before(async () => {
  place = await makePlace()
  for (const name of ['a', 'b', 'c', 'd']) await place.scan(`${name}.nii.gz`, tinyScan(name.charCodeAt(0)))
  await place.scan('odd.nii', tinyScan(1, [10, 14, 12]))
})
test.after(() => place.clear())

const table = (...lines: string[]) =>
  place.file('cohort.tsv', new TextEncoder().encode(lines.map((line) => line.replace(/ +/g, '\t')).join('\r\n')))

const HEAD = 'participant_id session_id diagnosis age sex path'
const SOUND = [
  HEAD,
  '1 M0 CN 70 F a.nii.gz',
  '1 M6 CN 70.5 F b.nii.gz',
  '2 M0 AD 80 M c.nii.gz',
  '3 M6 MCI n/a M d.nii.gz',
]

test('a sound cohort: counts for each class, session and sex, ages, grid, and exit code 0', async () => {
  const { code, out, err } = await voxplain(
    'cohort',
    await table(...SOUND),
    '--covariates',
    'age,sex',
    '--missing',
    'mean',
  )
  assert.is(code, 0)
  assert.is(err, '')
  assert.equal(out.split('\n').slice(0, -1), [
    'class  participants  scans  M0  M6  women  men          age         range',
    'CN                1      2   1   1      1    0  70.3 +- 0.4  70.0 to 70.5',
    'MCI               1      1   0   1      0    1            -             -',
    'AD                1      1   1   0      0    1  80.0 +- 0.0  80.0 to 80.0',
    'all               3      4   2   2      1    2  73.5 +- 5.6  70.0 to 80.0',
    'labels      column diagnosis',
    'scans       column path',
    'grid        12 x 14 x 12 voxels of 2 mm, RAS',
    'covariates  age, sex',
  ])
})

test('an unsound one: every problem with its rows, and exit code 1', async () => {
  const file = await table(...SOUND, '4 M0 AD 60 M odd.nii', '2 M0 AD 80 M none.nii', '5 M0 SMC x F a.nii.gz')
  const { code, out } = await voxplain('cohort', file, '--label', 'AD=1,MCI=1,CN=0', '--covariates', 'age')
  assert.is(code, 1)
  const parts = [
    /problem 1 of 7: 2 rows of one participant and session;.*\n {2}2 M0 \(line 4\)\n {2}2 M0 \(line 7\)\n/,
    /problem 2 of 7: labels .* none of the classes CN, AD\+MCI: "SMC".*\n {2}5 M0 \(line 8\): SMC\n/,
    /problem 3 of 7: rows without the covariate age.*\n {2}3 M6 \(line 5\)/,
    /problem 4 of 7: values of the covariate age .*\n {2}5 M0 \(line 8\): age "x" is not a finite number\n/,
    /problem 5 of 7: scans that are missing\n {2}2 M0 \(line 7\): .*none\.nii\n/,
    /problem 6 of 7: one file is named by 2 rows.*\n {2}1 M0 \(line 2\)/,
    /problem 7 of 7: another grid \(shape 10 x 14 x 12\) than most scans have.*\n {2}4 M0 \(line 6\)/,
  ]
  for (const part of parts) assert.match(out, part)
})

test('--json: one document with the same', async () => {
  const sound = JSON.parse((await voxplain('cohort', await table(...SOUND), '--json')).out)
  assert.is(sound.sound, true)
  assert.equal(sound.classes, ['CN', 'MCI', 'AD'])
  assert.equal(sound.grid.shape, [12, 14, 12])
  assert.is(sound.summary.classes[0].participants, 1)
  const run = await voxplain('cohort', await table(...SOUND), '--label', 'AD=1,CN=0', '--json')
  const unsound = JSON.parse(run.out)
  assert.equal([run.code, unsound.sound, run.err], [1, false, ''])
  assert.equal(unsound.problems[0].rows, [{ line: 5, name: '3 M6 (line 5)', detail: 'MCI' }])
  const dropped = await voxplain('cohort', await table(...SOUND), '--label', 'AD=1,CN=0', '--drop-unmapped', '--json')
  assert.is(dropped.code, 0)
  assert.equal(JSON.parse(dropped.out).leftOut, [{ line: 5, participant: '3', reason: 'label "MCI" is in no class' }])
})

test('scans from a BIDS folder, a CAPS folder and by a pattern', async () => {
  const file = await table('participant_id session_id group', 'sub-1 M0 CN', 'sub-2 M0 AD')
  const caps = 't1/spm/dartel/group-X'
  for (const id of ['1', '2']) {
    const stem = `sub-${id}_ses-M0`
    const scan = tinyScan(Number(id))
    await place.file(`bids/sub-${id}/ses-M0/anat/x`, new Uint8Array(1))
    await place.file(`caps/subjects/sub-${id}/ses-M0/${caps}/x`, new Uint8Array(1))
    await place.scan(`bids/sub-${id}/ses-M0/anat/${stem}_space-MNI_label-GM_probseg.nii`, scan)
    await place.scan(`bids/sub-${id}/ses-M0/anat/${stem}_other.nii`, scan)
    await place.scan(
      `caps/subjects/sub-${id}/ses-M0/${caps}/${stem}_segm-graymatter_space-Ixi549Space_modulated-off_probability.nii`,
      scan,
    )
  }
  const runs = [
    ['--bids', join(place.folder, 'bids')],
    ['--bids', join(place.folder, 'bids'), '--pattern', '*_other.nii'],
    ['--pattern', 'bids/sub-*/ses-*/anat/*_other.nii'],
    ['--caps', join(place.folder, 'caps'), '--modulated', 'off'],
  ]
  for (const options of runs) {
    const { code, out } = await voxplain('cohort', file, ...options)
    assert.is(code, 0, out)
    assert.match(out, /12 x 14 x 12 voxels/)
  }
  const modulated = await voxplain('cohort', file, '--caps', join(place.folder, 'caps'))
  assert.is(modulated.code, 1)
  assert.match(modulated.out, /sub-1 M0 \(line 2\): no file in .*modulated-on_probability/)
})

test('what leaves no cohort to check is refused in one line', async () => {
  assertRefused(await voxplain('cohort', 'none.tsv'), 2, 'none.tsv does not exist')
  assertRefused(await voxplain('cohort', await table('id path', '1 a')), 2, 'no column participant_id; it has id, path')
  assertRefused(await voxplain('cohort', await table(HEAD, '1 M0')), 2, 'the header has 6 columns, but line 2 has 2')
  const file = await table(...SOUND)
  assertRefused(await voxplain('cohort', file, '--label', 'AD'), 2, '"AD" is not of the form LABEL=CLASS')
  assertRefused(await voxplain('cohort', file, '--label-column', 'dx'), 2, 'no column "dx"')
  assertRefused(await voxplain('cohort', file, '--path', 'scan'), 2, 'no column "scan"')
  assertRefused(
    await voxplain('cohort', file, '--bids', place.folder, '--caps', place.folder),
    2,
    'bids and caps were given',
  )
  assertRefused(await voxplain('cohort', file, '--pattern', '../*'), 2, 'would lead out of its folder')
  assertRefused(await voxplain('cohort', file, '--missing', 'guess'), 2, '--missing', 'refuse, drop, mean')
  assertRefused(await voxplain('cohort', file, '--label', 'AD=1,CN=0', '--classes', 'AD'), 2, 'not both')
})

test.run()
