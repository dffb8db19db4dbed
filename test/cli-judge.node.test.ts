/** voxplain judge from end to end: files, truth, going on where it was, and what is refused. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { prepareScan } from '../src/explain/explain.ts'
import { saliency } from '../src/explain/gradient/saliency.ts'
import { openJudge } from '../src/explain/judge/judge.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { initialise, posterCnn } from '../src/model/architectures.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('voxplain judge')
let place: Place
let table: string
let network: string
test.before(async () => {
  place = await makePlace()
  const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
  const description = posterCnn({ inputShape: [1, ...SIZE], channels: [2, 3], recipe, classes: ['CN', 'AD'] })
  network = await place.file('net.safetensors', saveNetwork(initialise(description, 4)))
  const lines = ['participant_id\tdiagnosis\tpath\tatrophy_path']
  for (const n of [1, 2, 3]) {
    const scan = tinyScan(n)
    // The truth is a corner; the third person is a control and has none.
    const data = scan.data.map((_, i) => (n < 3 && i % SIZE[0] < 5 ? 0.3 : 0))
    await place.scan(`s${n}_desc-phantom_gm.nii`, scan)
    await place.scan(`s${n}_desc-atrophy_gm.nii`, { ...scan, data })
    lines.push(`sub-${n}\t${n < 3 ? 'AD' : 'CN'}\ts${n}_desc-phantom_gm.nii\ts${n}_desc-atrophy_gm.nii`)
  }
  table = await place.file('c.tsv', new TextEncoder().encode(`${lines.join('\n')}\n`))
})
test.after(async () => {
  await closeTestGpu()
  await place.clear()
})

const QUICK = ['--runs', '6', '--steps', '4', '--samples', '2', '--draws', '1', '--target', 'AD'] as const
const rowsOf = async (out: string, name: string) => parseTsv(await readFile(join(out, name), 'utf8')).rows

test('a cohort: tables, pictures, a page, and numbers that are those of the library', async () => {
  const out = await place.file('all')
  const run = await voxplain('judge', network, table, '--method', 'random,saliency,ixg', '--out', out, ...QUICK)
  assert.is(run.code, 0, run.err)
  assert.match(run.out, /Deletion AUC \(lower is better\)/)
  assert.match(run.out, /mean rank/)
  assert.equal((await place.list('all')).sort(), [
    'curves.tsv',
    'index.html',
    'judge.json',
    'judge.png',
    'judge.svg',
    'judge.tsv',
    'records.jsonl',
    'summary.tsv',
  ])
  const rows = await rowsOf(out, 'judge.tsv')
  assert.is(rows.length, 9)
  assert.equal([...new Set(rows.map(({ method }) => method))], ['saliency', 'inputXGradient', 'random'])
  const control = rows.filter(({ participant_id: id }) => id === 'sub-3')
  assert.ok(control.every(({ massAccuracy, label }) => massAccuracy === null && label === 'CN'))
  const summary = await rowsOf(out, 'summary.tsv')
  const cell = (method: string, measure: string) =>
    summary.find((row) => row.method === method && row.measure === measure)!
  assert.is(cell('saliency', 'massAccuracy').n, '2')
  assert.is(cell('saliency', 'deletion').n, '3')
  assert.is(cell('random', 'deletion').rank, null)
  assert.is(Number(cell('random', 'randomisation').mean), 1)
  assert.is(Number(cell('random', 'outputReset').mean), 1)
  assert.match(run.out, /random keep more than half .* \(1 of 3\)/)
  const values = rows.filter(({ method }) => method === 'saliency').map(({ deletion }) => Number(deletion))
  const mean = values.reduce((a, b) => a + b, 0) / 3
  const error = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 2 / 3)
  assertClose(
    [Number(cell('saliency', 'deletion').mean), Number(cell('saliency', 'deletion').standard_error)],
    [mean, error],
    'mean',
  )
  const curves = await rowsOf(out, 'curves.tsv')
  const reset = curves.filter((row) => row.curve === 'signedRandomisation' && row.method === 'random')
  assert.ok(reset.length > 3 && reset.every(({ step, value }) => Number.isNaN(Number(step)) && Number(value) === 1))
  assert.is(curves.filter(({ curve, method }) => curve === 'deletion' && method === 'saliency').length, 15)
  const page = await readFile(join(out, 'index.html'), 'utf8')
  assert.not.match(page, /(src|href)="(?!data:)/)

  const gpu = await testGpu()
  const loaded = loadNetwork(await readFile(network))
  const scan = { ...prepareScan(loaded, tinyScan(1)), target: 1 }
  const judge = await openJudge(gpu, loaded, { runs: 6, steps: 4, samples: 2, draws: 1, spacing: scan.spacing })
  const candidate = { name: 'saliency', make: (one: typeof loaded) => saliency.make(gpu, one, {}) }
  const [verdict] = await judge.judge(candidate, [scan], {
    wanted: ['deletion', 'randomisation', 'faithfulnessCorrelation'],
  })
  for (const [name, value] of Object.entries(verdict!.values)) assertClose([Number(rows[0]![name])], [value!], name)
  judge.destroy()
})

test('goes on where it was: nothing is measured twice, new measures and methods are added', async () => {
  const out = await place.file('resumed')
  const base = ['judge', network, table, '--out', out, ...QUICK] as const
  const first = await voxplain(...base, '--method', 'saliency', '--measures', 'deletion,sparseness', '--limit', '2')
  assert.is(first.code, 0, first.err)
  assert.is((await rowsOf(out, 'judge.tsv')).length, 2)
  // A value that was tampered with shows what is taken from the records.
  const path = join(out, 'records.jsonl')
  const tampered = (await readFile(path, 'utf8')).replace(/"sparseness":[\d.]+/, '"sparseness":0.125')
  await writeFile(path, tampered)
  const more = await voxplain(...base, '--method', 'saliency,random', '--measures', 'deletion,sparseness,massAccuracy')
  assert.is(more.code, 0, more.err)
  const rows = await rowsOf(out, 'judge.tsv')
  assert.is(rows.length, 6)
  assert.is(rows[0]!.sparseness, '0.125')
  assert.ok(rows[0]!.massAccuracy !== null && rows[0]!.deletion !== null)
  const bytes = await readFile(path, 'utf8')
  assert.is((await voxplain(...base, '--method', 'saliency,random', '--measures', 'deletion,sparseness')).code, 0)
  assert.is(await readFile(path, 'utf8'), bytes)
  assertRefused(await voxplain(...base, '--steps', '7'), 2, 'steps 4, now 7', 'another --out')
  await writeFile(path, 'what\n')
  assertRefused(await voxplain(...base), 2, 'is damaged')
  await rm(out, { recursive: true })
})

test('truth: a column, files below the table, one file, or beside the scans', async () => {
  const common = ['--method', 'saliency', '--measures', 'massAccuracy', ...QUICK] as const
  const massOf = async (name: string, ...args: string[]) => {
    const out = await place.file(name)
    const run = await voxplain('judge', network, ...args, ...common, '--out', out)
    assert.is(run.code, 0, run.err)
    return (await rowsOf(out, 'judge.tsv')).map(({ massAccuracy }) => massAccuracy ?? null)
  }
  const expected = await massOf('column', table, '--truth', 'atrophy_path')
  assert.ok(Number(expected[0]) > 0 && Number(expected[0]) < 1)
  assert.is(expected[2], null)
  const scans = [1, 2, 3].map((n) => join(place.folder, `s${n}_desc-phantom_gm.nii`))
  assert.equal(await massOf('beside', ...scans), expected)
  const [first] = await massOf('one', scans[0]!, '--truth', join(place.folder, 's1_desc-atrophy_gm.nii'))
  assert.is(first, expected[0])
  assertRefused(
    await voxplain('judge', network, table, ...common, '--out', await place.file('no'), '--truth', 'nothing'),
    2,
    '--truth nothing',
  )
})

test('what will not do is said in one line; a scan that fails leaves the others', async () => {
  const out = await place.file('refused')
  const good = join(place.folder, 's1_desc-phantom_gm.nii')
  const judge = (...args: string[]) => voxplain('judge', network, ...args, '--out', out)
  assertRefused(await judge(good, '--measures', 'beauty'), 2, 'there is no "beauty"', 'deletion, insertion')
  assertRefused(await judge(good, '--method', 'magic'), 2, 'no method is called "magic"')
  assertRefused(await judge(good, '--target', 'X'), 2, 'no class "X"')
  assertRefused(await judge(good, '--reference', good), 2, 'only for --fill mean')
  assertRefused(await judge(good, '--fill', 'mean'), 2, '--fill mean needs two scans')
  const mean = await place.file('mean')
  const ofMean = ['--fill', 'mean', '--method', 'ixg', '--measures', 'completeness', '--out', mean] as const
  assert.is((await voxplain('judge', network, table, ...ofMean)).code, 0)
  assert.ok((await rowsOf(mean, 'judge.tsv')).every(({ completeness }) => Number(completeness) > 0))
  const small = await place.scan('small.nii', tinyScan(1, [8, 8, 8]))
  const run = await judge(small, good, '--method', 'saliency', '--measures', 'deletion,sparseness', '--steps', '3')
  assert.is(run.code, 1)
  assert.match(run.err, /small\.nii: the scan has 8 x 8 x 8 voxels/)
  assert.is((await rowsOf(out, 'judge.tsv')).length, 1)
})

test.run()
