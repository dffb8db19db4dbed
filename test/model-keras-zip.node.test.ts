/** Keras archives and TensorFlow.js layers models against TensorFlow's outputs (test/reference/keras_*.py). */
import { readFile } from 'node:fs/promises'
import { unzipSync, zipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { importTfjs } from '../src/model/formats/tfjs.ts'
import { assertClose, closeTestGpu } from './support/evaluate.ts'
import { outputsOf, referenceInput } from './support/predict.ts'
import { type TfjsModel, tfjsOf } from './support/tfjs.ts'

const test = suite('Keras archives and TensorFlow.js')
test.after(closeTestGpu)

const fixture = async (name: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(new URL(`fixtures/model/${name}`, import.meta.url)))
const json = async (name: string) => JSON.parse(new TextDecoder().decode(await fixture(name)))

/** A single sigmoid output becomes two classes. */
const both = (wanted: number[]) => (wanted.length === 1 ? [1 - wanted[0]!, wanted[0]!] : wanted)
const close = { relative: 1e-5, absolute: 1e-5 }

const archives: { input: number[]; probabilities: Record<string, number[]> } = await json('keras_archives.json')
for (const [name, wanted] of Object.entries(archives.probabilities)) {
  test(`${name}.keras gives Keras' numbers`, async () => {
    const network = loadNetwork(await fixture(`${name}.keras`), { name })
    assert.equal(network.description.input, [1, ...archives.input])
    const { probabilities } = await outputsOf(network, referenceInput(archives.input))
    assertClose(probabilities, both(wanted), name, close)
  })
}

function rejects(run: () => unknown, pattern: RegExp): void {
  assert.throws(run, (error: Error) => error instanceof InputError && pattern.test(error.message), `${pattern}`)
}

test('an archive that lacks something is refused', async () => {
  const files = unzipSync(await fixture('keras_sequential.keras'))
  const load = (change: Record<string, Uint8Array | undefined>) => {
    const changed = Object.entries({ ...files, ...change }).filter(([, data]) => data !== undefined)
    return loadNetwork(zipSync(Object.fromEntries(changed) as Record<string, Uint8Array>))
  }
  rejects(() => load({ 'model.weights.h5': undefined }), /a zip archive, not a network/)
  rejects(() => load({ 'model.weights.h5': new Uint8Array(10) }), /not an HDF5 file/)
  rejects(() => load({ 'config.json': new TextEncoder().encode('{') }), /config.json is not JSON/)
  const config = new TextDecoder().decode(files['config.json'])
  const other = config.replace('"units": 5', '"units": 6')
  rejects(
    () => load({ 'config.json': new TextEncoder().encode(other) }),
    /Keras layer "dense\w*" \(Dense\): its kernel "0"/,
  )
  const lambda = config.replace('"class_name": "Flatten"', '"class_name": "Lambda"')
  rejects(() => load({ 'config.json': new TextEncoder().encode(lambda) }), /Keras Lambda, which is not supported/)
})

const keras: Record<string, { input: number[]; probabilities: number[] }> = await json('keras.json')
const importModel = ({ json: model, files }: TfjsModel) => importTfjs({ json: model, file: (name) => files.get(name)! })

for (const name of ['keras2_zoo', 'keras2_densenet', 'keras1_binary', 'channels_first_binary']) {
  test(`${name} as a TensorFlow.js model gives TensorFlow's numbers`, async () => {
    const { input, probabilities: wanted } = keras[name]!
    const network = importModel(tfjsOf(await fixture(`${name}.hdf5`)))
    const { probabilities } = await outputsOf(network, referenceInput(input))
    assertClose(probabilities, both(wanted), name, close)
  })
}

test('quantised weights are those values that their scale gives', async () => {
  const bytes = await fixture('keras2_zoo.hdf5')
  const exact = importModel(tfjsOf(bytes)).weights
  for (const [dtype, steps] of [
    ['uint8', 255],
    ['uint16', 65535],
    ['float16', 1024],
  ] as const) {
    const { weights } = importModel(tfjsOf(bytes, dtype))
    for (const [name, { data }] of exact) {
      const found = weights.get(name)!.data
      const range = Math.max(...data) - Math.min(...data)
      const size = Math.max(...data.map(Math.abs))
      const allowed = dtype === 'float16' ? size / steps : range / steps
      assert.ok(
        data.every((v, k) => Math.abs(v - found[k]!) <= allowed * 0.51 + 1e-7),
        `${dtype} ${name}`,
      )
    }
  }
})

test('a damaged or foreign model.json is refused', async () => {
  const model = tfjsOf(await fixture('keras2_binary.hdf5'))
  const manifest = model.json.weightsManifest[0]!
  const load = (change: object, files = model.files) =>
    importModel({ json: { ...model.json, ...change }, files } as TfjsModel)
  rejects(() => load({ format: 'graph-model' }), /graph model, which has operations/)
  rejects(() => load({ weightsManifest: [{ ...manifest, paths: ['../secret.bin'] }] }), /not in the folder/)
  rejects(() => load({ weightsManifest: [{ ...manifest, paths: ['http://x/a.bin'] }] }), /not in the folder/)
  const fewer = new Map([...model.files].map(([name, data]) => [name, data.subarray(4)]))
  rejects(() => load({}, fewer), /takes \d+ bytes from byte \d+, but its files end/)
  rejects(
    () => load({ weightsManifest: [{ ...manifest, weights: manifest.weights.slice(1) }] }),
    /by the manifest, but their files have/,
  )
  const huge = manifest.weights.map((weight) => ({ ...weight, shape: [16777216, 16777216, 16777216] }))
  rejects(() => load({ weightsManifest: [{ ...manifest, weights: huge }] }), /takes \d.* bytes from byte 0/)
  const complex = manifest.weights.map((weight) => ({ ...weight, dtype: 'complex64' }))
  rejects(() => load({ weightsManifest: [{ ...manifest, weights: complex }] }), /stored as "complex64"; supported/)
})

test.run()
