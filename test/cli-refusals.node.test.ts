/** Bad input: one clear line, the right exit code, and nothing half-written. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { exitCode, forEachScan } from '../src/cli/scans.ts'
import { makeReporter } from '../src/cli/terminal.ts'
import { GpuError } from '../src/engine/errors.ts'
import { writeVolume } from '../src/io/nifti.ts'
import { readSafetensors, writeSafetensors } from '../src/model/formats/safetensors.ts'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/model/${name}`, import.meta.url))

const test = suite('bad input')
let place: Place
let good: string
let out: string
test.before(async () => {
  place = await makePlace()
  good = await place.scan('good.nii.gz', tinyScan())
  out = await place.file('maps')
})
test.after(() => place.clear())
test.after.each(async () => {
  assert.equal(await place.list('maps'), [])
})

const explain = (scan: string, ...options: string[]) =>
  voxplain('explain', place.network, scan, '--out', out, ...options)
const predict = (network: string, ...rest: string[]) => voxplain('predict', network, ...rest)

test('a scan that is no NIfTI file', async () => {
  const text = await place.file('text.nii', new TextEncoder().encode('not a volume at all'))
  assertRefused(await explain(text), 1, 'text.nii is not a NIfTI file')
})

test('a truncated gzip stream', async () => {
  const whole = writeVolume(tinyScan(), { gzip: true })
  const cut = await place.file('cut.nii.gz', whole.subarray(0, whole.length / 2))
  assertRefused(await explain(cut), 1, 'cut.nii.gz', 'truncated')
})

test('a scan whose dimensions are not those of the network', async () => {
  const other = await place.scan('other.nii', tinyScan(1, [10, 14, 12]))
  assertRefused(await explain(other), 1, 'other.nii: ', '10 x 14 x 12 voxels', 'the network takes 12 along x')
})

test('a constant scan', async () => {
  const scan = tinyScan()
  const flat = await place.scan('flat.nii', { ...scan, data: scan.data.map(() => 0.25) })
  assertRefused(await explain(flat), 1, 'flat.nii: ', '0.25', 'constant')
})

test('a scan of NaN alone is a constant one', async () => {
  const scan = tinyScan()
  const empty = await place.scan('empty.nii', { ...scan, data: scan.data.map(() => Number.NaN) })
  assertRefused(await explain(empty), 1, 'empty.nii: ', 'constant')
})

test('files that are missing, before any work', async () => {
  assertRefused(await explain('none.nii'), 2, 'none.nii does not exist')
  assertRefused(await explain(place.folder), 2, 'is a folder')
  assertRefused(
    await predict(place.network, good, 'a.nii', 'b.nii'),
    2,
    'a.nii does not exist',
    '1 more of the 3 scans',
  )
  assertRefused(await predict('none.safetensors', good), 2, 'none.safetensors does not exist')
  assertRefused(await voxplain('inspect', 'none.nii'), 2, 'none.nii does not exist')
})

test('networks that cannot be used', async () => {
  assertRefused(await predict(fixture('unknown_layer.hdf5'), good), 2, 'unknown_layer.hdf5', 'not supported')
  assertRefused(await predict(fixture('wrong_shape.hdf5'), good), 2, 'wrong_shape.hdf5', 'shape')
  assertRefused(await predict(fixture('no_config.hdf5'), good), 2, 'no_config.hdf5', 'no model_config')
  assertRefused(await predict(good, good), 2, 'good.nii.gz is not a usable network', 'a network was expected')
})

test('our own format with an unknown layer, and with weights of another shape', async () => {
  const { tensors, metadata } = readSafetensors(new Uint8Array(await readFile(place.network)))
  const voxplainText = metadata.voxplain!.replace('"type":"leakyRelu"', '"type":"magic"')
  const layer = await place.file(
    'layer.safetensors',
    writeSafetensors({ tensors, metadata: { voxplain: voxplainText } }),
  )
  assertRefused(await predict(layer, good), 2, 'layer.safetensors', 'unknown type "magic"')
  const narrow = new Map(tensors).set('conv1.bias', { shape: [7], data: new Float32Array(7) })
  const weights = await place.file('weights.safetensors', writeSafetensors({ tensors: narrow, metadata }))
  assertRefused(await predict(weights, good), 2, 'weights.safetensors', '"conv1.bias"', '7', '8')
})

test('a class that the network does not have', async () => {
  assertRefused(await explain(good, '--target', 'MCI'), 2, 'no class "MCI"', 'CN, AD')
})

test('a recipe that does not exist, is no JSON, or names other classes', async () => {
  assertRefused(await explain(good, '--recipe', 'visual'), 2, 'no recipe is called "visual"', 'visualaid')
  const text = await place.file('bad.json', new TextEncoder().encode('{ "axes": '))
  assertRefused(await explain(good, '--recipe', text), 2, 'bad.json is not a usable recipe')
  const three = { axes: ['x', 'y', 'z'], scaling: 'none', classes: ['a', 'b', 'c'] }
  const classes = await place.file('three.json', new TextEncoder().encode(JSON.stringify(three)))
  assertRefused(await explain(good, '--recipe', classes), 2, '3 classes', 'the network has 2')
})

test('an output folder that cannot be written, before any work', async () => {
  const below = `${good}/maps`
  const explained = await voxplain('explain', place.network, good, '--out', below)
  assertRefused(explained, 2, below, 'cannot be written', 'is a file')
  assertRefused(await voxplain('explain', place.network, good, '--out', good), 2, good, 'cannot be written')
  assertRefused(await voxplain('phantom', '--out', below, '--subjects', '2', '--voxel', '20'), 2, below)
})

test('two scans that would write to one file', async () => {
  const twin = await place.scan('elsewhere/good.nii', tinyScan(2))
  const clash = await voxplain('explain', place.network, good, twin, '--out', out)
  assertRefused(clash, 2, good, twin, 'good_*', '--out')
})

test('more GPU memory than is allowed, with the numbers', async () => {
  const limit = ['--memory-limit', '20kB'] as const
  assertRefused(await predict(place.network, good, ...limit), 1, 'GPU memory', 'kB', '20.0 kB allowed')
  assertRefused(await explain(good, ...limit), 1, 'GPU memory', '20.0 kB allowed')
})

test('wrong use of commands and options', async () => {
  assertRefused(await voxplain('explian', 'a', 'b'), 2, "unknown command 'explian'", 'Did you mean explain?')
  assertRefused(await explain(good, '--lamda1', '1'), 2, "unknown option '--lamda1'", 'Did you mean --lambda1?')
  assertRefused(await explain(good, '--lambda1', '-1'), 2, '--lambda1', 'from 0 up')
  assertRefused(await explain(good, '--iterations', '2.5'), 2, '--iterations', 'whole number from 1 to 100000')
  assertRefused(await explain(good, '--fill', 'two'), 2, '--fill', 'one, zero, mean, blur')
  assertRefused(await explain(good, '--method', 'magic'), 2, '--method', 'mask')
  assertRefused(await explain(good, '--memory-limit', 'much'), 2, '--memory-limit', '800MB')
  assertRefused(await explain(good, '--fill', 'mean'), 2, '--fill mean', '--reference')
  assertRefused(await explain(good, '--reference', good), 2, '--fill mean')
  assertRefused(await voxplain('explain', place.network, good), 2, "'--out <folder>' not specified")
  assertRefused(await predict(place.network), 2, "missing required argument 'scans'")
  assertRefused(await voxplain('phantom', '--out', out, '--groups', 'CN,XX'), 2, 'XX')
})

test('tables that cannot be trained on', async () => {
  const table = async (name: string, text: string) => {
    const path = await place.file(name, new TextEncoder().encode(text))
    return voxplain('train', path, '--out', await place.file('maps/net.safetensors'))
  }
  const head = 'participant_id\tdiagnosis\tpath\n'
  const people = (...rows: string[]) => head + rows.map((row, n) => `sub-${n}\t${row}\n`).join('')
  assertRefused(await table('a.tsv', 'participant_id\tdiagnosis\nsub-1\tCN\n'), 2, 'a.tsv', 'none of the columns path')
  assertRefused(await table('b.tsv', people('CN\tgood.nii.gz')), 2, 'b.tsv', 'class')
  assertRefused(await table('c.tsv', people('CN\tgood.nii.gz', 'AD\tx.nii')), 2, 'c.tsv', 'x.nii')
  assertRefused(await table('d.tsv', people('CN\tgood.nii.gz', 'AD\tgood.nii.gz')), 2, 'd.tsv', 'good.nii.gz')
})

test('a GPU that fails: what was done stays, the rest is not tried, one line says so', async () => {
  let err = ''
  const terminal = { out() {}, err: (text: string) => void (err += text), interactive: false, columns: 80 }
  const tried: number[] = []
  const outcomes = await forEachScan([good, good, good, good], makeReporter(terminal, true), async (_, __, index) => {
    tried.push(index)
    if (index === 1) throw new GpuError('lost', 'the GPU device was lost')
    return index
  })
  assert.equal(tried, [0, 1])
  assert.equal(
    outcomes.map((outcome) => 'error' in outcome),
    [false, true, true, true],
  )
  assert.is(exitCode(outcomes), 1)
  assert.is(err, `voxplain: ${good}: the GPU device was lost; 2 more not tried\n`)
})

test('files that belong together: when one cannot be written, none is left', async () => {
  const folder = await place.file('together')
  const taken = 'good_desc-mask_relevance.json'
  await mkdir(join(folder, taken), { recursive: true })
  const run = await voxplain('explain', place.network, good, '--out', folder, '--iterations', '1')
  assertRefused(run, 1, taken, 'folder')
  assert.equal(await place.list('together'), [taken])
})

test('no stack trace, unless VOXPLAIN_DEBUG=1', async () => {
  assert.not.match((await voxplain('inspect', 'none.nii')).err, /\n +at /)
  process.env.VOXPLAIN_DEBUG = '1'
  const { err } = await voxplain('inspect', 'none.nii')
  delete process.env.VOXPLAIN_DEBUG
  assert.match(err, /\n +at /)
})

test.run()
