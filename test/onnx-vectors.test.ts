/** The ONNX project's own test vectors (backend node tests and models converted from PyTorch) on the engine. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { sizeOf } from '../src/engine/tensor.ts'
import { loadData, skip } from './support/data.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'
import { type OnnxTensor, readOnnxModel, readOnnxTensor } from './support/onnx.ts'
import { translateOnnx } from './support/onnx-ops.ts'

const test = suite('onnx vectors')
test.after(closeTestGpu)

const vectors = [
  'node/test_adam',
  'node/test_averagepool_3d_default',
  'node/test_batchnorm_epsilon_training_mode',
  'node/test_concat_3d_axis_1',
  'node/test_dropout_default',
  'node/test_flatten_axis1',
  'node/test_gemm_all_attributes',
  'node/test_globalaveragepool',
  'node/test_maxpool_3d_default',
  'node/test_sce_mean',
  'pytorch-converted/test_AvgPool3d',
  'pytorch-converted/test_BatchNorm3d_eval',
  'pytorch-converted/test_Conv3d',
  'pytorch-converted/test_Conv3d_no_bias',
  'pytorch-converted/test_Conv3d_stride_padding',
  'pytorch-converted/test_LeakyReLU',
  'pytorch-converted/test_Linear',
  'pytorch-converted/test_MaxPool3d',
  'pytorch-converted/test_ReLU',
  'pytorch-converted/test_Softmax',
]

async function readTensors(folder: string, kind: 'input' | 'output', count: number): Promise<OnnxTensor[]> {
  const read: OnnxTensor[] = []
  for (let k = 0; k < count; k++) {
    const path = `${folder}/test_data_set_0/${kind}_${k}.pb`
    const bytes = await loadData(path)
    if (!bytes) throw new Error(`${path} is missing`)
    read.push(readOnnxTensor(bytes))
  }
  return read
}

for (const vector of vectors) {
  test(vector, async () => {
    const folder = `onnx/${vector}`
    const file = await loadData(`${folder}/model.onnx`)
    if (!file) return skip(`${folder}/model.onnx is not there`)
    const model = readOnnxModel(file)
    const given = await readTensors(folder, 'input', model.inputs.length)
    const expected = await readTensors(folder, 'output', model.outputs.length)
    const [node, ...others] = model.nodes
    assert.is(others.length, 0)
    const named = new Map(model.initializers.map((t) => [t.name, t]))
    model.inputs.forEach((name, k) => {
      named.set(name, given[k]!)
    })
    const operands = node!.inputs.map((name) => named.get(name)!)
    const { outputs, effects, writes = [], finish } = translateOnnx(node!, operands)
    const gpu = await testGpu()
    const program = await compile(gpu, Object.fromEntries(outputs.map((t, k) => [k, t])), { effects })
    for (const [tensor, values] of writes) program.write(tensor, values)
    program.run()
    const read: Float32Array[] = []
    for (const t of outputs) read.push(await program.read(t))
    const found = finish ? finish(read) : read
    assert.is(found.length, expected.length)
    expected.forEach(({ shape, data }, k) => {
      assert.is(sizeOf(outputs[k]!.shape), sizeOf(shape))
      assertClose(found[k]!, data, `output ${k}`)
    })
    program.destroy()
    release(gpu, [...gpu.resident.keys()])
  })
}

test('what is not ONNX is refused', () => {
  assert.throws(() => readOnnxModel(new Uint8Array(0)), /it has no graph/)
  assert.throws(() => readOnnxModel(Uint8Array.of(0x3f, 1, 2)), /wire type 7 of field 7 is not protobuf/)
  assert.throws(() => readOnnxModel(Uint8Array.of(0x80)), /past the end/)
})

test.run()
