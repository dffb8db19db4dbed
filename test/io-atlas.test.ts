/** Atlases: tables of names in all their forms, labels on other grids, sides, and what is refused. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { atlasOnGrid, makeAtlas, regionAt } from '../src/io/atlas/atlas.ts'
import { parseRegionNames } from '../src/io/atlas/region-names.ts'
import { mergeSides, sideOf } from '../src/io/atlas/sides.ts'
import { readVolume } from '../src/io/nifti.ts'
import { type Affine, type Volume, voxelToWorld } from '../src/io/volume.ts'
import { loadData, skip } from './support/data.ts'

const test = suite('atlas')

const UNIT: Affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]

function volume(shape: readonly [number, number, number], data: ArrayLike<number>, affine = UNIT): Volume {
  return { shape, data: Float32Array.from(data), affine }
}

const tables: Record<string, string> = {
  'BIDS dseg.tsv': 'index\tname\tcolor\n0\tBackground\t#000\n11\tGyrus, first_L\t#fff\n12\tCuneus 2_L\t#aaa\n',
  'a table of Clinica': 'roi_value\troi_name\n11\tGyrus, first_L\n12\tCuneus 2_L\n',
  'CSV with quotation marks': '\uFEFFLabel,Region\r\n11,"Gyrus, first_L"\r\n12,Cuneus 2_L\r\n',
  'a table with a text label': 'label;id\nGyrus, first_L;11\nCuneus 2_L;12\n',
  'pairs with tabs': '11\tGyrus, first_L\n12\tCuneus 2_L\n\n',
  'FSL XML of labels':
    '<?xml version="1.0"?>\n<atlas version="1.0"><header><type>Label</type></header><data>' +
    '<label index="11" x="1" y="2" z="3">Gyrus, first_L</label>\n<label index="12">Cuneus 2_L</label></data></atlas>',
  "FSL's own spelling":
    '<atlas><header><type>Probabalistic</type></header><data>' +
    '<label index="10">Gyrus, first_L</label><label index="11">Cuneus 2_L</label></data></atlas>',
  'label descriptions of ITK-SNAP':
    '################\n# ITK-SnAP Label Description File\n    0     0    0    0        0  0  0    "Clear Label"\n' +
    '   11   255    0    0        1  1  1    "Gyrus, first_L"\n   12     0  255    0      0.5  1  0    "Cuneus 2_L"\r\n',
  'FSL XML of probabilities':
    '<atlas><header><type>Probabilistic</type></header><data>' +
    "<label index='10' x='1'>Gyrus, first_L</label><label x='3' index='11'>Cuneus 2_L</label></data></atlas>",
}

for (const [name, text] of Object.entries(tables)) {
  test(`names from ${name}`, () => {
    assert.equal(parseRegionNames(text), [
      { value: 11, name: 'Gyrus, first_L' },
      { value: 12, name: 'Cuneus 2_L' },
    ])
  })
}

test('names from lists with further numbers', () => {
  const freesurfer = '#No. Label Name: R G B A\n\n0   Unknown    0 0 0 0\n17  Left-Hippocampus  220 216 20 0\n'
  assert.equal(parseRegionNames(freesurfer), [{ value: 17, name: 'Left-Hippocampus' }])
  const aal = '1 Precentral_L 2001\n2 Precentral_R 2002\n'
  assert.equal(parseRegionNames(aal), [
    { value: 1, name: 'Precentral_L', code: 2001 },
    { value: 2, name: 'Precentral_R', code: 2002 },
  ])
  // The volume says which of the numbers is its label.
  const names = (data: number[]) => makeAtlas(volume([2, 1, 1], data), parseRegionNames(aal)).regions
  assert.equal(
    names([1, 2]).map(({ values }) => values),
    [[1], [2]],
  )
  assert.equal(
    names([2001, 2002]).map(({ values }) => values),
    [[2001], [2002]],
  )
  assert.equal(parseRegionNames('FAG\tPrecentral_L\t2001\nFAD\tPrecentral_R\t2002\n'), [
    { value: 2001, name: 'Precentral_L' },
    { value: 2002, name: 'Precentral_R' },
  ])
  assert.equal(parseRegionNames('1 Visual 1\n2 Visual 2\n'), [
    { value: 1, name: 'Visual 1' },
    { value: 2, name: 'Visual 2' },
  ])
  assert.equal(parseRegionNames('<atlas><label index="1">White &amp; grey</label></atlas>'), [
    { value: 1, name: 'White & grey' },
  ])
})

test('tables that cannot be read say why', () => {
  const refused: [string, RegExp][] = [
    ['', /names no regions/],
    ['0\tBackground\n', /names no regions/],
    ['name\tsize\nA\t3\n', /columns name, size, but none with whole numbers for the labels/],
    ['index\tsize\n1\t3\n', /columns index, size, but none with a name in every line/],
    ['index\tname\n1\tA\n1\tB\n', /names label 1 twice: A and B/],
    ['<html><body/></html>', /no <atlas>/],
    ['<atlas><label x="1">A</label></atlas>', /without an index/],
  ]
  for (const [text, message] of refused) assert.throws(() => parseRegionNames(text), message)
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      try {
        for (const { value, name } of parseRegionNames(text)) assert.ok(value > 0 && typeof name === 'string')
      } catch (error) {
        assert.is((error as Error).name, 'InputError', String(error))
      }
    }),
    { seed: 5, numRuns: 300 },
  )
})

const AB = [
  { value: 3, name: 'A' },
  { value: 70000, name: 'B' },
  { value: 9, name: 'elsewhere' },
]

test('labels of any size count regions from 1; regions that are not there are left out', () => {
  const atlas = makeAtlas(volume([5, 1, 1], [0, 70000, 3, Number.NaN, 3.0004]), AB)
  assert.equal(atlas.regions, [
    { name: 'A', values: [3] },
    { name: 'B', values: [70000] },
  ])
  assert.equal(atlas.labels, Uint16Array.of(0, 2, 1, 0, 1))
})

test('volumes that are no atlas say why', () => {
  const refused: [number[], RegExp][] = [
    [[0, 0.4], /the value 0\.4.*is it a map of probabilities/],
    [[0, -1], /the value -1, but labels are whole numbers/],
    [[0, Number.POSITIVE_INFINITY], /the value Infinity/],
    [[0, 2 ** 25], /label 33554432; from 16777216 on/],
    // What a label of 16777217 becomes in float32.
    [[0, Math.fround(2 ** 24 + 1)], /label 16777216; from 16777216 on/],
    [[0, 0], /no labels: all of its voxels are 0/],
    [[3, 5], /labels without names: 5; give the table/],
  ]
  for (const [data, message] of refused) {
    assert.throws(
      () => makeAtlas(volume([2, 1, 1], data), AB),
      (error: Error) => {
        assert.match(error.message, message)
        return error.name === 'InputError'
      },
    )
  }
  const many = Array.from({ length: 8 }, (_, k) => k + 20)
  assert.throws(() => makeAtlas(volume([8, 1, 1], many), AB), /20, 21, 22, 23, 24, \.\.\. \(8 labels\)/)
})

test('on another grid every voxel has the label at its centre', () => {
  const names = Array.from({ length: 30 }, (_, k) => ({ value: k + 1, name: `r${k + 1}` }))
  const data = Array.from({ length: 6 * 5 * 4 }, (_, v) => (v * 7) % 31)
  // Voxels of 2 x 3 x 2 mm, x to the left, y and z changed over.
  const affine: Affine = [-2, 0, 0, 10, 0, 0, 2, -4, 0, 3, 0, 6, 0, 0, 0, 1]
  const atlas = makeAtlas(volume([6, 5, 4], data, affine), names)
  const offset = fc.integer({ min: -3, max: 3 })
  const grids = fc.record({ x: offset, y: offset, z: offset, size: fc.constantFrom(1, 1.5, 2.25) })
  fc.assert(
    fc.property(grids, ({ x, y, z, size }) => {
      const target = {
        shape: [9, 8, 10] as const,
        affine: [size, 0, 0, x + 0.1, 0, size, 0, y - 3.3, 0, 0, size, z + 5.7, 0, 0, 0, 1],
      }
      const { labels, regions } = atlasOnGrid(atlas, target)
      assert.is(regions, atlas.regions)
      let v = 0
      for (let k = 0; k < 10; k++) {
        for (let j = 0; j < 8; j++) {
          for (let i = 0; i < 9; i++, v++) {
            const mm = voxelToWorld(target.affine, i, j, k)
            const from = [(10 - mm[0]) / 2, (mm[2] - 6) / 3, (mm[1] + 4) / 2].map((p) => Math.floor(p + 0.5))
            const inside = from.every((p, axis) => p >= 0 && p < [6, 5, 4][axis]!)
            const expected = inside ? atlas.labels[from[0]! + 6 * (from[1]! + 5 * from[2]!)]! : 0
            assert.is(labels[v], expected)
            assert.is(regionAt(atlas, mm), atlas.regions[expected - 1])
          }
        }
      }
    }),
    { seed: 3, numRuns: 20 },
  )
  assert.is(atlasOnGrid(atlas, atlas), atlas)
  const far = { shape: [4, 4, 4] as const, affine: [1, 0, 0, 500, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] }
  assert.throws(
    () => atlasOnGrid(atlas, far),
    /do not overlap: the atlas lies at x 0 to 10, .* the volume at x 500 to 503/,
  )
})

test('sides by the names of the atlases people have', () => {
  const pairs = [
    ['Precentral_L', 'Precentral_R', 'Precentral'],
    ['Left-Hippocampus', 'Right-Hippocampus', 'Hippocampus'],
    ['Left Amygdala', 'Right Amygdala', 'Amygdala'],
    ['lh.insula', 'rh.insula', 'insula'],
    ['ctx-lh-cuneus', 'ctx-rh-cuneus', 'ctx-cuneus'],
    ['Insula left', 'Insula right', 'Insula'],
    ['L_V1_ROI', 'R_V1_ROI', 'V1_ROI'],
    ['Area hOc1 L', 'Area hOc1 R', 'Area hOc1'],
  ]
  for (const [left, right, name] of pairs) {
    assert.equal(sideOf(left!), { name, side: 'left' })
    assert.equal(sideOf(right!), { name, side: 'right' })
  }
  for (const name of ['Vermis_3', 'Brain-Stem', 'Lingual', 'LR', 'Pole', 'Rightness'])
    assert.is(sideOf(name), undefined)
})

test('merging joins pairs and leaves others alone', () => {
  const names = ['A_L', 'Vermis', 'A_R', 'B_L', 'A'].map((name, k) => ({ name, value: k + 1 }))
  const atlas = makeAtlas(volume([6, 1, 1], [1, 2, 3, 4, 5, 0]), names)
  const merged = mergeSides(atlas)
  assert.equal(merged.regions, [
    { name: 'A', values: [1, 3] },
    { name: 'Vermis', values: [2] },
    { name: 'B_L', values: [4] },
    { name: 'A', values: [5] },
  ])
  assert.equal(merged.labels, Uint16Array.of(1, 2, 1, 3, 4, 0))
  assert.equal(atlas.labels, Uint16Array.of(1, 2, 3, 4, 5, 0))
})

test('AAL2 as it is handed out: names, volumes and centres of all 120 regions', async () => {
  const [bytes, table, facts] = await Promise.all(
    ['atlas-AAL2_dseg.nii.gz', 'atlas-AAL2_dseg.tsv', 'regions.tsv'].map((name) => loadData(`atlas-aal2/${name}`)),
  )
  if (!bytes || !table || !facts) return skip('atlas-aal2 is not in the data folder')
  const text = (file: Uint8Array) => new TextDecoder().decode(file)
  const atlas = makeAtlas(readVolume(bytes), parseRegionNames(text(table)))
  assert.is(atlas.regions.length, 120)
  // 56 pairs, but for two whose halves are spelled differently there (OFCmed_L, FCmed_R).
  assert.is(mergeSides(atlas).regions.filter(({ values }) => values.length === 2).length, 54)
  const lines = text(facts).trim().split('\n').slice(1)
  const measured = atlas.regions.map(() => ({ voxels: 0, x: 0, y: 0, z: 0 }))
  const [nx, ny] = atlas.shape
  atlas.labels.forEach((label, v) => {
    if (label === 0) return
    const sum = measured[label - 1]!
    const mm = voxelToWorld(atlas.affine, v % nx, Math.floor(v / nx) % ny, Math.floor(v / nx / ny))
    sum.voxels++
    sum.x += mm[0]
    sum.y += mm[1]
    sum.z += mm[2]
  })
  for (const line of lines) {
    const [value, name, mm3, ...centre] = line.split('\t')
    const k = atlas.regions.findIndex((region) => region.values[0] === Number(value))
    assert.is(atlas.regions[k]!.name, name!.trim())
    const { voxels, x, y, z } = measured[k]!
    assert.ok(Math.abs(voxels * 1.5 ** 3 - Number(mm3)) < 1, name)
    for (const [axis, sum] of [x, y, z].entries()) assert.ok(Math.abs(sum / voxels - Number(centre[axis])) < 0.1, name)
  }
  assert.is(regionAt(atlas, [-25, -20, -15])?.name, 'Hippocampus_L')
})

test.run()
