/** voxplain compare from end to end. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTsv } from '../src/io/tsv.ts'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('voxplain compare')
let place: Place
test.before(async () => {
  place = await makePlace()
})
test.after(() => place.clear())

/** Pearson's correlation, in one more way: of standardised values. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const scores = [a, b].map((list) => {
    const mean = list.reduce((sum, v) => sum + v, 0) / list.length
    const spread = Math.sqrt(list.reduce((sum, v) => sum + (v - mean) ** 2, 0) / list.length)
    return list.map((v) => (v - mean) / spread)
  }) as [number[], number[]]
  return scores[0].reduce((sum, v, n) => sum + v * scores[1][n]!, 0) / a.length
}

test('numbers, files, a picture; another grid is brought to the first', async () => {
  const [one, other] = [tinyScan(1), tinyScan(2)]
  const signed = { ...other, data: other.data.map((value, v) => (v % 5 === 0 ? -value : value)) }
  const a = await place.scan('lrp/map.nii.gz', one)
  const b = await place.scan('mask/map.nii.gz', signed)
  // The same values stored from right to left.
  const [nx] = one.shape
  const flipped = one.data.map((_, v) => one.data[v - (v % nx) + (nx - 1 - (v % nx))]!)
  const affine = one.affine.map((value, k) =>
    k % 4 === 0 && k < 12 ? -value : k === 3 ? one.affine[3]! + (nx - 1) * one.affine[0]! : value,
  )
  const c = await place.scan('flipped.nii', { ...one, affine, data: flipped })
  const atlas = await place.scan('atlas.nii', { ...one, data: one.data.map((_, v) => 1 + (v % 3)) })
  const out = await place.file('out')
  const run = await voxplain(
    'compare',
    a,
    b,
    c,
    '--atlas',
    atlas,
    '--shares',
    '0.5,0.1',
    '--names',
    'A,B,C',
    '--out',
    out,
  )
  assert.is(run.code, 0, run.err)
  assert.match(run.err, /flipped.nii was brought to the grid/)
  assert.match(run.out, /Dice 10 % +Dice 50 %/)
  assert.equal((await place.list('out')).sort(), ['compare.json', 'compare.png', 'compare.svg', 'similarity.tsv'])
  const { rows } = parseTsv(await readFile(join(out, 'similarity.tsv'), 'utf8'))
  assert.equal(
    rows.map(({ first, second }) => `${first}${second}`),
    ['AB', 'AC', 'BC'],
  )
  const near = (cell: string | null | undefined, wanted: number) =>
    assert.ok(Math.abs(Number(cell) - wanted) < 1e-5, `${cell}, not ${wanted}`)
  const inside = [...one.data.keys()].filter((v) => one.data[v] !== 0 || signed.data[v] !== 0)
  near(
    rows[0]!.pearson,
    correlation(
      inside.map((v) => one.data[v]!),
      inside.map((v) => signed.data[v]!),
    ),
  )
  assert.is(Number(rows[0]!.voxels), inside.length)
  near(rows[1]!.pearson, 1)
  near(rows[1]!.spearman, 1)
  near(rows[1]!['dice_0.1'], 1)
  near(rows[1]!.roi_cosine, 1)
  const count = Math.round(0.1 * inside.length)
  const top = (data: Float32Array) =>
    new Set([...data.keys()].sort((p, q) => data[q]! - data[p]! || p - q).slice(0, count))
  const strongest = top(signed.data)
  near(rows[0]!['dice_0.1'], [...top(one.data)].filter((v) => strongest.has(v)).length / count)
  const byFolder = await voxplain('compare', a, b, '--normalise', 'each', '--json', '--out', out)
  assert.equal(
    JSON.parse(byFolder.out).maps.map(({ name }: { name: string }) => name),
    ['lrp/map', 'mask/map'],
  )
})

test('what cannot be compared is refused in a line; a constant map is told', async () => {
  const one = tinyScan(1)
  const a = await place.scan('a.nii', one)
  const out = join(place.folder, 'no')
  assertRefused(await voxplain('compare', a, '--out', out), 2, 'alone cannot be compared')
  const far = await place.scan('far.nii', { ...one, affine: [2, 0, 0, 900, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1] })
  assertRefused(await voxplain('compare', a, far, '--out', out), 2, 'do not overlap')
  assertRefused(await voxplain('compare', a, a, '--out', out), 2, 'two maps would be called')
  const b = await place.scan('b.nii', tinyScan(2))
  assertRefused(await voxplain('compare', a, b, '--atlas', far, '--out', out), 2, 'labels')
  assertRefused(await voxplain('compare', a, b, '--names', 'x', '--out', out), 2, '1 names for 2 maps')
  const flat = await place.scan('flat.nii', { ...one, data: one.data.map(() => 0) })
  const run = await voxplain('compare', a, flat, '--out', out)
  assert.is(run.code, 0, run.err)
  assert.match(run.err, /flat.nii is 0 everywhere/)
  assert.match(run.out, / - +- /)
})

test.run()
