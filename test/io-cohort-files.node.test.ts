/** Scans of a cohort on disk: by column, BIDS, CAPS and pattern. */
import { mkdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import * as assert from 'uvu/assert'
import type { Cohort } from '../src/io/cohort/cohort.ts'
import { openCheckedCohort } from '../src/io/cohort/cohort-check.node.ts'
import { openCohort, type ScanSource } from '../src/io/cohort/cohort-files.node.ts'
import { folderSuite, put, refuses, table } from './support/cohort-files.ts'

const test = folderSuite('finding scans')

/** Scans relative to a folder; a row without one by the beginning of why. */
const scansOf = ({ rows }: Cohort, folder: string) =>
  rows.map(({ scan, scanFault }) => (scan ? relative(folder, scan) : `(${scanFault})`))

const IDS = ['participant_id session_id label', 'sub-1 ses-M0 CN', 'sub-10 M0 AD']

const CAPS_NAME = (id: string, state: string) =>
  `sub-${id}_ses-M0_T1w_segm-graymatter_space-Ixi549Space_modulated-${state}_probability.nii.gz`

test('a path column: absolute or relative to the table, named or usual, empty cells', async ({ folder }) => {
  const file = await table(
    folder,
    'participant_id label scan other',
    `1 CN a.nii ${folder}/x`,
    '2 AD b/../../c.nii n/a',
  )
  const usual = await openCohort(file)
  assert.equal(scansOf(usual, folder), ['a.nii', join('..', 'c.nii')])
  assert.is(usual.source, 'column scan')
  assert.equal(scansOf(await openCohort(file, { path: 'other' }), folder), ['x', '(no path in the column "other")'])
  await refuses(openCohort(file, { path: 'none' }), /no column "none" \(it has participant_id, label, scan, other\)/)
  await refuses(
    openCohort(await table(folder, 'participant_id label', '1 CN')),
    /none of the columns path, scan/,
    /BIDS or CAPS/,
  )
  await refuses(openCohort(join(folder, 'no.tsv')), /no\.tsv does not exist/)
})

test('two sources at once, and folders that are none', async ({ folder }) => {
  const file = await table(folder, ...IDS)
  await refuses(openCohort(file, { bids: folder, caps: folder }), /bids and caps were given/)
  await refuses(openCohort(file, { path: 'label', pattern: '*' }), /path and pattern were given/)
  await refuses(openCohort(file, { bids: join(folder, 'no') }), /no does not exist/)
  await refuses(openCohort(file, { caps: file }), /is a file, not a folder/)
})

test('BIDS derivatives: with sessions, without, in a template space rather than the own one', async ({ folder }) => {
  const file = await table(folder, ...IDS)
  const name = (id: string, rest: string) =>
    join(folder, `sub-${id}/ses-M0/anat/sub-${id}_ses-M0_${rest}probseg.nii.gz`)
  for (const id of ['1', '10']) {
    await put(name(id, 'label-GM_'))
    await put(name(id, 'space-MNI152_label-GM_'))
    await put(name(id, 'space-MNI152_label-WM_'))
  }
  const found = await openCohort(file, { bids: folder })
  assert.equal(
    scansOf(found, folder),
    [name('1', 'space-MNI152_label-GM_'), name('10', 'space-MNI152_label-GM_')].map((path) => relative(folder, path)),
  )
  const white = await openCohort(file, { bids: folder, pattern: '*_label-WM_probseg.nii.gz' })
  assert.match(scansOf(white, folder).join(), /sub-1_ses-M0_space-MNI152_label-WM.*sub-10_ses-M0_space-MNI152_label-WM/)
  // Without a column of sessions the only session there is will do, and two are told.
  const bare = await table(folder, 'participant_id label', '1 CN', 'sub-10 AD', 'sub-2 AD')
  await put(join(folder, 'sub-1/ses-M6/anat/sub-1_space-MNI152_label-GM_probseg.nii'))
  const [one, ten, two] = scansOf(await openCohort(bare, { bids: folder }), folder)
  assert.match(one!, /2 files could be meant: sub-1\/ses-M0\/.*, sub-1\/ses-M6\/.*session_id/)
  assert.match(ten!, /^sub-10\/ses-M0/)
  assert.match(two!, /no file in .* is \{sub\}/)
})

test('CAT12 folders, and never maps of two pipelines in one cohort', async ({ folder }) => {
  const file = await table(folder, 'participant_id label', 'sub-1 CN', 'sub-2 AD', 'sub-3 AD')
  await put(join(folder, 'sub-1/anat/mri/mwp1sub-1_T1w.nii'))
  await put(join(folder, 'sub-2/mri/mwp1sub-2_T1w.nii.gz'))
  await put(join(folder, 'sub-3/anat/sub-3_space-MNI_label-GM_probseg.nii.gz'))
  const cat = await openCohort(file, { bids: folder })
  assert.equal(scansOf(cat, folder).slice(0, 2), ['sub-1/anat/mri/mwp1sub-1_T1w.nii', 'sub-2/mri/mwp1sub-2_T1w.nii.gz'])
  assert.match(scansOf(cat, folder)[2]!, /no file/)
  const flat = join(folder, 'flat')
  for (const id of ['1', '2', '3', '11']) await put(join(flat, `mri/mwp1sub-${id}_T1w.nii`))
  assert.equal(
    scansOf(await openCohort(file, { bids: flat }), flat),
    ['1', '2', '3'].map((id) => `mri/mwp1sub-${id}_T1w.nii`),
  )
})

for (const [layout, place] of [
  ['DARTEL', 't1/spm/dartel/group-ADNI'],
  ['segmentation alone', 't1/spm/segmentation/normalized_space'],
] as const) {
  test(`CAPS after ${layout}: modulated and not, smoothed and not`, async ({ folder }) => {
    const file = await table(folder, ...IDS)
    const name = (id: string, state: string) => `subjects/sub-${id}/ses-M0/${place}/${CAPS_NAME(id, state)}`
    for (const id of ['1', '10'])
      for (const state of ['on', 'off', 'on_fwhm-8mm']) await put(join(folder, name(id, state)))
    const look = async (source: ScanSource) => scansOf(await openCohort(file, source), source.caps!)
    assert.equal(await look({ caps: folder }), [name('1', 'on'), name('10', 'on')])
    assert.equal(await look({ caps: folder, modulated: 'off' }), [name('1', 'off'), name('10', 'off')])
    assert.equal(await look({ caps: folder, fwhm: 8 }), [name('1', 'on_fwhm-8mm'), name('10', 'on_fwhm-8mm')])
    assert.is((await look({ caps: join(folder, 'subjects') }))[0], name('1', 'on').slice('subjects/'.length))
  })
}

test('CAPS with both layouts: DARTEL', async ({ folder }) => {
  const file = await table(folder, ...IDS)
  const name = (place: string) => `subjects/sub-1/ses-M0/t1/spm/${place}/${CAPS_NAME('1', 'on')}`
  const places = ['dartel/group-A', 'segmentation/normalized_space'].map(name)
  for (const place of places) await put(join(folder, place))
  assert.is(scansOf(await openCohort(file, { caps: folder }), folder)[0], places[0])
})

test('hidden files, folders with the name of a file and rows of nobody are not taken', async ({ folder }) => {
  const file = await table(folder, 'participant_id label', 'sub-1 CN', 'n/a AD')
  const name = 'sub-1/anat/sub-1_label-GM_probseg.nii'
  await put(join(folder, name))
  await put(join(folder, 'sub-1/anat/._sub-1_label-GM_probseg.nii'))
  await mkdir(join(folder, `${name}.gz`))
  assert.equal(scansOf(await openCohort(file, { bids: folder }), folder), [name, '(no participant_id to look for)'])
  await put(join(folder, 'of-sub-1.nii'))
  const own = await openCohort(file, { pattern: '*{participant}*.nii' })
  assert.equal(scansOf(own, folder), ['of-sub-1.nii', '(no participant_id to look for)'])
})

test('CAPS with two DARTEL groups: told, and decided by a pattern', async ({ folder }) => {
  const file = await table(folder, ...IDS.slice(0, 2))
  const name = (group: string) => `subjects/sub-1/ses-M0/t1/spm/dartel/${group}/${CAPS_NAME('1', 'on')}`
  for (const group of ['group-A', 'group-B']) await put(join(folder, name(group)))
  assert.match(
    scansOf(await openCohort(file, { caps: folder }), folder)[0]!,
    /2 files could be meant: .*group-A.*group-B/,
  )
  const pattern = 'subjects/{sub}/{ses}/t1/spm/dartel/group-B/*_modulated-on_probability.nii.gz'
  assert.equal(scansOf(await openCohort(file, { caps: folder, pattern }), folder), [name('group-B')])
})

test('names that would lead elsewhere are refused with the value, and nothing outside is looked at', async ({
  folder,
}) => {
  const inside = join(folder, 'in')
  await mkdir(inside)
  await put(join(folder, 'sub-x/anat/sub-x_label-GM_probseg.nii.gz'))
  await put(join(folder, 'x.nii'))
  const file = await table(inside, 'participant_id label', '../sub-x CN', 'sub-/../../sub-x AD', '.. AD')
  const found = await openCohort(file, { bids: inside })
  for (const fault of scansOf(found, inside))
    assert.match(fault, /^\("(\.\.\/sub-x|sub-\/\.\.\/\.\.\/sub-x|\.\.)" (holds a slash|begins with a dot)/)
  const { report } = await openCheckedCohort(file, { bids: inside })
  assert.ok(report.problems.some(({ kind, rows }) => kind === 'participant' && rows.length === 3))
  await refuses(openCohort(file, { pattern: '../{participant}.nii' }), /lead out of its folder/)
  const bySession = await table(inside, 'participant_id session_id label', 'sub-1 ../../sub-x CN')
  assert.match(scansOf(await openCohort(bySession, { bids: inside }), inside)[0]!, /"\.\.\/\.\.\/sub-x" holds a slash/)
})

test.run()
