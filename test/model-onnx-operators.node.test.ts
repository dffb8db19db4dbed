/** Single operators with weights as inputs: what runOnnx gives, against onnxruntime (test/reference/onnx_operators.py). */
import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { OnnxArray } from '../src/model/formats/onnx.ts'
import { runOnnx } from '../src/model/formats/onnx-run.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('ONNX operators')
test.after(closeTestGpu)

/** An array, or the formula of one. */
interface Described {
  shape: number[]
  integer?: boolean
  data?: number[]
  seed?: number
  low?: number
  high?: number
}

const cases: { title: string; model: string; inputs: Described[]; outputs: Described[] }[] = JSON.parse(
  await readFile(new URL('fixtures/model/onnx_operators.json', import.meta.url), 'utf8'),
)

function arrayOf({ shape, integer, data, seed = 0, low = 0, high = 0 }: Described): OnnxArray {
  if (data) return { shape, data: integer ? Float64Array.from(data) : Float32Array.from(data) }
  const length = shape.reduce((a, b) => a * b, 1)
  const value = (_: unknown, k: number) => low + ((high - low) * ((k * 7919 + seed * 613) % 1009)) / 1008
  return { shape, data: Float32Array.from({ length }, value) }
}

for (const { title, model, inputs, outputs } of cases) {
  test(title, async () => {
    const found = await runOnnx(await testGpu(), new Uint8Array(Buffer.from(model, 'base64')), inputs.map(arrayOf))
    assert.is(found.length, outputs.length)
    outputs.forEach((wanted, k) => {
      assert.equal(found[k]!.shape, wanted.shape)
      assertClose(found[k]!.data, wanted.data!, title, { relative: 2e-5, absolute: 2e-6 })
    })
  })
}

test.run()
