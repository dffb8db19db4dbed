/** voxplain regions: numbers against a count over voxels written here, on another grid than the atlas, and what is refused. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeVolume } from '../src/io/nifti.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { type Volume, voxelToWorld } from '../src/io/volume.ts'
import { assertRefused, makePlace, type Place, voxplain } from './support/cli.ts'
import { values } from './support/evaluate.ts'

const test = suite('regions')
let place: Place
let [atlas, one, two, tissue] = ['', '', '', '']

/** Sagittal slabs of 6 mm: 1 on the left of x = 0, 2 on its right, 0 beyond y = 8 mm. */
const labelAt = ([x, y]: readonly number[]) => (y! > 8 ? 0 : x! < 0 ? 1 : 2)

function volume(shape: Volume['shape'], affine: number[], value: (mm: readonly number[], v: number) => number): Volume {
  const [nx, ny, nz] = shape
  const data = Float32Array.from({ length: nx * ny * nz }, (_, v) =>
    value(voxelToWorld(affine, v % nx, Math.floor(v / nx) % ny, Math.floor(v / nx / ny)), v),
  )
  return { shape, affine, data }
}

const FINE = [2, 0, 0, -11, 0, 2, 0, -11, 0, 0, 2, -11, 0, 0, 0, 1]
/** Flipped along x, coarser, and its axes in another order. */
const TURNED = [0, -3, 0, 10.5, 3, 0, 0, -10.5, 0, 0, 3, -10.5, 0, 0, 0, 1]
const noise = [values(512, 3), values(512, 4)]
const maps = noise.map((list) => volume([8, 8, 8], TURNED, (_, v) => list[v]!))
const grey = volume([8, 8, 8], TURNED, (mm) => (mm[2]! > 0 ? 0.5 : 1))

test.before(async () => {
  place = await makePlace()
  atlas = await place.file('slabs.nii', writeVolume(volume([12, 12, 12], FINE, labelAt)))
  await place.file('slabs.tsv', new TextEncoder().encode('index\tname\n1\tSlab_L\n2\tSlab_R\n3\tNowhere_L\n'))
  one = await place.scan('one.nii.gz', maps[0]!)
  two = await place.scan('two.nii.gz', maps[1]!)
  tissue = await place.scan('grey.nii.gz', grey)
})
test.after(() => place.clear())

/** What a region of a map holds, voxel by voxel. */
function counted(map: Volume, label: number) {
  const inside = [...map.data.keys()].filter((v) => {
    const mm = voxelToWorld(map.affine, v % 8, Math.floor(v / 8) % 8, Math.floor(v / 64))
    return mm.every((at) => Math.abs(at) < 12) && labelAt(mm) === label
  })
  const total = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0)
  const sum = total(inside.map((v) => map.data[v]!))
  const tissueMm3 = 27 * total(inside.map((v) => grey.data[v]!))
  return {
    voxels: inside.length,
    mean: sum / inside.length,
    density: sum / inside.length / 27,
    perTissue: sum / tissueMm3,
  }
}

test('two maps on a turned grid: every line of the table, and the ranking by means', async () => {
  const out = join(place.folder, 'regions.tsv')
  const run = await voxplain(
    'regions',
    one,
    two,
    '--atlas',
    atlas,
    '--tissue',
    tissue,
    '--by',
    'perTissue',
    '--out',
    out,
  )
  assert.is(run.code, 0, run.err)
  const { rows } = parseTsv(await readFile(out, 'utf8'))
  assert.is(rows.length, 4)
  const means = [0, 0]
  for (const [m, path] of [one, two].entries()) {
    for (const label of [1, 2]) {
      const row = rows.find((own) => own.map === path && own.labels === String(label))!
      const wanted = counted(maps[m]!, label)
      assert.is(Number(row.voxels), wanted.voxels)
      assert.ok(Math.abs(Number(row.mean) - wanted.mean) < 1e-9)
      assert.ok(Math.abs(Number(row.density_per_mm3) - wanted.density) < 1e-9)
      assert.ok(Math.abs(Number(row.per_tissue_mm3) - wanted.perTissue) < 1e-9)
      means[label - 1]! += wanted.perTissue / 2
    }
  }
  const first = means[0]! > means[1]! ? 'Slab_L' : 'Slab_R'
  assert.match(run.out.split('\n')[1]!, first)
  assert.match(run.out, / of 2/)
})

test('sides together, and the document for machines', async () => {
  const run = await voxplain('regions', one, '--atlas', atlas, '--merge-sides', '--json')
  assert.is(run.code, 0, run.err)
  const { regions } = JSON.parse(run.out)
  assert.is(regions.length, 1)
  assert.is(regions[0].voxels, counted(maps[0]!, 1).voxels + counted(maps[0]!, 2).voxels)
})

test('what cannot be ranked is refused', async () => {
  const far = await place.scan('far.nii.gz', { ...maps[0]!, affine: TURNED.map((v, n) => (n === 3 ? v + 500 : v)) })
  assertRefused(await voxplain('regions', far, '--atlas', atlas), 2, 'overlap')
  assertRefused(await voxplain('regions', one, '--atlas', join(place.folder, 'none.nii')), 2, 'none.nii')
  assertRefused(await voxplain('regions', join(place.folder, 'none.nii'), '--atlas', atlas), 2, 'does not exist')
  assertRefused(await voxplain('regions', one, '--atlas', atlas, '--by', 'perTissue'), 2, '--tissue')
  assertRefused(
    await voxplain('regions', one, '--atlas', atlas, '--tissue', far),
    2,
    'the tissue is nothing but 0',
    one,
  )
  assertRefused(await voxplain('regions', one), 2, '--atlas')
})

test.run()
