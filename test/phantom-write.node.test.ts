import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readVolumeFile } from '../src/io/files.node.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { phantomCohort } from '../src/phantom/cohort.ts'
import { writePhantom } from '../src/phantom/write.node.ts'

const options = { subjects: 3, voxelMm: 8, seed: 11, groups: ['CN', 'MCI', 'AD'] as const }

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'phantom-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('writes scans, atrophy maps, atlas and tables that read back', () =>
  inFolder(async (root) => {
    const folder = join(root, 'new', 'cohort')
    const progress: number[] = []
    const rows = await writePhantom(folder, { ...options, onProgress: (done) => progress.push(done) })
    assert.equal(progress, [1, 2, 3])
    const text = async (name: string) => await readFile(join(folder, name), 'utf8')
    const table = parseTsv(await text('participants.tsv'))
    assert.equal(table.columns, Object.keys(JSON.parse(await text('participants.json'))))
    assert.equal(
      table.rows.map((row) => row.diagnosis),
      ['CN', 'MCI', 'AD'],
    )
    assert.is(table.rows[0]!.subtype, null)
    assert.is(table.rows[0]!.gm_lost_ml, '0')
    assert.ok(Number(table.rows[2]!.gm_lost_ml) > 1)
    assert.is(JSON.parse(await text('dataset_description.json')).DatasetType, 'derivative')

    const cohort = phantomCohort(options)
    for (const [number, row] of rows.entries()) {
      assert.is(table.rows[number]!.path, row.path)
      const made = cohort.subject(number)
      for (const [path, volume] of [[row.path, made.scan] as const, [row.atrophy_path, made.atrophy] as const]) {
        const read = await readVolumeFile(join(folder, path))
        assert.equal(read.shape, volume.shape)
        assert.equal([...read.affine], [...volume.affine])
        assert.ok(read.data.every((value, v) => value === volume.data[v]))
      }
    }
    const atlas = await readVolumeFile(join(folder, 'atlas-phantom_space-MNI152_dseg.nii.gz'))
    assert.ok(atlas.data.every((value, v) => value === cohort.atlas.data[v]))
    const labels = parseTsv(await text('atlas-phantom_space-MNI152_dseg.tsv'))
    assert.equal(labels.columns, ['index', 'name'])
    assert.equal(labels.rows[40], { index: '4101', name: 'Hippocampus_L' })
  }))

test('the same options write the same bytes', () =>
  inFolder(async (root) => {
    const hashes = []
    for (const name of ['a', 'b']) {
      await writePhantom(join(root, name), { ...options, subjects: 2 })
      const files = (await readdir(join(root, name), { recursive: true, withFileTypes: true })).filter((f) =>
        f.isFile(),
      )
      const hash = createHash('sha256')
      for (const path of files.map((f) => join(f.parentPath, f.name)).sort()) hash.update(await readFile(path))
      hashes.push(hash.digest('hex'))
      assert.is(files.length, 5 + 2 * 2)
    }
    assert.is(hashes[0], hashes[1])
  }))

test('writes over an earlier phantom, never over another data set', () =>
  inFolder(async (root) => {
    await writePhantom(root, { ...options, subjects: 2 })
    await writePhantom(root, { ...options, subjects: 1 })
    assert.is(parseTsv(await readFile(join(root, 'participants.tsv'), 'utf8')).rows.length, 1)
    await writeFile(join(root, 'dataset_description.json'), '{"Name": "a study"}')
    const refusal = await writePhantom(root, options).catch((error: Error) => error.message)
    assert.match(String(refusal), /another data set/)
    assert.is(parseTsv(await readFile(join(root, 'participants.tsv'), 'utf8')).rows.length, 1)
  }))

test('refuses a folder it cannot make', () =>
  inFolder(async (root) => {
    await writeFile(join(root, 'file'), '')
    try {
      await writePhantom(join(root, 'file', 'cohort'), options)
      assert.unreachable('it should have refused')
    } catch (error) {
      assert.is((error as Error).name, 'InputError')
      assert.match((error as Error).message, /cannot make the folder/)
    }
  }))

test.run()
