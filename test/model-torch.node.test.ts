/** PyTorch checkpoints of all kinds against PyTorch's own logits (test/reference/torch_models.py). */
import { readFile } from 'node:fs/promises'
import { unzipSync, zipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { writeSafetensors } from '../src/model/formats/safetensors.ts'
import { readTorchFile } from '../src/model/formats/torch-file.ts'
import type { StateOptions } from '../src/model/formats/torch-network.ts'
import { torchState } from '../src/model/formats/torch-state.ts'
import { assertClose, closeTestGpu } from './support/evaluate.ts'
import { outputsOf, referenceInput } from './support/predict.ts'

const test = suite('PyTorch import')
test.after(closeTestGpu)

const fixture = async (name: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(new URL(`fixtures/model/${name}`, import.meta.url)))

const expected: { input: number[]; logits: Record<string, number[]> } = JSON.parse(
  new TextDecoder().decode(await fixture('torch.json')),
)
const inputShape = expected.input
const x = referenceInput(inputShape)

/** The layers of torch_own.pt. */
const ownLayers = {
  input: inputShape,
  layers: [
    { name: 'stem', type: 'conv3d', channels: 4, kernel: 3, stride: 2, bias: false },
    { name: 'norm', type: 'instanceNorm' },
    { name: 'act', type: 'prelu', parameters: 4 },
    { name: 'body.0', type: 'conv3d', channels: 6, kernel: [1, 2, 1], groups: 2 },
    { name: 'pool', type: 'avgPool3d', kernel: [2, 1, 1], stride: [2, 1, 1] },
    { name: 'mean', type: 'globalAvgPool' },
    { name: 'head', type: 'dense', units: 3 },
  ],
}

const facts: Record<string, StateOptions> = {
  'torch_random_pool.pth.tar': { inputShape, reduction: 'MaxPooling' },
  'torch_random_stride.pth.tar': { inputShape, reduction: 'stride' },
  'torch_own.pt': { layers: ownLayers },
}

for (const [name, logits] of Object.entries(expected.logits)) {
  test(`${name} gives PyTorch's logits`, async () => {
    const network = loadNetwork(await fixture(name), { name, ...(facts[name] ?? { inputShape }) })
    assert.equal(network.description.input, inputShape)
    assertClose((await outputsOf(network, x)).logits, logits, name, { relative: 1e-5, absolute: 1e-5 })
    // As one of ours it needs nothing from outside any more.
    assert.equal(loadNetwork(saveNetwork(network)).description, network.description)
  })
}

test('a big-endian archive holds the same values', async () => {
  const bytes = await fixture('torch_clinicadl.pth.tar')
  const files = unzipSync(bytes)
  const turned = Object.entries(files).map(([name, data]): [string, Uint8Array] => {
    if (name.endsWith('/byteorder')) return [name, new TextEncoder().encode('big')]
    // All but the batch counters, which are dropped, are float32.
    return [name, /\/data\/\d+$/.test(name) ? swapped(data) : data]
  })
  const big = zipSync(Object.fromEntries(turned), { level: 6 })
  const [a, b] = [torchState(readTorchFile(bytes)), torchState(readTorchFile(big))]
  assert.equal([...b], [...a])
})

function swapped(data: Uint8Array): Uint8Array {
  return Uint8Array.from(data, (_, k) => data[k - (k % 4) + 3 - (k % 4)]!)
}

test("safetensors of PyTorch's, without a description of ours", async () => {
  const tensors = torchState(readTorchFile(await fixture('torch_clinicadl.pth.tar')))
  const prefixed = new Map([...tensors].map(([name, weight]) => [`module.${name}`, weight]))
  const network = loadNetwork(writeSafetensors({ tensors: prefixed, metadata: { format: 'pt' } }), { inputShape })
  const { logits } = await outputsOf(network, x)
  assertClose(logits, expected.logits['torch_clinicadl.pth.tar']!, 'logits', { relative: 1e-5, absolute: 1e-5 })
})

test('safetensors whose length looks like the start of a pickle', async () => {
  const tensors = torchState(readTorchFile(await fixture('torch_own.pt')))
  const file = (pad: number) => writeSafetensors({ tensors, metadata: { pad: ' '.repeat(pad) } })
  const found = Array.from({ length: 256 }, (_, pad) => file(pad)).find((bytes) => bytes[0] === 0x80 && bytes[1]! <= 5)
  assert.ok(found)
  assert.equal(loadNetwork(found, { layers: ownLayers }).description.input, inputShape)
})

function refuses(bytes: Uint8Array, options: StateOptions, pattern: RegExp): void {
  assert.throws(
    () => loadNetwork(bytes, { name: 'net.pt', ...options }),
    (error: Error) => error instanceof InputError && pattern.test(error.message),
    `${pattern}`,
  )
}

test('what a checkpoint leaves open is asked for; what does not fit is told', async () => {
  const fixed = await fixture('torch_clinicadl.pth.tar')
  refuses(
    fixed,
    {},
    /first dense layer takes 60 values, and no known grid fits; give it: voxplain convert --input-shape/,
  )
  refuses(fixed, { inputShape: [1, 20, 9, 6] }, /would give the first dense layer 150 values .* "fc.2.weight" take 60/)
  refuses(fixed, { inputShape: [1, 7, 9] }, /is not \[C, D, H, W\]/)
  refuses(await fixture('torch_random_pool.pth.tar'), { inputShape }, /a max-pool or a stride; open it by its MAPS/)
  const own = await fixture('torch_own.pt')
  refuses(own, { inputShape }, /stem.weight, norm.weight, .* of no architecture that is recognised/)
  const { layers } = ownLayers
  const others = layers.map((layer) => (layer.name === 'head' ? { ...layer, name: 'top' } : layer))
  refuses(
    own,
    { layers: { ...ownLayers, layers: others } },
    /the layers need top.weight, top.bias, which the file does not have; the file has head.weight, head.bias, which no layer takes/,
  )
  refuses(own, { layers: { layers } }, /has no "input"/)
  const wider = layers.map((layer) => (layer.name === 'head' ? { ...layer, units: 4 } : layer))
  refuses(
    own,
    { layers: { ...ownLayers, layers: wider } },
    /"head.weight" have the shape \[3, 6\], but .* needs \[4, 6\]/,
  )
  refuses(await fixture('torch_script.pt'), {}, /TorchScript program, not weights; save model.state_dict\(\)/)
})

test('a shape is found where one grid of Clinica fits', () => {
  const shapes: Record<string, number[]> = { 'fc.2.weight': [2, 8 * 61 * 73 * 61], 'fc.2.bias': [2] }
  for (const name of ['weight', 'bias', 'running_mean', 'running_var']) shapes[`convolutions.1.${name}`] = [8]
  Object.assign(shapes, { 'convolutions.0.weight': [8, 1, 3, 3, 3], 'convolutions.0.bias': [8] })
  const tensors = new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
    ]),
  )
  const { input } = loadNetwork(writeSafetensors({ tensors, metadata: {} })).description
  assert.equal(input, [1, 121, 145, 121])
})

test.run()
