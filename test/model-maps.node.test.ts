/** MAPS folders and voxplain convert, from the command line. */
import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { readMaps } from '../src/model/formats/maps.ts'
import { assertRefused, makePlace, tinyScan, voxplain } from './support/cli.ts'
import { assertClose, closeTestGpu } from './support/evaluate.ts'
import { outputsOf, referenceInput } from './support/predict.ts'
import { tfjsOf } from './support/tfjs.ts'

const test = suite('MAPS and convert')
const place = await makePlace()
test.after(async () => {
  await closeTestGpu()
  await place.clear()
})

const fixture = async (name: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(new URL(`fixtures/model/${name}`, import.meta.url)))
const text = (json: unknown) => new TextEncoder().encode(JSON.stringify(json))
const { input, logits } = JSON.parse(new TextDecoder().decode(await fixture('torch.json')))

const maps = {
  architecture: 'Conv2_FC2',
  network_task: 'classification',
  mode: 'image',
  multi_network: false,
  dropout: 0.3,
  input_size: input,
  normalize: true,
  label: 'diagnosis',
  label_code: { AD: 1, CN: 0 },
}

/** A MAPS folder with two splits; the second split holds another network. */
async function makeMaps(name: string, json: unknown, checkpoint: string, second = checkpoint): Promise<string> {
  await place.file(`${name}/maps.json`, text(json))
  await place.file(`${name}/split-0/best-loss/model.pth.tar`, await fixture(checkpoint))
  await place.file(`${name}/split-1/best-loss/model.pth.tar`, await fixture(second))
  return place.file(name)
}

test('a MAPS folder gives the network, its classes and its recipe', async () => {
  const folder = await makeMaps('maps', maps, 'torch_clinicadl.pth.tar')
  const { code, out } = await voxplain('inspect', folder, '--json')
  assert.is(code, 0)
  const found = JSON.parse(out)
  assert.is(found.name, 'Conv2_FC2')
  assert.equal(found.input, input)
  assert.equal(found.classes, ['CN', 'AD'])
  assert.is(found.recipe.scaling, 'min-max')
  assert.equal(found.recipe.axes, ['x', 'y', 'z'])
  assert.match(found.notes[0], /its network is .*split-0\/best-loss\/model.pth.tar/)
  // The checkpoint itself finds its maps.json, too.
  const direct = await voxplain('inspect', `${folder}/split-1/best-loss/model.pth.tar`, '--json')
  assert.equal(JSON.parse(direct.out).recipe, found.recipe)
  const scan = await place.scan('scan.nii.gz', tinyScan(1, [7, 9, 6]))
  const predicted = await voxplain('predict', folder, scan, '--json')
  assert.is(predicted.code, 0, predicted.err)
  assert.is(JSON.parse(predicted.out).scans[0].probabilities.length, 2)
})

for (const [name, d_reduction] of [
  ['torch_random_pool.pth.tar', 'MaxPooling'],
  ['torch_random_stride.pth.tar', 'stride'],
] as const) {
  test(`a random network with ${d_reduction}, converted, gives PyTorch's logits`, async () => {
    const convolutions = { conv0: { n_conv: 2, d_reduction }, conv1: { n_conv: 1, d_reduction } }
    const json = { ...maps, convolutions, label_code: { CN: 0, MCI: 1, AD: 2 } }
    const folder = await makeMaps(d_reduction, json, name)
    const to = await place.file(`${d_reduction}.safetensors`)
    const { code, err } = await voxplain('convert', folder, to)
    assert.is(code, 0, err)
    const network = loadNetwork(new Uint8Array(await readFile(to)))
    assert.equal(network.description.recipe.classes, ['CN', 'MCI', 'AD'])
    const found = await outputsOf(network, referenceInput(input))
    assertClose(found.logits, logits[name], name, { relative: 1e-5, absolute: 1e-5 })
  })
}

test('convert takes what the file does not say from its options', async () => {
  const from = await place.file('bare.pth', await fixture('torch_legacy.pth'))
  const to = await place.file('bare.safetensors')
  const refused = await voxplain('convert', from, to)
  assertRefused(refused, 2, 'bare.pth is not a usable network', 'voxplain convert --input-shape')
  const shape = input.join('x')
  const run = await voxplain('convert', from, to, '--input-shape', shape, '--classes', 'CN,AD')
  assert.is(run.code, 0, run.err)
  assert.match(run.err, /no input recipe/)
  assert.equal(loadNetwork(new Uint8Array(await readFile(to))).description.recipe.classes, ['CN', 'AD'])
  assert.is((await voxplain('inspect', from, '--input-shape', shape)).code, 0)
  // To ONNX and back.
  const onnx = await place.file('bare.onnx')
  assert.is((await voxplain('convert', to, onnx)).code, 0)
  assert.is((await voxplain('convert', onnx, to)).code, 0)
  const again = loadNetwork(new Uint8Array(await readFile(to)))
  const found = await outputsOf(again, referenceInput(input))
  assertClose(found.logits, logits['torch_legacy.pth'], 'logits', { relative: 1e-5, absolute: 1e-5 })
  assertRefused(
    await voxplain('convert', from, to, '--input-shape', shape, '--classes', 'a,b,c'),
    2,
    '2 different names',
  )
  assertRefused(await voxplain('convert', from, `${to}.txt`), 2, 'must end in .safetensors or .onnx')
  const broken = await place.file('layers.json', new TextEncoder().encode('{'))
  assertRefused(await voxplain('convert', from, to, '--layers', broken), 2, 'layers.json is not JSON')
})

test('a TensorFlow.js model on disk, by its model.json and by its folder', async () => {
  const { json, files } = tfjsOf(await fixture('keras2_binary.hdf5'))
  const path = await place.file('tfjs/model.json', text(json))
  for (const [name, bytes] of files) await place.file(`tfjs/${name}`, bytes)
  const runs = [
    await voxplain('inspect', path, '--json'),
    await voxplain('inspect', await place.file('tfjs'), '--json'),
  ]
  for (const run of runs) assert.is(run.code, 0, run.err)
  assert.equal(JSON.parse(runs[1]!.out).layers, JSON.parse(runs[0]!.out).layers)
  const elsewhere = await place.file('lost/model.json', text(json))
  assertRefused(await voxplain('inspect', elsewhere), 2, 'group1-shard1of2.bin does not exist')
  assertRefused(await voxplain('inspect', await place.file('other.json', text({}))), 2, 'holds no network')
  await place.file('empty/readme', new Uint8Array(1))
  assertRefused(await voxplain('predict', await place.file('empty'), path), 2, 'is a folder without a MAPS')
})

test('what maps.json asks for and is not done here is refused', () => {
  const rejects = (change: object, pattern: RegExp) =>
    assert.throws(
      () => readMaps({ ...maps, ...change }),
      (error: Error) => error instanceof InputError && pattern.test(error.message),
      `${pattern}`,
    )
  rejects({ network_task: 'regression' }, /network_task "regression"; only classification/)
  rejects({ mode: 'patch' }, /mode "patch"/)
  rejects({ multi_network: true }, /several networks/)
  rejects({ input_size: [1, 2] }, /input_size must be a list of 4/)
  rejects({ label_code: { CN: 0, AD: 2 } }, /no label for output 1/)
  rejects({ dropout: 2 }, /dropout/)
  rejects({ convolutions: { conv0: { d_reduction: 'x' } } }, /d_reduction/)
  assert.equal(readMaps({ ...maps, input_size: '1@121x145x121' }).inputShape, [1, 121, 145, 121])
  assert.equal(readMaps({ ...maps, label_code: { CN: 0, MCI: 1, AD: 1 } }).recipe?.classes, ['CN', 'MCI+AD'])
  assert.is(readMaps({ ...maps, normalize: false }).recipe?.scaling, 'none')
})

test.run()
