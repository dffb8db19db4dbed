/** voxplain compare: numbers against those worked out here, files, and what is refused. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeVolume } from '../src/io/nifti.ts'
import { parseTsv } from '../src/io/tsv.ts'
import type { Volume } from '../src/io/volume.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'
import { values } from './support/evaluate.ts'

const test = suite('compare')
let place: Place
let [a, b, brain, atlas] = ['', '', '', '']
let first: Volume
let second: Volume
const scan = tinyScan(3)

test.before(async () => {
  place = await makePlace()
  const noise = [values(scan.data.length, 5), values(scan.data.length, 6)]
  first = { ...scan, data: scan.data.map((v, n) => (v > 0.3 ? v + 0.3 * noise[0]![n]! : 0)) }
  second = { ...scan, data: scan.data.map((v, n) => (v > 0.3 ? v + 0.3 * noise[1]![n]! : 0)) }
  a = await place.scan('a.nii.gz', first)
  b = await place.scan('b.nii.gz', second)
  brain = await place.scan('brain.nii.gz', scan)
  atlas = await place.file(
    'atlas.nii',
    writeVolume({ ...scan, data: scan.data.map((_, v) => 1 + (v % SIZE[0] < 6 ? 0 : 1)) }),
  )
  await place.file('atlas.tsv', new TextEncoder().encode('index\tname\n1\tRegion_L\n2\tRegion_R\n'))
})
test.after(() => place.clear())

/** Pearson's correlation, by its definition. */
function correlation(x: readonly number[], y: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((sum, v) => sum + v, 0) / list.length
  const [mx, my] = [mean(x), mean(y)]
  const [xy, xx, yy] = [
    mean(x.map((v, n) => (v - mx) * (y[n]! - my))),
    mean(x.map((v) => (v - mx) ** 2)),
    mean(y.map((v) => (v - my) ** 2)),
  ]
  return xy / Math.sqrt(xx * yy)
}

test('two maps: numbers, tables, a picture and a page', async () => {
  const out = join(place.folder, 'out')
  const run = await voxplain('compare', a, b, '--atlas', atlas, '--share', '0.1', '--out', out)
  assert.is(run.code, 0, run.err)
  const [row] = parseTsv(await readFile(join(out, 'compare.tsv'), 'utf8')).rows
  const used = [...first.data.keys()].filter((v) => first.data[v] !== 0 || second.data[v] !== 0)
  const [x, y] = [first, second].map(({ data }) => used.map((v) => data[v]!)) as [number[], number[]]
  assert.is(Number(row!.voxels), used.length)
  assert.ok(Math.abs(Number(row!.pearson) - correlation(x, y)) < 1e-9)
  // The strongest tenth of both.
  const count = Math.round(used.length / 10)
  const top = (data: Float32Array) => new Set([...used].sort((p, q) => data[q]! - data[p]!).slice(0, count))
  const [one, other] = [top(first.data), top(second.data)]
  const both = [...one].filter((v) => other.has(v)).length
  assert.ok(Math.abs(Number(row!['dice_0.1']) - both / count) < 1e-12)
  // Region means by hand, and the cosine of the two vectors.
  const mean = (data: Float32Array, side: boolean) => {
    const own = [...data.keys()].filter((v) => v % SIZE[0] < 6 === side)
    return own.reduce((sum, v) => sum + data[v]!, 0) / own.length
  }
  const [p, q] = [first, second].map(({ data }) => [mean(data, true), mean(data, false)]) as [number[], number[]]
  const cosine = (p[0]! * q[0]! + p[1]! * q[1]!) / Math.hypot(...p) / Math.hypot(...q)
  assert.ok(Math.abs(Number(row!.roi_similarity) - cosine) < 1e-9)
  const regions = parseTsv(await readFile(join(out, 'regions.tsv'), 'utf8')).rows
  assert.equal(
    regions.map(({ region }) => region),
    ['Region_L', 'Region_R'],
  )
  assert.ok(Math.abs(Number(regions[1]!.b) - q[1]!) < 1e-6)
  assert.match(run.out, /^a +b +0\.\d{3} /m)
  const page = await readFile(join(out, 'index.html'), 'utf8')
  assert.not.match(page, /(src|href)="(?!data:)/)
  assert.not.match(page.replace(/data:[^"]+/g, ''), /undefined|NaN/)
  assert.match(page, /Figure 2\./)
  assert.equal((await place.list('out')).sort(), [
    'compare.json',
    'compare.png',
    'compare.svg',
    'compare.tsv',
    'index.html',
    'regions.tsv',
  ])
})

test('a map on another grid is brought to the first; within a background', async () => {
  const twice: Volume = { ...first, affine: first.affine.map((v, n) => (n === 3 ? v + 4 : v)) }
  const shifted = await place.scan('shifted.nii', twice)
  const run = await voxplain('compare', a, shifted, b, '--background', brain, '--names', 'one,two,three', '--json')
  assert.is(run.code, 0, run.err)
  const { pairs } = JSON.parse(run.out)
  assert.equal(
    pairs.map(({ a: from, b: to }: { a: string; b: string }) => [from, to]),
    [
      ['one', 'two'],
      ['one', 'three'],
      ['two', 'three'],
    ],
  )
  assert.is(pairs[0].voxels.voxels, scan.data.filter((v) => v !== 0).length)
  // Two voxels along x further: the value of the voxel two before.
  const x: number[] = []
  const y: number[] = []
  scan.data.forEach((v, n) => {
    if (v === 0) return
    x.push(first.data[n]!)
    y.push(n % SIZE[0] >= 2 ? first.data[n - 2]! : 0)
  })
  assert.ok(Math.abs(pairs[0].voxels.pearson - correlation(x, y)) < 1e-6)
})

test('what is refused', async () => {
  const flat = await place.scan('flat.nii', { ...scan, data: scan.data.map(() => 2) })
  const far = await place.scan('far.nii', { ...first, affine: first.affine.map((v, n) => (n === 3 ? v + 400 : v)) })
  assertRefused(await voxplain('compare', a), 2, 'two maps or more')
  assertRefused(await voxplain('compare', a, flat), 2, 'flat.nii is 2 everywhere')
  assertRefused(await voxplain('compare', a, far), 2, 'do not overlap')
  assertRefused(await voxplain('compare', a, b, '--names', 'one'), 2, '1 names for 2 maps')
  assertRefused(await voxplain('compare', a, join(place.folder, 'none.nii')), 2, 'none.nii')
  assertRefused(await voxplain('compare', a, b, '--merge-sides'), 2, '--atlas')
})

test.run()
