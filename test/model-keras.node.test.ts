import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { InputError } from '../src/io/errors.ts'
import { buildNetwork } from '../src/model/build.ts'
import type { Network } from '../src/model/description.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { summarise } from '../src/model/summary.ts'
import { busy } from './support/busy.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('Keras import')
test.after(closeTestGpu)

const fixture = (name: string): Promise<Uint8Array> => readFile(new URL(`fixtures/model/${name}`, import.meta.url))

/** TensorFlow's outputs (test/reference/keras_models.py). */
const expected: Record<string, { input: number[]; probabilities: number[]; parameters: number }> = JSON.parse(
  new TextDecoder().decode(await fixture('keras.json')),
)

/** The reference script's input. */
function sample(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, k) => ((k * 7919) % 1009) / 1009)
}

async function probabilities(network: Network, x: Float32Array): Promise<Float32Array> {
  const gpu = await testGpu()
  const built = buildNetwork(network)
  const program = await compile(gpu, { p: built.probabilities }, { frozen: true })
  program.write(built.input, x)
  program.run()
  const p = await program.read(built.probabilities)
  program.destroy()
  release(gpu, [...built.parameters.values()])
  return p
}

for (const [name, { input, probabilities: wanted, parameters }] of Object.entries(expected)) {
  test(`${name} gives TensorFlow's numbers`, async () => {
    const network = loadNetwork(await fixture(`${name}.hdf5`), { name })
    const { description } = network
    assert.equal(description.input, [1, ...input])
    const x = sample(input.reduce((a, b) => a * b, 1))
    // A single sigmoid output becomes two classes.
    const both = wanted.length === 1 ? [1 - wanted[0]!, wanted[0]!] : wanted
    assertClose(await probabilities(network, x), both, name, { relative: 1e-5, absolute: 1e-5 })
    if (wanted.length > 1) {
      const statistics = [...network.weights].filter(([w]) => w.includes('.running_'))
      const ours = summarise(network).parameters + statistics.reduce((sum, [, w]) => sum + w.data.length, 0)
      // Keras leaves out the gamma or beta of two BatchNormalizations of the zoo; ours are ones and zeros.
      assert.is(ours - parameters, name.endsWith('zoo') ? 8 : 0)
    }
    const again = loadNetwork(saveNetwork(network))
    assert.equal(again.description, description)
  })
}

const refused: [string, RegExp][] = [
  ['no_config.hdf5', /no model_config \(only weights\?\); save the whole network/],
  [
    'unknown_layer.hdf5',
    /layer "lstm" is a Keras ConvLSTM3D, which is not supported; supported: Activation, .*ZeroPadding3D/,
  ],
  ['missing_weights.hdf5', /Keras layer "dense_\d" \(Dense\): its bias \[1\] is missing/],
  ['wrong_shape.hdf5', /its kernel "dense_\d\/kernel:0" has the shape \[11, 1\], but \[12, 1\] is needed/],
]

for (const [file, pattern] of refused) {
  test(`${file} is refused`, async () => {
    const bytes = await fixture(file)
    assert.throws(
      () => loadNetwork(bytes, { name: file }),
      (error: Error) => error instanceof InputError && error.message.startsWith(file) && pattern.test(error.message),
    )
  })
}

test('a truncated or damaged file gives an InputError in good time', async () => {
  const bytes = new Uint8Array(await fixture('keras2_binary.hdf5'))
  for (let length = 9; length < bytes.length; length += 997) {
    assert.throws(() => loadNetwork(bytes.slice(0, length)), /truncated/)
  }
  let state = 12345
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const start = busy()
  for (let run = 0; run < 300; run++) {
    const damaged = bytes.slice()
    for (let k = 0; k < 3; k++) damaged[random(run % 2 ? 4000 : bytes.length)] = random(256)
    try {
      loadNetwork(damaged)
    } catch (error) {
      assert.instance(error, InputError)
    }
  }
  assert.ok(busy() - start < 30000)
})

test.run()
