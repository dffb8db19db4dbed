/** Checks of a cohort with its files: what headers say, one file under several names, rows that are left out. */
import { link, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import type { CohortOptions } from '../src/io/cohort/cohort.ts'
import { openCheckedCohort, readScanFacts } from '../src/io/cohort/cohort-check.node.ts'
import { writePhantom } from '../src/phantom/write.node.ts'
import { buildNifti, type Recipe } from './io-nifti-build.ts'
import { folderSuite, put, table } from './support/cohort-files.ts'

const test = folderSuite('checking cohorts')

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
  const flip = (bytes: Uint8Array, from: number) =>
    bytes.map((byte, n) => (n === bytes.length + from ? byte ^ 1 : byte))
  const padded = (zeros: number) => gzipSync(Buffer.concat([nifti(), Buffer.alloc(zeros)]))
  const files: Record<string, [Uint8Array | string, RegExp?]> = {
    'a.nii': [nifti()],
    'a.nii.gz': [whole],
    'padded.nii.gz': [padded(100)],
    'parts.nii.gz': [Buffer.concat([gzipSync(nifti().subarray(0, 5000)), gzipSync(nifti().subarray(5000))])],
    'named.nii.gz': [longName(whole)],
    'empty.nii': ['', /is empty/],
    'text.nii': ['not a volume at all', /not a NIfTI file/],
    'cut.nii': [nifti().subarray(0, 9000), /truncated/],
    'cut.nii.gz': [whole.subarray(0, whole.length - 3000), /truncated or damaged/],
    'header.nii.gz': [whole.subarray(0, 30), /truncated|damaged/],
    'short.nii.gz': [gzipSync(nifti().subarray(0, 9000)), /declares 16736 bytes and decompresses to 9000/],
    'broken.nii.gz': [broken, /damaged gzip/],
    'trailer.nii.gz': [flip(whole, -1), /truncated or damaged/],
    'rotten.nii.gz': [flip(padded(200000), -5), /truncated or damaged/],
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

test.run()
