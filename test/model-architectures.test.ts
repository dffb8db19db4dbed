/** The families of architectures: their options, ResNet and DenseNet against float64, and layer lists in JSON. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { dropoutSeed } from '../src/engine/ops/dropout.ts'
import { crossEntropy } from '../src/engine/ops/loss.ts'
import { input } from '../src/engine/tensor.ts'
import { InputError } from '../src/io/errors.ts'
import {
  architectureByName,
  architectures,
  conv5Fc3,
  densenet3d,
  initialise,
  networkFromJson,
  posterCnn,
  resnet3d,
} from '../src/model/architectures.ts'
import { buildNetwork } from '../src/model/build.ts'
import { layerShapes, type Network, type NetworkDescription } from '../src/model/description.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { summarise } from '../src/model/summary.ts'
import { trainingLayers } from '../src/model/training/training-layers.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { densenetReference, resnetReference, type WeightsByName } from './support/reference/skip-networks.ts'

const test = suite('architectures')
test.after(closeTestGpu)

function rejects(run: () => unknown, pattern: RegExp): void {
  assert.throws(run, (error: Error) => error instanceof InputError && pattern.test(error.message))
}

const shapeOf = (description: NetworkDescription, name: string) =>
  layerShapes(description).find(({ layer }) => layer.name === name)!.shape

test("the poster's family has the search's options", () => {
  const inputShape = [1, 13, 17, 12]
  const plain = posterCnn({ inputShape, channels: [4, 8] })
  assert.equal(shapeOf(plain, 'pool2'), [8, 3, 4, 3])
  const padded = posterCnn({ inputShape, channels: [4, 8], reduction: 'padded-pool', norm: 'none' })
  assert.equal(
    [shapeOf(padded, 'pool1'), shapeOf(padded, 'pool2')],
    [
      [4, 7, 9, 6],
      [8, 4, 5, 3],
    ],
  )
  assert.is(padded.layers.filter(({ type }) => type === 'batchNorm').length, 0)
  const strided = posterCnn({
    inputShape,
    channels: [4, 8],
    reduction: 'stride',
    convolutions: [1, 3],
    norm: 'instance',
  })
  assert.equal(
    [shapeOf(strided, 'relu1'), shapeOf(strided, 'relu2.2')],
    [
      [4, 7, 9, 6],
      [8, 7, 9, 6],
    ],
  )
  assert.equal(shapeOf(strided, 'relu2.3'), [8, 4, 5, 3])
  assert.equal(
    strided.layers.slice(0, 7).map(({ name }) => name),
    ['conv1', 'norm1', 'relu1', 'conv2.1', 'norm2.1', 'relu2.1', 'conv2.2'],
  )
  assert.is(strided.layers.filter(({ type }) => type === 'instanceNorm').length, 4)
  rejects(() => posterCnn({ inputShape, channels: [4, 8], convolutions: [1] }), /2 blocks need .* got \[1\]/)
  rejects(() => posterCnn({ inputShape, channels: [4, 8], convolutions: 0 }), /whole numbers from 1/)
})

/** A network whose norms are not the identity, so that a wrong order or statistic shows. */
function shaken(description: NetworkDescription): Network {
  const network = initialise(description, 3)
  const weights = new Map(
    [...network.weights].map(([name, { shape, data }], k) => {
      const draw = values(data.length, 20 + k)
      if (name.endsWith('running_var')) return [name, { shape, data: draw.map((v) => 1 + 0.5 * v) }]
      return [name, { shape, data: data.map((v, i) => v + 0.2 * draw[i]!) }]
    }),
  )
  return { ...network, weights }
}

const SIZE = [9, 6, 7]

test('ResNets and DenseNets compute what their papers draw', async () => {
  const gpu = await testGpu()
  const inputShape = [1, ...SIZE]
  const x = values(9 * 6 * 7, 2)
  const volume = { x: Float64Array.from(x), shape: inputShape }
  const cases: [NetworkDescription, (w: WeightsByName) => number[]][] = [
    ...(['stride', 'pool'] as const).map((reduction): (typeof cases)[number] => [
      resnet3d({ inputShape, classes: 3, channels: [3, 5], blocks: [2, 1], reduction }),
      (w) => resnetReference(volume, w, [2, 1], reduction),
    ]),
    [densenet3d({ inputShape, growth: 3, layers: [2, 1, 2] }), (w) => densenetReference(volume, w, [2, 1, 2])],
  ]
  for (const [description, reference] of cases) {
    const network = shaken(description)
    const built = buildNetwork(network)
    const program = await compile(gpu, { logits: built.logits })
    program.write(built.input, x)
    program.run()
    const expected = reference((name) => network.weights.get(name)!)
    assertClose(await program.read(built.logits), expected, description.name, { relative: 1e-4 })
    program.destroy()
    release(gpu, [...gpu.resident.keys()])
  }
})

test('every weight of a ResNet and a DenseNet learns', async () => {
  const gpu = await testGpu()
  for (const make of [resnet3d, densenet3d]) {
    const network = shaken(make({ inputShape: [1, ...SIZE], ...{ channels: [3, 5], growth: 3, layers: [1, 2] } }))
    const built = buildNetwork(network, { batch: 2, training: trainingLayers(dropoutSeed(1)) })
    const labels = input([2], 'labels', 'u32')
    const names = [...built.trainable.keys()]
    const gradients = backward(crossEntropy(built.logits, labels), [...built.trainable.values()])
    const named = Object.fromEntries(names.map((name, k) => [name, gradients[k]!]))
    const program = await compile(gpu, named, { effects: [...built.effects] })
    program.write(built.input, values(2 * 9 * 6 * 7, 4))
    program.write(labels, Uint32Array.of(0, 1))
    program.run()
    for (const name of names) {
      const gradient = await program.read(named[name]!)
      assert.ok(
        gradient.every(Number.isFinite) && gradient.some((v) => Math.abs(v) > 1e-7),
        `${network.description.name}: ${name}`,
      )
    }
    program.destroy()
    release(gpu, [...gpu.resident.keys()])
  }
})

test('ResNets and DenseNets have the parameters that their widths give', () => {
  const inputShape = [1, 121, 145, 121]
  const conv = (from: number, to: number, kernel = 27) => from * to * kernel + 2 * to
  const resnet = summarise({ description: resnet3d({ inputShape, blocks: [2, 1, 1, 1] }) })
  const stages = [8, 16, 32].reduce((sum, c) => sum + conv(c, 2 * c) + conv(2 * c, 2 * c) + conv(c, 2 * c, 1), 0)
  assert.is(resnet.parameters, conv(1, 8) + 4 * conv(8, 8) + stages + 64 * 2 + 2)
  assert.equal(resnet.layers.find((l) => l.name === 'stage4.1.relu2')!.shape, [64, 8, 10, 8])
  const dense = summarise({ description: densenet3d({ inputShape }) })
  assert.equal(dense.layers.find((l) => l.name === 'end.relu')!.shape.slice(1), [8, 10, 8])
  // 16 -> 32 -> 16 -> 32 -> 16 -> 32 -> 16 -> 32 channels; a norm is on what a layer takes.
  const block = 2 * 16 + 16 * 8 * 27 + 2 * 24 + 24 * 8 * 27
  assert.is(dense.parameters, 16 * 27 + 2 * 16 + 4 * block + 3 * (2 * 32 + 32 * 16) + 2 * 32 + 32 * 2 + 2)
  rejects(() => resnet3d({ inputShape, blocks: [1, 1] }), /blocks: one whole number .* 4 stages .* got \[1,1\]/)
  rejects(() => densenet3d({ inputShape, layers: [] }), /layers: one whole number/)
  rejects(() => densenet3d({ inputShape, compression: 0 }), /compression is 0/)
  rejects(() => resnet3d({ inputShape: [121, 145, 121] }), /not \[C, D, H, W\]/)
})

test('architectures are found by their names as people write them', () => {
  const inputShape = [1, 40, 40, 40]
  for (const name of ['Conv5_FC3', 'conv5fc3', 'conv5Fc3']) {
    assert.equal(architectureByName(name, { inputShape }), conv5Fc3({ inputShape }))
  }
  for (const name of Object.keys(architectures)) assert.is(architectureByName(name, { inputShape }).output, 'logits')
  assert.is(architectureByName('ResNet-3D', { inputShape, classes: ['CN', 'MCI', 'AD'] }).recipe.classes[2], 'AD')
  rejects(() => architectureByName('vgg', { inputShape }), /no architecture is called "vgg"; known: conv5Fc3, conv4Fc3/)
})

const list = {
  name: 'mine',
  layers: [
    { name: 'a', type: 'conv3d', channels: 4, kernel: 3, stride: 2 },
    { name: 'b', type: 'relu' },
    { name: 'c', type: 'globalAvgPool' },
    { name: 'd', type: 'dropout', rate: 'dropout' },
    { name: 'e', type: 'dense', units: 'classes' },
  ],
}

test('a layer list in JSON is a network for any input and number of classes', () => {
  const options = { inputShape: [1, 9, 9, 9], classes: ['CN', 'MCI', 'AD'], dropout: 0.3 }
  const description = networkFromJson(JSON.stringify(list), options)
  assert.equal([description.name, shapeOf(description, 'a'), shapeOf(description, 'e')], ['mine', [4, 4, 4, 4], [3]])
  assert.is((description.layers[3] as { rate: number }).rate, 0.3)
  assert.equal(networkFromJson(list, options), description)
  assert.equal(networkFromJson(JSON.stringify(description), options), description)
  const recipe = { ...plainRecipe(3), scaling: 'none' as const }
  assert.equal(networkFromJson(description, { ...options, recipe }).recipe, { ...recipe, classes: options.classes })
})

test('mistakes in a layer list are told with the file and the layer', () => {
  const options = { inputShape: [1, 9, 9, 9] }
  const changed = (index: number, change: object) => ({
    ...list,
    layers: list.layers.map((layer, n) => (n === index ? { ...layer, ...change } : layer)),
  })
  const fails = (json: unknown, pattern: RegExp) => rejects(() => networkFromJson(json, options, 'net.json'), pattern)
  fails('{', /^net\.json describes no usable network: .*JSON/)
  fails('[]', /must be an object/)
  fails({ ...list, input: [1, 9, 9, 9] }, /no field "input"; known: name, layers/)
  fails({ name: 'x' }, /layers must be a list, got nothing/)
  fails(changed(0, { kernel: 12 }), /layer "a" \(conv3d\): its window of 12x12x12 does not fit/)
  fails(changed(1, { type: 'gelu' }), /layer "b" has the unknown type "gelu"/)
  fails(changed(2, { inputs: ['z'] }), /layer "c" \(globalAvgPool\): its input "z" is no earlier layer/)
  fails(changed(4, { units: 'many' }), /layer "e" \(dense\): units must be an integer/)
  fails(changed(4, { units: 3 }), /names 2 classes .* but the network has 3/)
  const whole = networkFromJson(list, { inputShape: [1, 8, 9, 9] })
  fails(whole, /its input is \[1, 8, 9, 9\], but the scans give \[1, 9, 9, 9\]/)
})

test.run()
