/** voxplain study relevance from end to end: files, going on, kept maps, and what is refused. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { prepareScan } from '../src/explain/explain.ts'
import { lrp } from '../src/explain/lrp/lrp.ts'
import { settingsOf } from '../src/explain/method.ts'
import { correlate } from '../src/explain/study/relevance-correlation.ts'
import { readVolume } from '../src/io/nifti.ts'
import { parseTsv } from '../src/io/tsv.ts'
import type { Volume } from '../src/io/volume.ts'
import { initialise } from '../src/model/architectures.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { invertRecipe } from '../src/model/recipe/recipe.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('voxplain study relevance')
const PEOPLE = 6
let place: Place
let table: string
let atlas: string
const scans: Volume[] = []

test.before(async () => {
  place = await makePlace()
  const lines = ['participant_id\tdiagnosis\tage\tsex\tmmse\tnote\tpath']
  for (let n = 1; n <= PEOPLE; n++) {
    scans.push(tinyScan(n))
    await place.scan(`s${n}_gm.nii.gz`, scans.at(-1)!)
    lines.push(
      `sub-${n}\t${n % 2 ? 'CN' : 'AD'}\t${60 + 3 * n}\t${n % 3 ? 'M' : 'F'}\t${n === 3 ? 'n/a' : 30 - n}\tx${n}\ts${n}_gm.nii.gz`,
    )
  }
  table = await place.file('c.tsv', new TextEncoder().encode(`${lines.join('\n')}\n`))
  const half = (v: number) => (v % SIZE[0] < SIZE[0] / 2 ? 1 : 2)
  const data = scans[0]!.data.map((_, v) => (Math.floor(v / SIZE[0]) % SIZE[1] < 7 ? half(v) : 3))
  atlas = await place.scan('atlas.nii.gz', { ...scans[0]!, data })
  await place.file('atlas.tsv', new TextEncoder().encode('index\tname\n1\tHippocampus_L\n2\tHippocampus_R\n3\tOther\n'))
})
test.after(async () => {
  await closeTestGpu()
  await place.clear()
})

const study = (out: string, ...more: string[]) =>
  voxplain(
    ...['study', 'relevance', table, '--network', place.network, '--atlas', atlas],
    '--out',
    join(place.folder, out),
    ...more,
  )
const rowsOf = async (out: string, name: string) => parseTsv(await readFile(join(place.folder, out, name), 'utf8')).rows
const REGIONS = ['--regions', 'hippocampus,Other'] as const

test('a cohort: rows, correlations, maps and page, by numbers worked out from the maps', async () => {
  const run = await study('all', ...REGIONS, '--method', 'lrp', '--columns', 'mmse')
  assert.is(run.code, 0, run.err)
  assert.match(run.out, /lrp +Hippocampus +volume +all +6/)
  assert.match(run.err, /not residualised/)
  const rows = await rowsOf('all', 'regions.tsv')
  assert.is(rows.length, 2 * PEOPLE)

  const gpu = await testGpu()
  const network = loadNetwork(await readFile(place.network))
  const explainer = await lrp.make(gpu, network, settingsOf(lrp), {})
  const maps: Volume[] = []
  for (const scan of scans) {
    const [found] = await explainer.explain([{ ...prepareScan(network, scan), target: 1 }])
    maps.push(invertRecipe(network.description.recipe, found!.relevance, scan))
  }
  explainer.destroy()
  const inHippocampus = [...scans[0]!.data.keys()].filter((v) => Math.floor(v / SIZE[0]) % SIZE[1] < 7)
  const positive = maps.map(({ data }) => inHippocampus.reduce((sum, v) => sum + Math.max(0, data[v]!), 0))
  const volume = scans.map(({ data }) => 8 * inHippocampus.reduce((sum, v) => sum + data[v]!, 0))
  const own = rows.filter((row) => row.region === 'Hippocampus')
  const numbers = (name: string) => own.map((row) => Number(row[name]))
  assertClose(numbers('positive'), positive, 'positive')
  assertClose(numbers('tissue_mm3'), volume, 'volume')
  const found = (await rowsOf('all', 'correlations.tsv')).filter((row) => row.region === 'Hippocampus')
  const raw = found.find((row) => row.adjustment === 'raw' && row.against === 'volume' && row.group === 'all')!
  const wanted = correlate(volume, positive)
  assertClose([Number(raw.pearson), Number(raw.spearman)], [wanted.pearson.r!, wanted.spearman.r!], 'r')
  assert.is(raw.n, '6')
  assert.is(found.find((row) => row.against === 'mmse' && row.group === 'all')!.n, '5')

  const mean = readVolume(await readFile(join(place.folder, 'all/groups/AD_desc-lrp_mean.nii.gz')))
  const difference = readVolume(await readFile(join(place.folder, 'all/groups/AD-CN_desc-lrp_difference.nii.gz')))
  const meanOf = (first: number, v: number) =>
    (maps[first]!.data[v]! + maps[first + 2]!.data[v]! + maps[first + 4]!.data[v]!) / 3
  const voxels = maps[0]!.data.map((_, v) => meanOf(1, v))
  assertClose([...mean.data], [...voxels], 'mean map')
  assertClose(
    [...difference.data],
    [...voxels].map((value, v) => value - meanOf(0, v)),
    'difference',
  )
  const page = await readFile(join(place.folder, 'all/index.html'), 'utf8')
  assert.not.match(page, /(src|href)="(?!data:)/)
  assert.match(page, /Hippocampus_L, Hippocampus_R/)
  const classes = await rowsOf('all', 'classification.tsv')
  assert.is(classes[0]!.score, 'network')
  assert.is(classes[0]!.metric, 'auc')
  assert.ok(classes.some(({ score }) => score === 'lrp positive Hippocampus'))
})

test('what was broken off goes on to the same files; other regions need no new map', async () => {
  const half = await study('resumed', ...REGIONS, '--columns', 'mmse', '--limit', '4')
  assert.is(half.code, 0, half.err)
  const rest = await study('resumed', ...REGIONS, '--columns', 'mmse')
  assert.match(rest.err, /2 of 6 maps to make, 4 are there/)
  for (const name of [
    'regions.tsv',
    'correlations.tsv',
    'classification.tsv',
    'predictions.tsv',
    'groups/AD_desc-lrp_mean.nii.gz',
    'groups/AD-CN_desc-lrp_t.nii.gz',
  ]) {
    assert.equal(
      await readFile(join(place.folder, 'resumed', name)),
      await readFile(join(place.folder, 'all', name)),
      name,
    )
  }
  const other = await study('resumed', '--regions', 'Hippocampus_L', '--measure', 'density')
  assert.is(other.code, 0, other.err)
  assert.match(other.err, /0 of 6 maps to make, 6 are there/)
  assert.is((await rowsOf('resumed', 'regions.tsv')).length, PEOPLE)
  const dry = await study('resumed', '--regions', 'Other', '--method', 'lrp,saliency', '--dry-run')
  assert.is(dry.code, 0, dry.err)
  assert.match(dry.out, /method +maps +GPU memory/)
  assert.match(dry.out, /saliency +6/)
  assert.not.match(dry.out, /lrp/)
})

test('maps are kept on request, and taken from there', async () => {
  const first = await study('kept', ...REGIONS, '--columns', 'mmse', '--keep-maps')
  assert.is(first.code, 0, first.err)
  assert.is((await place.list('kept/maps')).length, 3 * PEOPLE)
  await rm(join(place.folder, 'kept/parts'), { recursive: true })
  const again = await study('kept', ...REGIONS, '--columns', 'mmse', '--keep-maps')
  assert.is(again.code, 0, again.err)
  for (const out of ['kept', 'all']) {
    assert.is((await rowsOf(out, 'regions.tsv')).length, 2 * PEOPLE)
  }
  assert.equal(await rowsOf('kept', 'correlations.tsv'), await rowsOf('all', 'correlations.tsv'))
})

test('beside networks with random weights: the numbers of studies of those networks alone', async () => {
  const beside = ['--random', '2', '--seed', '5'] as const
  const run = await study('random', ...REGIONS, ...beside)
  assert.is(run.code, 0, run.err)
  assert.match(run.err, /lrp, 2 networks with random weights: 12 of 12 maps to make/)
  assert.match(run.out, /as far from 0/)
  const rows = await rowsOf('random', 'random.tsv')
  const rOf = (network: string, region: string) =>
    Number(rows.find((row) => row.network === network && row.region === region && row.adjustment === 'raw')!.pearson)
  const trained = loadNetwork(await readFile(place.network))
  const { saveNetwork } = await import('../src/model/formats/format.ts')
  for (const [name, seed] of [
    ['own', undefined],
    ['random-1', 6],
    ['random-2', 7],
  ] as const) {
    const weights = seed === undefined ? trained.weights : initialise(trained.description, seed).weights
    const network = await place.file(`${name}.safetensors`, saveNetwork({ ...trained, weights }))
    const alone = await study(`alone-${name}`, ...REGIONS, '--network', network)
    assert.is(alone.code, 0, alone.err)
    const found = (await rowsOf(`alone-${name}`, 'correlations.tsv')).filter((row) => row.against === 'volume')
    for (const row of found.filter(({ group, adjustment }) => group === 'all' && adjustment === 'raw')) {
      assert.is(rOf(name, row.region!), Number(row.pearson), `${name} ${row.region}`)
    }
  }
  assert.not.equal(rOf('random-1', 'Other'), rOf('random-2', 'Other'))
  const page = await readFile(join(place.folder, 'random/index.html'), 'utf8')
  assert.match(page, /Beside random weights/)
  const more = await study('random', ...REGIONS, '--random', '3', '--seed', '5', '--dry-run')
  assert.match(more.err, /lrp: 0 of 6 maps to make, 6 are there/)
  assert.match(more.err, /3 networks with random weights: 6 of 18 maps to make, 12 are there/)
  assert.match(more.out, /lrp +6/)
  assertRefused(await study('no', ...REGIONS, '--random', '-1'), 2, '-1')
})

test('maps without relevance are reported, and correlate with nothing', async () => {
  const { weights, ...rest } = loadNetwork(await readFile(place.network))
  const { saveNetwork } = await import('../src/model/formats/format.ts')
  const silent = new Map([...weights].map(([name, one]) => [name, { ...one, data: one.data.map(() => 0) }]))
  const network = await place.file('silent.safetensors', saveNetwork({ ...rest, weights: silent }))
  const out = join(place.folder, 'silent')
  const run = await voxplain(
    'study',
    'relevance',
    table,
    '--network',
    network,
    '--atlas',
    atlas,
    '--out',
    out,
    ...REGIONS,
  )
  assert.is(run.code, 0, run.err)
  assert.match(run.err, /6 of 6 maps have one value everywhere/)
  const rows = await rowsOf('silent', 'correlations.tsv')
  assert.ok(rows.every(({ pearson }) => pearson === null))
})

test('refuses in one line what cannot be studied', async () => {
  const refused = async (parts: string[], ...more: string[]) => assertRefused(await study('no', ...more), 2, ...parts)
  await refused(['no region "hipocampus"', 'nearest names are Hippocampus'], '--regions', 'hipocampus')
  await refused(['moca'], ...REGIONS, '--columns', 'moca')
  await refused(['note', 'cannot be correlated'], ...REGIONS, '--columns', 'note')
  await refused(['no scan is labelled MCI', 'CN, AD'], ...REGIONS, '--control', 'MCI')
  await refused(['no class "MCI"'], ...REGIONS, '--target', 'MCI')
  const far = await place.scan('far.nii', {
    ...scans[0]!,
    affine: [2, 0, 0, 500, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1],
    data: scans[0]!.data.map(() => 1),
  })
  const base = ['--network', place.network, '--out', join(place.folder, 'no'), '--regions'] as const
  assertRefused(await voxplain('study', 'relevance', table, ...base, 'label 1', '--atlas', far), 2, 'do not overlap')
  const text = await readFile(table, 'utf8')
  const lines = text.trimEnd().split('\n')
  const twice = await place.file('twice.tsv', new TextEncoder().encode(`${[...lines, lines[1]].join('\n')}\n`))
  assertRefused(await voxplain('study', 'relevance', twice, ...base, 'other', '--atlas', atlas), 2, 'sub-1')
  await writeFile(join(place.folder, 'copy_gm.nii.gz'), await readFile(join(place.folder, 's1_gm.nii.gz')))
  const copied = [...lines, lines[1]!.replace('sub-1', 'sub-9').replace('s1_gm', 'copy_gm')].join('\n')
  const copies = await place.file('copies.tsv', new TextEncoder().encode(`${copied}\n`))
  assertRefused(await voxplain('study', 'relevance', copies, ...base, 'other', '--atlas', atlas), 2, 'the same scan')
})

test.run()
