/** Region tables and similarities against sums written plainly, and the atlas of a network's input. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { regionsOfInput } from '../src/explain/regions/input-regions.ts'
import { formatRegionTable, regionTable, topRegions } from '../src/explain/regions/region-table.ts'
import { regionMeans, roiSimilarity, similarityMatrix } from '../src/explain/regions/similarity.ts'
import { type Atlas, atlasOnGrid, makeAtlas } from '../src/io/atlas/atlas.ts'
import { parseRegionNames } from '../src/io/atlas/region-names.ts'
import { readVolume } from '../src/io/nifti.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { type Affine, type Volume, voxelToWorld } from '../src/io/volume.ts'
import { architectures } from '../src/model/architectures.ts'
import { applyRecipe, readRecipe } from '../src/model/recipe/recipe.ts'
import { loadData, skip } from './support/data.ts'
import { assertClose, values } from './support/evaluate.ts'

const test = suite('regions')

/** Voxels of 2 x 1.5 x 3 mm, x to the left. */
const AFFINE: Affine = [-2, 0, 0, 8, 0, 1.5, 0, -6, 0, 0, 3, 1, 0, 0, 0, 1]
const SHAPE = [5, 6, 4] as const
const VOXELS = 120
const NAMES = ['a', 'b', 'c', 'empty']

const maps = fc.integer({ min: 1, max: 1e6 }).map((seed): { map: Volume; atlas: Atlas; scan: Volume } => ({
  map: { shape: SHAPE, affine: AFFINE, data: values(VOXELS, seed).map((v) => Math.round(v * 8) / 8) },
  scan: { shape: SHAPE, affine: AFFINE, data: values(VOXELS, seed + 1).map(Math.abs) },
  atlas: {
    shape: SHAPE,
    affine: AFFINE,
    labels: Uint16Array.from(values(VOXELS, seed + 2), (v) => Math.floor((v + 1) * 2)),
    regions: NAMES.map((name, k) => ({ name, values: [k + 10] })),
  },
}))

test('a row has the sums, means, peak and tissue of its region', () => {
  fc.assert(
    fc.property(maps, ({ map, atlas, scan }) => {
      const rows = regionTable(map, atlas, { scan })
      assert.equal(
        rows.map(({ name }) => name),
        NAMES,
      )
      rows.forEach((row, k) => {
        const members = [...map.data.keys()].filter((v) => atlas.labels[v] === k + 1)
        const list = members.map((v) => map.data[v]!)
        const sum = (some: number[]) => some.reduce((a, b) => a + b, 0)
        const largest = Math.max(0, ...list.map(Math.abs))
        const peak = members[list.findIndex((v) => Math.abs(v) === largest)]
        assert.is(row.voxels, members.length)
        const found = [row.mm3, row.positive, row.negative, row.mean, row.density, row.tissueMm3!]
        const n = members.length || 1
        const expected = [
          members.length * 9,
          sum(list.filter((v) => v > 0)),
          sum(list.filter((v) => v < 0)),
          sum(list) / n,
          sum(list) / n / 9,
          9 * sum(members.map((v) => scan.data[v]!)),
        ]
        assertClose(Float32Array.from(found), expected, row.name, { relative: 1e-6, absolute: 1e-6 })
        if (peak === undefined || largest === 0) {
          assert.is(row.peak, 0)
          assert.is(row.peakMm, undefined)
        } else {
          assert.is(row.peak, map.data[peak])
          assert.equal(row.peakMm, voxelToWorld(AFFINE, peak % 5, Math.floor(peak / 5) % 6, Math.floor(peak / 30)))
        }
      })
      assertClose(
        Float32Array.from(regionMeans(map.data, atlas)),
        rows.map(({ mean }) => mean),
        'means',
      )
    }),
    { seed: 2, numRuns: 20 },
  )
})

test('relevance density does not depend on the voxel size, and a mask mean neither', () => {
  const labels = Uint16Array.from({ length: 8 }, () => 1)
  const grid = (size: number): Affine => [size, 0, 0, 0, 0, size, 0, 0, 0, 0, size, 0, 0, 0, 0, 1]
  const regions = [{ name: 'a', values: [1] }]
  const coarse: Atlas = { shape: [2, 2, 2], affine: grid(2), labels, regions }
  const fine: Atlas = { shape: [4, 4, 4], affine: grid(1), labels: new Uint16Array(64).fill(1), regions }
  const row = (atlas: Atlas, value: number) => {
    const data = new Float32Array(atlas.labels.length).fill(value)
    return regionTable({ shape: atlas.shape, affine: atlas.affine, data }, atlas)[0]!
  }
  assert.is(row(coarse, 1 / 8).density, row(fine, 1 / 64).density)
  assert.is(row(coarse, 0.5).mean, row(fine, 0.5).mean)
})

test('the table as text, and the regions that stand out', () => {
  const atlas: Atlas = {
    shape: [4, 1, 1],
    affine: AFFINE,
    labels: Uint16Array.of(1, 2, 2, 3),
    regions: NAMES.map((name, k) => ({ name, values: k === 1 ? [4, 5] : [k] })),
  }
  const map = { shape: [4, 1, 1] as const, affine: AFFINE, data: Float32Array.of(1, 4, -2, Number.NaN) }
  const rows = regionTable(map, atlas)
  assert.equal(
    topRegions(rows, 2).map(({ name }) => name),
    ['a', 'b'],
  )
  assert.equal(
    topRegions(rows, 4, 'positive').map(({ name }) => name),
    ['b', 'a', 'c'],
  )
  const { rows: lines, columns } = parseTsv(formatRegionTable(rows))
  assert.not(columns.includes('tissue_mm3'))
  assert.equal(
    lines.map(({ name, labels, peak, peak_x_mm }) => [name, labels, peak, peak_x_mm]),
    [
      ['a', '0', '1', '8'],
      ['b', '4+5', '4', '6'],
      ['c', '2', '0', null],
      ['empty', '3', '0', null],
    ],
  )
  const elsewhere = { ...map, affine: AFFINE.map((v, k) => (k === 3 ? v + 1 : v)) }
  assert.throws(() => regionTable(map, atlas, { scan: elsewhere }), /give the scan of the map/)
})

test('ROI similarity is a cosine', () => {
  assert.is(roiSimilarity([1, 2, 0], [2, 4, 0]), 1)
  assert.is(roiSimilarity([1, 0], [0, 3]), 0)
  assert.ok(Math.abs(roiSimilarity([1, 1], [-2, -2])! + 1) < 1e-15)
  assert.ok(Math.abs(roiSimilarity([3, 4, 0], [4, 3, 0])! - 24 / 25) < 1e-15)
  assert.is(roiSimilarity([0, 0], [1, 1]), undefined)
  assert.throws(() => roiSimilarity([1], [1, 2]), /1 and 2 regions/)
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.01, max: 10, noNaN: true }), { minLength: 2, maxLength: 9 }), (vector) => {
      const matrix = similarityMatrix([vector, vector.toReversed(), vector.map((v) => 7 * v)])
      matrix.forEach((row, i) => {
        row.forEach((s, j) => {
          assert.ok(Math.abs(s! - matrix[j]![i]!) < 1e-12 && s! <= 1 && s! > 0)
        })
      })
      assert.ok(matrix[0]![2]! > 1 - 1e-12)
    }),
    { seed: 4, numRuns: 30 },
  )
  assert.throws(
    () => regionMeans(new Float32Array(2), { ...EMPTY, labels: new Uint16Array(3) }),
    /2 voxels, the atlas 3/,
  )
})

const EMPTY: Atlas = { shape: [3, 1, 1], affine: AFFINE, labels: new Uint16Array(3), regions: [] }

test("the regions of a network's input go through its recipe, as the scan does", () => {
  const recipe = readRecipe({
    name: 'turned',
    grid: { shape: [10, 9, 11] },
    crop: [
      [1, 10],
      [0, 9],
      [2, 10],
    ],
    axes: ['z', 'x', 'y'],
    flip: [true, false, true],
    scaling: 'none',
    classes: ['CN', 'AD'],
  })
  const description = { ...architectures.smallCnn({ inputShape: [1, 8, 9, 9] }), recipe }
  const shape = [10, 9, 11] as const
  const labels = Uint16Array.from({ length: 990 }, (_, v) => v % 7)
  const atlas: Atlas = { shape, affine: AFFINE, labels, regions: NAMES.map((name) => ({ name, values: [1] })) }
  const scan: Volume = { shape, affine: AFFINE, data: Float32Array.from(labels) }
  const { tensor } = applyRecipe(recipe, scan, description.input)
  assert.equal(regionsOfInput(description, scan, atlas), Uint16Array.from(tensor))
})

test('AAL2 over the ICBM template: grey matter of both hippocampi, from another grid', async () => {
  const files = ['atlas-aal2/atlas-AAL2_dseg.nii.gz', 'atlas-aal2/atlas-AAL2_dseg.tsv']
  const [bytes, table, template] = await Promise.all(
    [...files, 'template/icbm152_gm_193x229x193.nii.gz'].map((name) => loadData(name)),
  )
  if (!bytes || !table || !template) return skip('atlas-aal2 or template is not in the data folder')
  const atlas = makeAtlas(readVolume(bytes), parseRegionNames(new TextDecoder().decode(table)))
  const scan = readVolume(template)
  const onScan = atlasOnGrid(atlas, scan)
  const rows = regionTable(scan, onScan, { scan })
  const of = (name: string) => rows.find((row) => row.name === name)!
  for (const side of ['L', 'R']) {
    const { mm3, tissueMm3, mean } = of(`Hippocampus_${side}`)
    // AAL2's hippocampi have about 7.5 ml each, most of it grey matter.
    assert.ok(mm3 > 6500 && mm3 < 8500, `${mm3} mm3`)
    assert.ok(Math.abs(tissueMm3! / mm3 - mean) < 1e-6)
    assert.ok(mean > 0.5 && mean < 1, `mean ${mean}`)
  }
  // The same volume on both grids, but for the voxels along the surface.
  const before = new Map(
    regionTable({ ...atlas, data: new Float32Array(atlas.labels.length) }, atlas).map((r) => [r.name, r]),
  )
  for (const { name, mm3 } of rows) {
    const there = before.get(name)!.mm3
    assert.ok(Math.abs(mm3 / there - 1) < 0.06, `${name}: ${there} and ${mm3} mm3`)
  }
})

test.run()
