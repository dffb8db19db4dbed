/** voxplain study robustness: what it writes, what it refuses before any work, and that it goes on after kill -9. */
import { spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readVolumeFile } from '../src/io/files.node.ts'
import { writeVolume } from '../src/io/nifti.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { architectures, initialise } from '../src/model/architectures.ts'
import { formatPredictions } from '../src/model/evaluation/predictions.ts'
import { saveNetwork } from '../src/model/formats/format.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'

const test = suite('study')
let place: Place
let table: string
let networks: string
let atlas: string

const CLASSES = ['CN', 'AD']
const people = Array.from({ length: 8 }, (_, n) => ({ name: `sub-${n}`, label: CLASSES[n % 2]!, fold: n < 4 ? 0 : 1 }))

/** A folder as of voxplain cv, of networks that were never trained. */
async function makeNetworks(name: string, { folds = 2, runs = 2, twice = false } = {}): Promise<string> {
  const recipe = { ...plainRecipe(2), classes: CLASSES }
  for (let fold = 0; fold < folds; fold++) {
    for (let run = 0; run < runs; run++) {
      const description = architectures.smallCnn({ inputShape: [1, ...SIZE], recipe, classes: CLASSES })
      const own = `${name}/fold-${fold}/run-${run}`
      await place.file(`${own}/network.safetensors`, saveNetwork(initialise(description, 10 * fold + run + 1)))
      const rows = people.flatMap(({ name: participant, label, fold: tested }) =>
        tested === fold ? [{ participant, trueLabel: label, predictedLabel: 'CN', probabilities: [0.6, 0.4] }] : [],
      )
      const text = formatPredictions({ classes: CLASSES, rows: twice ? [...rows, rows[0]!] : rows })
      await place.file(`${own}/predictions.tsv`, new TextEncoder().encode(text))
      await place.file(`${own}/metrics.json`, new TextEncoder().encode('{}'))
    }
  }
  return join(place.folder, name)
}

/** Four slabs, named beside the volume. @param shift in mm, away from the scans. @param named how many have a name */
async function makeAtlas(name: string, { shift = 0, named = 4 } = {}): Promise<string> {
  const scan = tinyScan(1)
  const data = scan.data.map((_, v) => 1 + Math.floor((4 * (v % SIZE[0])) / SIZE[0]))
  const affine = scan.affine.map((value, n) => (n === 3 ? value + shift : value))
  const names = ['left', 'middle left', 'middle right', 'right'].slice(0, named).map((text, n) => `${n + 1}\t${text}\n`)
  await place.file(`${name}.tsv`, new TextEncoder().encode(`index\tname\n${names.join('')}`))
  return place.file(`${name}.nii`, writeVolume({ ...scan, affine, data }))
}

test.before(async () => {
  place = await makePlace()
  const lines = await Promise.all(
    people.map(async ({ name, label }, n) => {
      await place.scan(`${name}.nii.gz`, tinyScan(40 + n))
      return `${name}\t${label}\t${name}.nii.gz\n`
    }),
  )
  table = join(place.folder, 'table.tsv')
  await writeFile(table, `participant_id\tdiagnosis\tpath\n${lines.join('')}`)
  networks = await makeNetworks('cv')
  atlas = await makeAtlas('atlas')
})
test.after(() => place.clear())

/** Networks that were never trained are sure of nothing: small weights, and any masked probability will do. */
const options = (out: string) =>
  ['--networks', networks, '--atlas', atlas, '--out', out, '--grid', '0.02,0.1x0.01,0.1', '--below', '1'].concat([
    '--iterations',
    '12',
    '--starts',
    '1',
    '--top',
    '2',
    '--permutations',
    '50',
    '--resolution',
    '3',
  ])

const study = (...argv: string[]) => voxplain('study', 'robustness', ...argv)

/** All files of a study but the one with times, by name. */
async function contents(folder: string): Promise<Map<string, string>> {
  const names = (await place.list(folder)).filter((name) => /\.\w+$/.test(name) && name !== 'times.tsv').sort()
  const files = new Map<string, string>()
  for (const name of names) files.set(name, (await readFile(join(place.folder, folder, name))).toString('base64'))
  return files
}

test('a study: tables, figures, maps and a page; called again it computes nothing', async () => {
  const out = join(place.folder, 'whole')
  const plan = await study(table, ...options(out), '--dry-run')
  assert.is(plan.code, 0, plan.err)
  assert.match(plan.out, /masks of the grid of lambdas +4 +0 +96\n/)
  assert.match(plan.out, /masks of the other networks +3 +0 +72\n/)
  assert.match(plan.out, /GPU memory [\d.]+ [kM]B; about \d+:\d\d, judged by 4 steps that were measured now/)
  const run = await study(table, ...options(out))
  assert.is(run.code, 0, run.err)
  assert.match(run.out, /^inter-run +0\.\d\d/m)
  const rows = async (name: string) => parseTsv(await readFile(join(out, name), 'utf8')).rows
  const files = await contents('whole')
  const wanted = ['grid', 'grid_similarity', 'networks', 'pairs', 'summary', 'regions', 'starts'].map(
    (name) => `${name}.tsv`,
  )
  for (const name of [...wanted, 'results.json', 'index.html']) assert.ok(files.has(name), name)
  assert.is([...files.keys()].filter((name) => name.startsWith('parts/mask')).length, 4 + 3 + 1)
  assert.is([...files.keys()].filter((name) => name.startsWith('parts/transfer')).length, 4)

  // The chosen one is marked once, and its mask is that of the first network.
  const grid = await rows('grid.tsv')
  assert.equal([grid.length, grid.filter(({ chosen }) => chosen === '1').length], [4, 1])
  const chosen = grid.find((row) => row.chosen === '1')!
  const map = await readVolumeFile(join(out, 'maps', 'fold-0_run-0_desc-mask_relevance.nii.gz'))
  const same = join(out, 'maps', `grid_lambda1-${chosen.lambda1}_lambda2-${chosen.lambda2}_desc-mask_relevance.nii.gz`)
  assert.equal(map.data, (await readVolumeFile(same)).data)
  // Regions: means of that map, voxel by voxel.
  const labels = await readVolumeFile(atlas)
  const regions = await rows('regions.tsv')
  for (const [label, name] of [
    [1, 'left'],
    [3, 'middle right'],
  ] as const) {
    const own = Array.from(map.data).filter((_, v) => labels.data[v] === label)
    const mean = own.reduce((a, b) => a + b, 0) / own.length
    const found = Number(regions.find(({ region }) => region === name)!['fold-0_run-0'])
    assert.ok(Math.abs(found - mean) < 1e-6, `${name}: ${found}, ${mean}`)
  }
  // The summary is the mean over pairs; a pair of runs in either fold, both ways.
  const pairs = await rows('pairs.tsv')
  assert.equal([pairs.length, pairs.filter(({ pair }) => pair === 'inter-run').length], [12, 4])
  const probabilities = pairs.filter(({ pair }) => pair === 'inter-fold').map((row) => Number(row.prob_cnn))
  const line = (await rows('summary.tsv')).find(({ pair, measure }) => pair === 'inter-fold' && measure === 'prob_cnn')!
  assert.ok(Math.abs(Number(line.mean) - probabilities.reduce((a, b) => a + b, 0) / 4) < 1e-12)
  assert.equal([line.pairs, (await rows('networks.tsv')).length], ['4', 4])

  const page = await readFile(join(out, 'index.html'), 'utf8')
  assert.not.match(page, /(src|href)="(?!data:)/)
  assert.match(page, /Figure 7\./)
  assert.not.match(page.replace(/data:[^"]+/g, ''), /undefined|NaN/)

  const again = await study(table, ...options(out), '--json')
  assert.is(again.code, 0, again.err)
  const document = JSON.parse(again.out)
  assert.equal(
    document.kinds.map(({ kind }: { kind: string }) => kind),
    ['inter-run', 'inter-fold', 'inter-fold and run'],
  )
  assert.not.match(again.err, /mask \d/)
  assert.equal(await contents('whole'), files)
  const done = await study(table, ...options(out), '--dry-run')
  assert.match(done.out, /masks of the other networks +3 +3 +0\n/)
  assert.match(done.out, /judged by 8 masks that were made before/)
})

/** A study in a process of its own, killed when so many masks are made; undefined: left alone. */
function apart(out: string, masks: number | undefined): Promise<string | null> {
  const bin = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
  return new Promise((resolve, reject) => {
    const argv = [bin, 'study', 'robustness', table, ...options(out)]
    const running = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    running.stderr.setEncoding('utf8').on('data', (text) => {
      said += text
      if (masks !== undefined && said.split(' steps\n').length - 1 >= masks) running.kill('SIGKILL')
    })
    running.on('error', reject)
    running.on('close', (code, signal) =>
      code === 0 || signal ? resolve(signal) : reject(new Error(`${code}: ${said}`)),
    )
  })
}

test('kill -9 in between, then again: the very same files', async () => {
  const out = join(place.folder, 'killed')
  assert.is(await apart(out, 2), 'SIGKILL')
  assert.is(await apart(out, 3), 'SIGKILL')
  // What a process leaves that dies while it writes, and a part that a failing disk has damaged.
  await mkdir(join(out, 'parts'), { recursive: true })
  await writeFile(join(out, 'parts', '.0123456789abcdef01.tmp'), 'half')
  const [part] = (await place.list('killed/parts')).filter((name) => name.startsWith('mask'))
  await writeFile(join(out, 'parts', part!), 'half')
  assert.is(await apart(out, undefined), null)
  const [killed, whole] = [await contents('killed'), await contents('whole')]
  assert.equal([...killed.keys()], [...whole.keys()])
  for (const [name, bytes] of whole) {
    assert.ok(killed.get(name) === bytes, `${name} differs`)
  }
})

test('what is refused before any work', async () => {
  const out = join(place.folder, 'refused')
  const refuse = async (argv: readonly string[], ...parts: string[]) => {
    const run = await study(table, ...options(out), ...argv)
    assertRefused(run, 2, ...parts)
  }
  await refuse(['--networks', place.folder], 'holds no networks of a cross-validation', 'voxplain cv')
  await refuse(['--networks', await makeNetworks('one-run', { runs: 1 })], 'one run a fold', '--runs 2')
  await refuse(['--networks', await makeNetworks('one-fold', { folds: 1 })], 'one fold')
  await refuse(['--networks', await makeNetworks('twice', { twice: true })], 'lines 2 and 6 are both of sub-0')
  await refuse(['--atlas', await makeAtlas('far', { shift: 500 })], 'do not overlap', 'x 488 to')
  await refuse(['--atlas', await makeAtlas('nameless', { named: 3 })], 'labels without names: 4')
  await refuse(['--target', 'XX'], 'no class "XX"', 'CN, AD')
  await refuse(['--patients', 'test'], 'no test set')
  await refuse(['--truth', 'nowhere'], 'nowhere')
  await refuse(['--grid', '20'], 'Give lambda1 and lambda2 with an x between')
  const text = await readFile(table, 'utf8')
  const copy = join(place.folder, 'copy.tsv')
  await writeFile(copy, `${text}sub-0\tCN\tsub-0.nii.gz\n`)
  assertRefused(await study(copy, ...options(out)), 2, 'rows of one participant')
  await writeFile(copy, text.replace('sub-1\tAD\tsub-1.nii.gz\n', ''))
  assertRefused(await study(copy, ...options(out)), 2, 'no row of sub-1')
  const scan = tinyScan(1)
  await place.scan('sub-flat.nii.gz', { ...scan, data: scan.data.map(() => 0.5) })
  await writeFile(copy, text.replace('sub-1.nii.gz', 'sub-flat.nii.gz'))
  assertRefused(await study(copy, ...options(out)), 2, 'sub-flat.nii.gz')
  // A network of a part that never ended.
  const broken = await makeNetworks('broken')
  await rm(join(broken, 'fold-1', 'run-1', 'metrics.json'))
  await refuse(['--networks', broken], 'no network of fold 2, run 2', '--resume')
})

test.run()
