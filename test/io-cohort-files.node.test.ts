/** Cohorts on disk: scans by column, BIDS, CAPS and pattern; what headers say; folders of splits. */
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cohort, CohortOptions } from '../src/io/cohort.ts'
import { openCheckedCohort, readScanFacts } from '../src/io/cohort-check.node.ts'
import { openCohort, type ScanSource } from '../src/io/cohort-files.node.ts'
import { InputError } from '../src/io/errors.ts'
import { readSplitFolder } from '../src/io/split-files.node.ts'
import { writePhantom } from '../src/phantom/write.node.ts'
import { buildNifti, type Recipe } from './io-nifti-build.ts'

const test = suite('cohorts on disk', { folder: '' })
test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'voxplain-cohort-'))
})
test.after.each(async ({ folder }) => {
  await rm(folder, { recursive: true, force: true })
})

async function fails(promise: Promise<unknown>, ...patterns: RegExp[]) {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  assert.instance(error, InputError)
  for (const pattern of patterns) assert.match(error!.message, pattern)
}

async function put(path: string, content: Uint8Array | string = ''): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  return path
}

/** A table from lines of cells with blanks between them, written to a folder. */
const table = (folder: string, ...lines: string[]) =>
  put(join(folder, 'c.tsv'), lines.map((line) => line.replace(/ +/g, '\t')).join('\n'))

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
  await fails(openCohort(file, { path: 'none' }), /no column "none" \(it has participant_id, label, scan, other\)/)
  await fails(
    openCohort(await table(folder, 'participant_id label', '1 CN')),
    /none of the columns path, scan/,
    /BIDS or CAPS/,
  )
  await fails(openCohort(join(folder, 'no.tsv')), /no\.tsv does not exist/)
})

test('two sources at once, and folders that are none', async ({ folder }) => {
  const file = await table(folder, ...IDS)
  await fails(openCohort(file, { bids: folder, caps: folder }), /bids and caps were given/)
  await fails(openCohort(file, { path: 'label', pattern: '*' }), /path and pattern were given/)
  await fails(openCohort(file, { bids: join(folder, 'no') }), /no does not exist/)
  await fails(openCohort(file, { caps: file }), /is a file, not a folder/)
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
  await fails(openCohort(file, { pattern: '../{participant}.nii' }), /lead out of its folder/)
  const bySession = await table(inside, 'participant_id session_id label', 'sub-1 ../../sub-x CN')
  assert.match(scansOf(await openCohort(bySession, { bids: inside }), inside)[0]!, /"\.\.\/\.\.\/sub-x" holds a slash/)
})

test('a phantom cohort is sound as it is written, by its column and as BIDS', async ({ folder }) => {
  await writePhantom(folder, { subjects: 4, voxelMm: 20 })
  const file = join(folder, 'participants.tsv')
  for (const source of [{}, { bids: folder }]) {
    const { cohort, report } = await openCheckedCohort(file, { ...source, covariates: ['age', 'sex', 'tiv'] })
    assert.equal(report.problems, [])
    assert.equal(report.notes, [])
    assert.ok(cohort.rows.every((row) => /desc-phantom/.test(row.scan!)))
    assert.is(report.summary.participants, 4)
    assert.ok(report.summary.grid)
  }
})

const AFFINE = [2, 0, 0, -9, 0, 2, 0, -11, 0, 0, 2, -9]
/** Values that do not compress to nothing, or a cut would lose no voxel. */
const noise = Array.from({ length: 4096 }, (_, n) => Math.sin(n * n))
const nifti = (recipe: Recipe = {}) =>
  buildNifti({ dims: [16, 16, 16], values: noise, sform: { code: 4, rows: AFFINE }, ...recipe })

test('headers: plain and gzipped, and each way in which a file cannot be used', async ({ folder }) => {
  const at = (name: string) => join(folder, name)
  const whole = gzipSync(nifti())
  const broken = Uint8Array.from(whole)
  broken.fill(0xff, 12, 200)
  const files: Record<string, [Uint8Array | string, RegExp?]> = {
    'a.nii': [nifti()],
    'a.nii.gz': [whole],
    'padded.nii.gz': [gzipSync(Buffer.concat([nifti(), Buffer.alloc(100)]))],
    'parts.nii.gz': [Buffer.concat([gzipSync(nifti().subarray(0, 5000)), gzipSync(nifti().subarray(5000))])],
    'named.nii.gz': [longName(whole)],
    'empty.nii': ['', /is empty/],
    'text.nii': ['not a volume at all', /not a NIfTI file/],
    'cut.nii': [nifti().subarray(0, 9000), /truncated/],
    'cut.nii.gz': [whole.subarray(0, whole.length - 3000), /truncated or damaged/],
    'header.nii.gz': [whole.subarray(0, 30), /truncated|damaged/],
    'short.nii.gz': [gzipSync(nifti().subarray(0, 9000)), /declares 16736 bytes and decompresses to 9000/],
    'broken.nii.gz': [broken, /damaged gzip/],
    'slanted.nii': [nifti({ sform: { code: 4, rows: new Array(12).fill(0) } }), /does not place voxels/],
  }
  for (const [name, [content]] of Object.entries(files)) await put(at(name), content)
  await mkdir(at('folder.nii'))
  const facts = await readScanFacts([...Object.keys(files), 'folder.nii', 'none.nii', 'a.nii/x'].map(at))
  for (const [name, [, fault]] of Object.entries(files)) {
    const own = facts.get(at(name))!
    if (fault) assert.match(own.fault?.message ?? `${name} was taken`, fault)
    else assert.equal([own.fault, own.grid], [undefined, { shape: [16, 16, 16], affine: [...AFFINE, 0, 0, 0, 1] }])
  }
  assert.match(facts.get(at('folder.nii'))!.fault!.message, /is a folder/)
  assert.is(facts.get(at('none.nii'))!.fault!.kind, 'missing')
  assert.is(facts.get(at('a.nii/x'))!.fault!.kind, 'missing')
})

/** A gzip file whose own header carries a name too long for the first read. */
function longName(gzip: Uint8Array): Uint8Array {
  const head = Uint8Array.from(gzip.subarray(0, 10))
  head[3] = 8
  return Buffer.concat([head, Buffer.alloc(5000, 'n'), Buffer.from([0]), gzip.subarray(10)])
}

test('one file under several names is noticed, links included; a copy is noted', async ({ folder }) => {
  const lines = ['a.nii.gz CN', './a.nii.gz AD', 'hard.nii.gz AD', 'soft.nii.gz CN', 'copy.nii.gz CN', 'b.nii.gz AD']
  await put(join(folder, 'a.nii.gz'), gzipSync(nifti()))
  await put(join(folder, 'copy.nii.gz'), gzipSync(nifti()))
  await put(join(folder, 'b.nii.gz'), gzipSync(nifti({ values: noise.map((v) => -v) })))
  await link(join(folder, 'a.nii.gz'), join(folder, 'hard.nii.gz'))
  await symlink('a.nii.gz', join(folder, 'soft.nii.gz'))
  const file = await table(folder, 'participant_id path label', ...lines.map((line, n) => `${n} ${line}`))
  const { report } = await openCheckedCohort(file)
  assert.equal(
    report.problems.map(({ kind, rows }) => [kind, rows.map((row) => row.line)]),
    [['same-file', [2, 3, 4, 5]]],
  )
  assert.is(report.notes.length, 1)
  assert.match(report.notes[0]!, /^0, 1, 2, 3, 4 have scans with the same content/)
})

test('rows left out are not looked for', async ({ folder }) => {
  await put(join(folder, 'a.nii'), nifti())
  await put(join(folder, 'b.nii'), nifti())
  const file = await table(
    folder,
    'participant_id label age path',
    '1 CN 70 a.nii',
    '2 AD 71 b.nii',
    '3 MCI 72 c.nii',
    '4 AD n/a d.nii',
  )
  const options: CohortOptions = { labels: 'AD=1,CN=0', unmapped: 'drop' }
  const { cohort, report } = await openCheckedCohort(file, { ...options, covariates: ['age'], missing: 'drop' })
  assert.equal(report.problems, [])
  assert.equal(
    cohort.rows.map((row) => row.participant),
    ['1', '2'],
  )
  assert.equal(
    cohort.leftOut.map(({ row }) => row.participant),
    ['3', '4'],
  )
})

test('folders of splits as ClinicaDL writes them', async ({ folder }) => {
  const set = (path: string, ...ids: string[]) =>
    put(
      join(folder, path),
      ['participant_id\tsession_id\tdiagnosis', ...ids.map((id) => `${id}\tses-M0\tCN`)].join('\n'),
    )
  await set('split-0/train.tsv', 'sub-1', 'sub-2')
  await set('split-0/validation_baseline.tsv', 'sub-3')
  await set('split-10/train.tsv', 'sub-3')
  await set('split-10/validation.tsv', 'sub-1')
  await set('split-2/train.tsv', 'sub-3')
  await set('split-2/validation.tsv', 'sub-2')
  await set('split-2/test.tsv', 'sub-8')
  await set('test_baseline.tsv', 'sub-9')
  const splits = await readSplitFolder(folder)
  assert.equal(
    splits.map((split) => split.name),
    ['split-0', 'split-2', 'split-10'],
  )
  assert.equal(splits[0], {
    name: 'split-0',
    train: [
      { participant: 'sub-1', session: 'ses-M0' },
      { participant: 'sub-2', session: 'ses-M0' },
    ],
    validation: [{ participant: 'sub-3', session: 'ses-M0' }],
    test: [{ participant: 'sub-9', session: 'ses-M0' }],
  })
  assert.equal(splits[1]!.test, [{ participant: 'sub-8', session: 'ses-M0' }])
  await put(join(folder, 'split-3/train.tsv'), 'participant_id\n1\n')
  await fails(readSplitFolder(folder), /split-3 has no validation\.tsv or validation_baseline\.tsv/)
  await put(join(folder, 'split-3/validation.tsv'), 'id\n1\n')
  await fails(readSplitFolder(folder), /no column participant_id; it has id/)
  await put(join(folder, 'split-3/validation.tsv'), 'participant_id\tx\nn/a\t1\n')
  await fails(readSplitFolder(folder), /validation\.tsv, line 2: no participant_id/)
  await fails(readSplitFolder(join(folder, 'split-0')), /holds no folders split-0/)
  await fails(readSplitFolder(join(folder, 'none')), /is no folder that can be read/)
})

test.run()
