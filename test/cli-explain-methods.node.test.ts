/** voxplain explain with several methods, classes and settings: names, records, what is kept, what is refused. */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readVolumeFile } from '../src/io/files.node.ts'
import { sameGrid } from '../src/io/resample.ts'
import { initialise } from '../src/model/architectures.ts'
import { validateDescription } from '../src/model/description.ts'
import { saveNetwork } from '../src/model/formats/format.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'

const test = suite('explain with methods')
let place: Place
let network: string
let scans: string[]
test.before(async () => {
  place = await makePlace()
  network = await smallNetwork()
  scans = [await place.scan('one.nii.gz', tinyScan(1)), await place.scan('two.nii', tinyScan(2))]
})
test.after(() => place.clear())

/** One convolution: explaining is mostly compiling. */
function smallNetwork(): Promise<string> {
  const layers = [
    { name: 'conv', type: 'conv3d', channels: 3, kernel: 3 },
    { name: 'relu', type: 'relu' },
    { name: 'pool', type: 'maxPool3d', kernel: 2, stride: 2 },
    { name: 'flat', type: 'flatten' },
    { name: 'out', type: 'dense', units: 2 },
  ]
  const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
  const head = { format: 'voxplain-network', version: 1, name: 'small', output: 'logits' }
  const description = validateDescription({ ...head, input: [1, ...SIZE], layers, recipe })
  return place.file('small.safetensors', saveNetwork(initialise(description, 5)))
}

const ENDINGS = ['json', 'nii.gz', 'png']
const record = async (folder: string, name: string) =>
  JSON.parse(await readFile(`${place.folder}/${folder}/${name}_relevance.json`, 'utf8'))
const filesOf = (names: readonly string[]) =>
  names.flatMap((name) => ENDINGS.map((ending) => `${name}_relevance.${ending}`)).sort()
const explain = async (folder: string, ...options: string[]) =>
  voxplain('explain', network, ...scans, '--out', await place.file(folder), ...options)

const METHODS = ['--method', 'ixg,mask:iterations=3:resolution=4', '--target', 'AD,CN'] as const

test('methods and classes: a map for each, a failing scan is told, and what is there already is kept', async () => {
  const bad = await place.scan('small.nii', tinyScan(1, [8, 8, 8]))
  const run = await explain('many', bad, ...METHODS, '--json')
  assert.is(run.code, 1)
  assert.match(run.err, /^voxplain: .*small\.nii: the scan has 8 x 8 x 8 voxels.*$/m, run.err)
  const names = ['one', 'two'].flatMap((s) =>
    ['inputXGradient', 'mask'].flatMap((m) => ['AD', 'CN'].map((t) => `${s}_target-${t}_desc-${m}`)),
  )
  const found = JSON.parse(run.out).scans
  assert.is(found.length, 9)
  assert.is(found.filter((one: object) => 'error' in one).length, 1)
  assert.equal((await place.list('many')).sort(), filesOf(names))
  const map = await readVolumeFile(`${place.folder}/many/one_target-AD_desc-inputXGradient_relevance.nii.gz`)
  assert.ok(sameGrid(map, tinyScan()))
  const about = await record('many', 'one_target-AD_desc-inputXGradient')
  assert.equal([about.method, about.signed, about.target], ['inputXGradient', true, { index: 1, name: 'AD' }])
  assert.ok(Math.abs(about.relevance.sum - map.data.reduce((a, b) => a + b, 0)) < 1e-4)
  assert.is(about.scans[0].before.AD, about.probability.before)
  const mask = await record('many', 'two_target-CN_desc-mask')
  assert.equal([mask.options.resolution, mask.iterations, mask.target.name], [4, 3, 'CN'])
  const picture = await readFile(`${place.folder}/many/one_target-AD_desc-inputXGradient_relevance.png`)

  // Again: nothing is made but what is damaged, stale or new.
  const stem = `${place.folder}/many/one_target-CN_desc-inputXGradient_relevance`
  await rm(`${stem}.png`)
  const stale = `${place.folder}/many/two_target-AD_desc-inputXGradient_relevance.json`
  await writeFile(stale, (await readFile(stale, 'utf8')).replace('"key": "', '"key": "0'))
  const times = async () =>
    Object.fromEntries(
      await Promise.all(
        names.map(async (name) => [name, (await stat(`${place.folder}/many/${name}_relevance.json`)).mtimeMs]),
      ),
    )
  const before = await times()
  const again = await explain('many', ...METHODS)
  assert.is(again.code, 0)
  assert.match(again.err, /6 maps were there already and are kept; --force/)
  assert.is(again.out.trimEnd().split('\n').length, 2)
  const after = await times()
  assert.equal(names.filter((name) => before[name] !== after[name]).sort(), [
    'one_target-CN_desc-inputXGradient',
    'two_target-AD_desc-inputXGradient',
  ])
  assert.ok(picture.equals(await readFile(`${place.folder}/many/one_target-AD_desc-inputXGradient_relevance.png`)))

  // Another setting, another scan under the same name, or --force: made anew.
  const lone = ['--method', 'ixg', '--target', 'AD,CN'] as const
  const kept = JSON.parse((await explain('many', ...lone, '--json')).out).scans
  assert.equal(
    kept.map((one: { kept?: boolean }) => one.kept),
    [true, true, true, true],
  )
  await place.scan('two.nii', tinyScan(5))
  const changed = JSON.parse((await explain('many', ...lone, '--json')).out).scans
  assert.equal(
    changed.map((one: { kept?: boolean }) => one.kept),
    [true, true, undefined, undefined],
  )
  await place.scan('two.nii', tinyScan(2))
  assert.not.match((await explain('many', ...lone, '--force')).err, /kept/)
})

test('the same bytes in any company: alone, in a batch, beside other methods', async () => {
  await explain('company', '--method', 'saliency,ig:4,ig:2', '--batch', '2')
  const alone = await voxplain('explain', network, scans[1]!, '--method', 'ig:2', '--out', await place.file('solo'))
  assert.is(alone.code, 0, alone.err)
  const bytes = (folder: string, name: string) =>
    readFile(`${place.folder}/${folder}/two_desc-${name}_relevance.nii.gz`)
  assert.ok((await bytes('company', 'igSteps2')).equals(await bytes('solo', 'ig')))
  assert.not.ok((await bytes('company', 'igSteps4')).equals(await bytes('solo', 'ig')))
})

test('lrp tells how much relevance arrives at every layer', async () => {
  const run = await explain('kept', '--method', 'lrp', '--conservation', '--target', 'CN')
  assert.is(run.code, 0, run.err)
  assert.match(run.out, /^ +layer +sum of relevance +of the output$/m)
  assert.match(run.out, /^ +out +-?\d.* 100\.00 %$/m)
  const { facts } = await record('kept', 'one_desc-lrp')
  assert.ok('sum:input' in facts)
  assertRefused(await explain('kept', '--method', 'saliency', '--conservation'), 2, '--conservation', 'lrp')
})

test('post-processing: what is written is what was asked for, and says so', async () => {
  const plain = ['--method', 'ixg', '--target', 'AD'] as const
  const flags = ['--positive', '--normalise', 'max', '--threshold', '0.3', '--min-cluster', '2'] as const
  await explain('raw', ...plain)
  const run = await explain('polished', ...plain, ...flags)
  assert.is(run.code, 0, run.err)
  const [raw, polished] = await Promise.all(
    ['raw', 'polished'].map((f) => readVolumeFile(`${place.folder}/${f}/one_desc-inputXGradient_relevance.nii.gz`)),
  )
  const largest = raw!.data.reduce((most, v) => Math.max(most, v), 0)
  polished!.data.forEach((value, n) => {
    if (value === 0) return
    assert.ok(value >= 0.3 && value <= 1)
    assert.ok(Math.abs(value - raw!.data[n]! / largest) < 1e-5)
  })
  assert.is(
    polished!.data.reduce((most, v) => Math.max(most, v), 0),
    1,
  )
  const { postprocess } = await record('polished', 'one_desc-inputXGradient')
  assert.is(postprocess.steps.length, 4)
  assert.ok(postprocess.clusters.largest.every(({ voxels }: { voxels: number }) => voxels >= 2))
  // The same folder with other steps: not kept.
  assert.not.match((await explain('polished', ...plain)).err, /kept/)
  assertRefused(await explain('raw', ...plain, '--positive', '--negative'), 2, '--positive', '--negative')
  assertRefused(await explain('raw', ...plain, '--normalise', 'p101'), 2, '--normalise', 'p99.99')
})

test('regions of an atlas', async () => {
  const labels = tinyScan().data.map((_, n) => (n % SIZE[0] < 6 ? 7 : 30))
  const atlas = await place.scan('atlas.nii', { ...tinyScan(), data: labels })
  await place.file('atlas.tsv', new TextEncoder().encode('index\tname\n7\tleft\n30\tright\n'))
  const run = await explain('regions', '--method', 'atlasOcclusion', '--atlas', atlas)
  assert.is(run.code, 0, run.err)
  const map = await readVolumeFile(`${place.folder}/regions/one_desc-atlasOcclusion_relevance.nii.gz`)
  assert.is(new Set(map.data).size, 2)
  assertRefused(await explain('regions', '--method', 'atlasOcclusion'), 2, 'atlasOcclusion needs --atlas')
})

test('methods from a document, and the list of all', async () => {
  const document = JSON.stringify([{ method: 'ig', settings: { steps: 2 }, name: 'quick' }, 'saliency'])
  const path = await place.file('methods.json', new TextEncoder().encode(document))
  const run = await explain('document', '--method', path)
  assert.is(run.code, 0, run.err)
  const names = ['one', 'two'].flatMap((s) => [`${s}_desc-quick`, `${s}_desc-saliency`])
  assert.equal((await place.list('document')).sort(), filesOf(names))
  const list = await voxplain('explain', '--list-methods')
  assert.is(list.code, 0)
  assert.is(list.err, '')
  for (const word of ['lrp', 'Saliency', 'default 60', 'Simonyan']) assert.ok(list.out.includes(word), word)
})

test('what does not go together is refused before any work', async () => {
  const refused = async (options: string[], ...parts: string[]) =>
    assertRefused(await explain('refused', ...options), 2, ...parts)
  await refused(['--method', 'ig:stepz=2'], '--method', 'ig has no setting "stepz"')
  await refused(['--method', 'mask,saliency', '--group'], '--group', 'saliency')
  await refused(['--method', 'saliency', '--lambda1', '3'], '--lambda1', 'mask')
  await refused(['--method', 'saliency', '--learning-rate', '3'], '--learning-rate', 'mask')
  await refused(['--target', 'AD,AD'], '--target', 'twice')
  await refused(['--target', 'AD,MCI'], 'MCI', 'CN, AD')
  assert.equal(await place.list('refused'), [])
})

test('a map that cannot be written leaves nothing, and the others are written', async () => {
  await mkdir(`${place.folder}/taken/one_desc-saliency_relevance.json`, { recursive: true })
  const run = await explain('taken', '--method', 'saliency,ixg')
  assert.is(run.code, 1)
  const names = ['one_desc-inputXGradient', 'two_desc-inputXGradient', 'two_desc-saliency']
  assert.equal((await place.list('taken')).sort(), [...filesOf(names), 'one_desc-saliency_relevance.json'].sort())
})

test.run()
