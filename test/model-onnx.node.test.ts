import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { buildNetwork } from '../src/model/build.ts'
import type { Network } from '../src/model/description.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { exportOnnx } from '../src/model/formats/onnx-export.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('ONNX networks')
test.after(closeTestGpu)

const fixture = (name: string): Promise<Uint8Array> => readFile(new URL(`fixtures/model/${name}`, import.meta.url))

/** What onnxruntime gives (test/reference/onnx_models.py). */
const expected: Record<string, { input: number[]; scores: number[] }> = JSON.parse(
  new TextDecoder().decode(await fixture('onnx.json')),
)

/** The reference script's input. */
function sample(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, k) => ((k * 7919) % 1009) / 1009)
}

async function logits(network: Network, x: Float32Array): Promise<Float32Array> {
  const gpu = await testGpu()
  const built = buildNetwork(network)
  const end = built.voxels ?? built.logits
  const program = await compile(gpu, { end }, { frozen: true })
  program.write(built.input, x)
  program.run()
  const result = await program.read(end)
  program.destroy()
  release(gpu, [...built.parameters.values()])
  return result
}

for (const [name, { input, scores }] of Object.entries(expected)) {
  test(`${name}, exported by PyTorch, gives onnxruntime's numbers, and so does our own export of it`, async () => {
    const network = loadNetwork(await fixture(`onnx_${name}.onnx`), { name })
    assert.equal(network.description.input, input)
    const x = sample(input.reduce((a, b) => a * b, 1))
    const first = await logits(network, x)
    // A file with one probability gives two logits here, one with log-probabilities what their softmax is taken of.
    const isProbability = first.length === 2 * scores.length
    const half = first.subarray(scores.length)
    const total = Math.log(first.reduce((sum, z) => sum + Math.exp(z), 0))
    const values = name.startsWith('zoo') ? first.map((z) => z - total) : first
    const found = isProbability ? half.map((z, k) => 1 / (1 + Math.exp(first[k]! - z))) : values
    assertClose(found, scores, name, { relative: 1e-4, absolute: 1e-5 })
    const again = loadNetwork(exportOnnx(network), { name })
    assert.equal(again.description.recipe, network.description.recipe)
    assertClose(await logits(again, x), first, `${name} exported`, { relative: 1e-6, absolute: 1e-7 })
    // What was imported is a network like any other.
    assert.equal(loadNetwork(saveNetwork(network)).description, network.description)
  })
}

test.run()
