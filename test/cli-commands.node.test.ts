/** What the commands print and write, and their exit codes. */
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { makeProgress } from '../src/cli/progress.ts'
import { readVolumeFile } from '../src/io/files.node.ts'
import { sameGrid } from '../src/io/resample.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'

const test = suite('command line')
let place: Place
let scans: [string, string]
test.before(async () => {
  place = await makePlace()
  scans = [await place.scan('one.nii.gz', tinyScan(1)), await place.scan('two.nii', tinyScan(2))]
})
test.after(() => place.clear())

const STEPS = ['--iterations', '3', '--resolution', '2'] as const

test('every command has help with an example', async () => {
  for (const command of [[], ['doctor'], ['inspect'], ['predict'], ['explain'], ['phantom'], ['train']]) {
    const { code, out, err } = await voxplain(...command, '--help')
    assert.is(code, 0)
    assert.is(err, '')
    assert.match(out, /\nExamples?:\n {2}(VOXPLAIN_ADAPTER=software )?voxplain /)
  }
})

test('doctor finds the adapter and a right result', async () => {
  const { code, out } = await voxplain('doctor', '--json')
  const found = JSON.parse(out)
  assert.is(code, 0)
  assert.is(found.check.passed, true)
  assert.ok(found.adapter.length > 0 && found.limits.maxBufferSize > 0)
  assert.match(found.versions.voxplain, /^\d+\.\d+\.\d+/)
})

test('inspect tells a network from a volume', async () => {
  const network = JSON.parse((await voxplain('inspect', place.network, '--json')).out)
  assert.is(network.kind, 'network')
  assert.equal(network.input, [1, ...SIZE])
  assert.equal(network.classes, ['CN', 'AD'])
  assert.equal(network.layers[0].shape, [8, ...SIZE])
  const scan = tinyScan(1)
  scan.data.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NaN])
  const path = await place.scan('damaged.nii', scan)
  const volume = JSON.parse((await voxplain('inspect', path, '--json')).out)
  assert.is(volume.kind, 'volume')
  assert.equal([volume.nan, volume.infinite], [2, 1])
  assert.equal([volume.shape, volume.voxelSize, volume.orientation], [[...SIZE], [2, 2, 2], 'RAS'])
  assert.match((await voxplain('inspect', place.network)).out, /conv1 +conv3d +8 x 12 x 14 x 12 +224 /)
})

test('predict: the same numbers for people and machines, one program for all scans', async () => {
  const machine = await voxplain('predict', place.network, ...scans, '--json')
  const { scans: found, classes } = JSON.parse(machine.out)
  assert.is(machine.code, 0)
  assert.is(machine.err, '')
  assert.equal(classes, ['CN', 'AD'])
  const [one, two] = found
  assert.not.equal(one.logits, two.logits)
  const exp = one.logits.map(Math.exp)
  assert.ok(Math.abs(one.probabilities[1] - exp[1] / (exp[0] + exp[1])) < 1e-6)
  const people = await voxplain('predict', place.network, ...scans)
  const lines = people.out.trimEnd().split('\n')
  assert.is(lines.length, 3)
  assert.ok(lines[2]!.includes(two.probabilities[1].toFixed(5)))
  assert.match(people.err, /planned GPU memory/)
})

test('predict: NaN and infinite voxels count, are zero, and are told of', async () => {
  const scan = tinyScan(1)
  const zeros = { ...scan, data: scan.data.slice() }
  for (const n of [200, 201, 202]) zeros.data[n] = 0
  scan.data.set([Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], 200)
  const paths = [await place.scan('nan.nii', scan), await place.scan('zero.nii', zeros)]
  const { code, out, err } = await voxplain('predict', place.network, ...paths, '--json')
  const [dirty, clean] = JSON.parse(out).scans
  assert.is(code, 0)
  assert.equal([dirty.nonFinite, clean.nonFinite], [3, 0])
  assert.equal(dirty.logits, clean.logits)
  assert.match(err, /^voxplain: .*nan\.nii: 3 NaN or infinite voxels were set to zero\n$/)
})

test('predict: a scan that fails does not stop the others', async () => {
  const bad = await place.file('bad.nii', new Uint8Array(400))
  const { code, out, err } = await voxplain('predict', place.network, bad, scans[0], bad, scans[1], '--json')
  const found = JSON.parse(out).scans
  assert.is(code, 1)
  assert.equal(
    found.map((one: object) => 'error' in one),
    [true, false, true, false],
  )
  assert.is(err.trimEnd().split('\n').length, 2)
})

test('a Keras network without a recipe: the plain one is assumed, and said', async () => {
  const keras = fileURLToPath(new URL('fixtures/model/keras2_binary.hdf5', import.meta.url))
  const { input } = JSON.parse((await voxplain('inspect', keras, '--json')).out)
  const path = await place.scan('keras.nii', tinyScan(1, input.slice(1)))
  const { code, err } = await voxplain('predict', keras, path)
  assert.is(code, 0)
  assert.match(err, /no input recipe .* plain .* --recipe/)
})

test('explain: map on the scan grid, record, picture; a failing scan leaves nothing', async () => {
  const out = await place.file('maps')
  const bad = await place.scan('small.nii', tinyScan(1, [8, 8, 8]))
  const run = await voxplain(
    'explain',
    place.network,
    bad,
    ...scans,
    '--target',
    'AD',
    '--out',
    out,
    ...STEPS,
    '--json',
  )
  assert.is(run.code, 1)
  assert.match(run.err, /small\.nii: the scan has 8 x 8 x 8 voxels/)
  const names = ['one', 'two'].flatMap((s) => ['json', 'nii.gz', 'png'].map((e) => `${s}_desc-mask_relevance.${e}`))
  assert.equal((await place.list('maps')).sort(), names)
  const map = await readVolumeFile(`${out}/one_desc-mask_relevance.nii.gz`)
  assert.ok(sameGrid(map, tinyScan()))
  assert.ok(map.data.every((value) => value >= 0 && value <= 1))
  assert.ok(map.data.some((value) => value > 0))
  const record = JSON.parse(await readFile(`${out}/one_desc-mask_relevance.json`, 'utf8'))
  assert.equal(record.target, { index: 1, name: 'AD' })
  assert.is(record.options.resolution, 2)
  assert.is(record.trace.length, record.iterations)
  assert.is(record.scans[0].before.AD, record.probability.before)
  for (const key of ['adapter', 'versions', 'seconds', 'converged', 'masked', 'nonFinite', 'gpuBytes', 'notes'])
    assert.ok(key in record, key)
  const picture = await readFile(`${out}/one_desc-mask_relevance.png`)
  assert.equal([...picture.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47])
  assert.is(JSON.parse(run.out).scans.length, 3)
})

test('explain --group: one map, failing scans named in its record', async () => {
  const out = await place.file('group')
  const bad = await place.file('broken.nii', new Uint8Array(400))
  const fill = ['--fill', 'mean', '--reference', scans[0]] as const
  const run = await voxplain('explain', place.network, ...scans, bad, '--group', '--out', out, ...STEPS, ...fill)
  assert.is(run.code, 1)
  assert.match(run.err, /planned GPU memory/)
  assert.equal((await place.list('group')).length, 3)
  const record = JSON.parse(await readFile(`${out}/group_desc-mask_relevance.json`, 'utf8'))
  assert.equal(
    record.scans.map(({ scan }: { scan: string }) => scan),
    scans,
  )
  assert.is(record.failed[0].scan, bad)
  assert.equal([record.options.fill, record.options.reference], ['mean', scans[0]])
})

test('phantom and train: a cohort, then a network with its own recipe', async () => {
  const cohort = await place.file('cohort')
  const size = ['--subjects', '6', '--voxel', '16', '--seed', '3'] as const
  const phantom = await voxplain('phantom', '--out', cohort, ...size, '--groups', 'CN,AD', '--json')
  assert.is(phantom.code, 0)
  const { participants, subjects } = JSON.parse(phantom.out)
  assert.is(subjects.length, 6)
  const out = await place.file('trained/network.safetensors')
  const options = ['--epochs', '2', '--validation', '0.34', '--json'] as const
  const trained = await voxplain('train', participants, '--out', out, ...options)
  assert.is(trained.code, 0, trained.err)
  const result = JSON.parse(trained.out)
  assert.is(result.history.length, 2)
  assert.equal(result.samples, { training: 4, validation: 2 })
  const { recipe } = loadNetwork(await readFile(out)).description
  assert.equal(recipe.classes, ['CN', 'AD'])
  assert.ok(recipe.grid?.affine)
  const scan = `${cohort}/${subjects[0].path}`
  assert.is((await voxplain('predict', out, scan)).code, 0)
})

test('a process of its own ends by itself, with clean streams and the exit code', () => {
  const bin = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
  const run = (...argv: string[]) => spawnSync(process.execPath, [bin, ...argv], { encoding: 'utf8', timeout: 60000 })
  const good = run('predict', place.network, ...scans, '--json')
  assert.is(good.status, 0, good.stderr)
  assert.is(JSON.parse(good.stdout).scans.length, 2)
  const wrong = run('predict', place.network, 'none.nii')
  assertRefused({ code: wrong.status!, out: wrong.stdout, err: wrong.stderr }, 2, 'none.nii does not exist')
})

test('the progress bar shows share and time left, and goes away', () => {
  let time = 0
  let text = ''
  const bar = makeProgress(
    (part) => void (text += part),
    'scan',
    80,
    () => time,
  )
  time = 10000
  bar.update(1, 4, 'loss 1')
  assert.match(text, /scan \[====== {18}\] {2}25% 0:30 left loss 1$/)
  bar.clear()
  assert.ok(text.endsWith('\r\x1b[2K'))
})

test.run()
