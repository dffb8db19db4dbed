/** ONNX graphs as layers: the ONNX project's vectors, forms of operators over the operator sets, element types, export. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { InputError } from '../src/io/errors.ts'
import { buildNetwork } from '../src/model/build.ts'
import type { Network } from '../src/model/description.ts'
import { importOnnx, type OnnxArray, type OnnxGraph, readOnnxGraph } from '../src/model/formats/onnx.ts'
import { exportOnnx } from '../src/model/formats/onnx-export.ts'
import { readOnnxArray, runOnnx } from '../src/model/formats/onnx-run.ts'
import { block, integer, type Pieces } from '../src/model/formats/onnx-write.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { loadData, skip } from './support/data.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { buildOnnx, floats, integers, type ModelSpec } from './support/onnx-build.ts'
import { onnxZoo } from './support/onnx-zoo.ts'

const test = suite('ONNX import')
test.after(closeTestGpu)

/** Any graph as something that can be built: its output may be other than classes. */
function asNetwork({ name, input, layers, weights }: OnnxGraph): Network {
  const description = { format: 'voxplain-network', version: 1, name, input, layers, output: 'logits' } as const
  return { description: { ...description, recipe: plainRecipe(2) }, weights }
}

async function run(network: Network, x: Float32Array, batch: number): Promise<Float32Array> {
  const gpu = await testGpu()
  const built = buildNetwork(network, { batch })
  const end = built.layers.get(network.description.layers.at(-1)!.name)!
  const program = await compile(gpu, { end }, { frozen: true })
  program.write(built.input, x)
  program.run()
  const result = await program.read(end)
  program.destroy()
  release(gpu, [...built.parameters.values()])
  return result
}

/** The vectors in the data folder; undefined where they pass, else why they are refused. */
const vectors: Record<string, RegExp | undefined> = {
  'node/test_adam': /operator sets are ai.onnx.preview.training/,
  'node/test_averagepool_3d_default': undefined,
  'node/test_batchnorm_epsilon_training_mode': /BatchNormalization.* is in training mode/,
  'node/test_concat_3d_axis_1': undefined,
  'node/test_dropout_default': undefined,
  'node/test_flatten_axis1': undefined,
  'node/test_gemm_all_attributes': /Gemm.* its transA swaps the batch axis/,
  'node/test_globalaveragepool': undefined,
  'node/test_maxpool_3d_default': undefined,
  'node/test_sce_mean': /\(SoftmaxCrossEntropyLoss\): is not supported/,
  'pytorch-converted/test_AvgPool3d': undefined,
  'pytorch-converted/test_BatchNorm3d_eval': undefined,
  'pytorch-converted/test_Conv3d': undefined,
  'pytorch-converted/test_Conv3d_no_bias': undefined,
  'pytorch-converted/test_Conv3d_stride_padding': undefined,
  'pytorch-converted/test_LeakyReLU': undefined,
  'pytorch-converted/test_Linear': undefined,
  'pytorch-converted/test_MaxPool3d': undefined,
  'pytorch-converted/test_ReLU': undefined,
  'pytorch-converted/test_Softmax': undefined,
}

/** All arrays of a kind beside a vector. */
async function arraysOf(folder: string, kind: 'input' | 'output'): Promise<OnnxArray[]> {
  const arrays: OnnxArray[] = []
  for (let k = 0; ; k++) {
    const bytes = await loadData(`${folder}/test_data_set_0/${kind}_${k}.pb`)
    if (!bytes) return arrays
    arrays.push(readOnnxArray(bytes))
  }
}

for (const [vector, refusal] of Object.entries(vectors)) {
  test(`${vector} ${refusal ? 'is refused' : 'passes'}`, async () => {
    const folder = `onnx/${vector}`
    const file = await loadData(`${folder}/model.onnx`)
    if (!file) return skip(`${folder}/model.onnx is not there`)
    const given = await arraysOf(folder, 'input')
    const running = testGpu().then((gpu) => runOnnx(gpu, file, given))
    if (refusal) {
      const error = await running.catch((e: unknown) => e)
      assert.ok(error instanceof InputError && refusal.test(error.message), String(error))
      return
    }
    const found = await running
    for (const [k, wanted] of (await arraysOf(folder, 'output')).entries()) {
      assert.equal(found[k]!.shape, wanted.shape)
      assertClose(found[k]!.data, wanted.data as Float32Array, vector)
    }
  })
}

test('every layer that ONNX has an operator for survives export and import', async () => {
  const network = onnxZoo()
  const bytes = exportOnnx(network)
  assert.equal(exportOnnx(network), bytes)
  const again = importOnnx(bytes)
  assert.equal(again.description.recipe, network.description.recipe)
  assert.is(again.description.output, 'probabilities')
  const x = values(2 * 7 * 8 * 6, 3)
  assertClose(await run(again, x, 1), await run(network, x, 1), 'zoo', { relative: 1e-6, absolute: 1e-7 })
})

test('a layer without an operator, and residuals, are refused by the export', () => {
  const { description, weights } = onnxZoo()
  const blurred = [{ name: 'soft', type: 'gaussianBlur', inputs: ['input'], sigma: 1 } as const]
  assert.throws(
    () => exportOnnx({ description: { ...description, layers: blurred }, weights }),
    /"soft" \(gaussianBlur\)/,
  )
  const residual = { shape: [1], data: new Float32Array(1) }
  assert.throws(() => exportOnnx({ description, weights, residual }), /takes residuals/)
})

/** The layers a graph becomes: types with what distinguishes them. */
function layersOf(spec: ModelSpec): string {
  return readOnnxGraph(buildOnnx(spec))
    .layers.map(({ name: _, type, inputs: __, ...rest }) => `${type} ${JSON.stringify(rest)}`)
    .join('; ')
}

const one = (op: string, more: Partial<ModelSpec['nodes'][0]> = {}) => [{ op, in: ['x'], out: 'y', ...more }]

/** The same operator as old and new operator sets write it. */
const forms: [string, ModelSpec, ModelSpec][] = [
  [
    'Clip',
    { opset: 6, nodes: one('Clip', { with: { min: { float: 0.5 }, max: { float: 2 } } }) },
    { opset: 13, nodes: one('Clip', { in: ['x', 'l', 'h'] }), tensors: { l: floats([], [0.5]), h: floats([], [2]) } },
  ],
  [
    'Pad',
    { opset: 6, nodes: one('Pad', { with: { pads: [0, 0, 1, 0, 0, 0, 0, 0, 0, 2], value: { float: 3 } } }) },
    {
      opset: 18,
      nodes: one('Pad', { in: ['x', 'p', 'v', 'a'] }),
      tensors: { p: integers(1, 0, 0, 2), v: floats([], [3]), a: integers(2, -1) },
    },
  ],
  [
    'Slice',
    { opset: 9, nodes: one('Slice', { with: { axes: [2, 4], starts: [1, 0], ends: [3, -1] } }) },
    {
      opset: 13,
      nodes: one('Slice', { in: ['x', 's', 'e', 'a'] }),
      tensors: { s: integers(-2, 0), e: integers(2 ** 62, 2), a: integers(2, 4) },
    },
  ],
  [
    'ReduceMean and Squeeze',
    {
      opset: 11,
      nodes: [
        { op: 'ReduceMean', in: ['x'], out: 'm', with: { axes: [-1, 2, 3] } },
        { op: 'Squeeze', in: ['m'], out: 'y', with: { axes: [2, 3, 4] } },
      ],
    },
    {
      opset: 18,
      nodes: [
        { op: 'ReduceMean', in: ['x', 'a'], out: 'm' },
        { op: 'Squeeze', in: ['m', 'a'], out: 'y' },
      ],
      tensors: { a: integers(2, 3, 4) },
    },
  ],
  [
    'Dropout',
    { opset: 7, nodes: one('Dropout', { with: { ratio: { float: 0.25 } } }) },
    { opset: 13, nodes: one('Dropout', { in: ['x', 'r'] }), tensors: { r: floats([], [0.25]) } },
  ],
  [
    'Resize',
    { opset: 9, nodes: one('Upsample', { in: ['x', 's'] }), tensors: { s: floats([5], [1, 1, 2, 2, 2]) } },
    {
      opset: 18,
      nodes: one('Resize', { in: ['x', '', '', 's'], with: { axes: [2, 3, 4] } }),
      tensors: { s: integers(6, 6, 6) },
    },
  ],
  [
    'Add with a constant for each channel',
    {
      opset: 6,
      nodes: one('Add', { in: ['x', 'c'], with: { axis: 1, broadcast: 1 } }),
      tensors: { c: floats([2], [1, 2]) },
    },
    { opset: 7, nodes: one('Add', { in: ['c', 'x'] }), tensors: { c: floats([2, 1, 1, 1], [1, 2]) } },
  ],
  [
    'MatMul with Add, and Gemm',
    {
      input: [1, 2],
      nodes: [
        { op: 'MatMul', in: ['x', 'w'], out: 'm' },
        { op: 'Add', in: ['m', 'b'], out: 'y' },
      ],
      tensors: { w: floats([2, 3], [1, 2, 3, 4, 5, 6]), b: floats([3], [1, 2, 3]) },
    },
    {
      input: [1, 2],
      nodes: one('Gemm', { in: ['x', 'w', 'b'] }),
      tensors: { w: floats([2, 3], [1, 2, 3, 4, 5, 6]), b: floats([3], [1, 2, 3]) },
    },
  ],
]

for (const [what, old, current] of forms) {
  test(`${what}: old and current forms give the same layers`, () => {
    const layers = layersOf(old)
    assert.ok(layers.length > 0)
    assert.is(layersOf(current), layers)
    assert.equal(
      [...readOnnxGraph(buildOnnx(old)).weights.values()],
      [...readOnnxGraph(buildOnnx(current)).weights.values()],
    )
  })
}

test('auto_pad, HardSwish and a product with itself become what their definitions say', () => {
  const conv = { opset: 11, tensors: { w: floats([1, 2, 2, 2, 2], new Array(16).fill(1)) } }
  const upper = layersOf({ ...conv, nodes: one('Conv', { in: ['x', 'w'], with: { auto_pad: 'SAME_UPPER' } }) })
  assert.match(upper, '"padding":{"front":[0,0,0],"back":[1,1,1]}')
  const lower = layersOf({ ...conv, nodes: one('Conv', { in: ['x', 'w'], with: { auto_pad: 'SAME_LOWER' } }) })
  assert.match(lower, '"padding":{"front":[1,1,1],"back":[0,0,0]}')
  assert.is(
    layersOf({ nodes: one('HardSwish') }),
    `scale {"factor":${1 / 6},"offset":0.5}; clamp {"low":0,"high":1}; multiply {}`,
  )
})

test('the error function of Gelu is as exact as float32', async () => {
  const graph = readOnnxGraph(buildOnnx({ nodes: one('Erf') }))
  // Abramowitz and Stegun, table 7.1.
  const table = [
    0, 0, 0.1, 0.112462916, 0.5, 0.520499878, 1, 0.842700793, 1.5, 0.966105146, 2, 0.995322265, 3, 0.99997791, 9, 1,
  ]
  const x = Float32Array.from({ length: 54 }, (_, k) => (k < 16 ? table[k & ~1]! * (k % 2 ? -1 : 1) : 0))
  const wanted = x.map((_, k) => (k < 16 ? table[k | 1]! * (k % 2 ? -1 : 1) : 0))
  assertClose(await run(asNetwork(graph), x, 1), wanted, 'erf', { relative: 0, absolute: 5e-7 })
})

test('Gelu in its tanh form, and Softmax along another axis', async () => {
  const x = values(2 * 27, 5).map((v) => 4 * v)
  const gelu = readOnnxGraph(buildOnnx({ opset: 20, nodes: one('Gelu', { with: { approximate: 'tanh' } }) }))
  const wanted = x.map((v) => (v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))) / 2)
  const approximate = await run(asNetwork(gelu), x, 1)
  assertClose(approximate, wanted, 'gelu')
  const exact = readOnnxGraph(buildOnnx({ opset: 20, nodes: one('Gelu') }))
  // The two forms differ by less than 5e-4 everywhere.
  assertClose(await run(asNetwork(exact), x, 1), approximate, 'exact gelu', { relative: 0, absolute: 5e-4 })
  const last = readOnnxGraph(buildOnnx({ opset: 13, nodes: one('Softmax') }))
  const rows = x.map((v, k) => Math.exp(v) / [0, 1, 2].reduce((sum, a) => sum + Math.exp(x[k - (k % 3) + a]!), 0))
  assertClose(await run(asNetwork(last), x, 1), rows, 'softmax')
})

test('one sigmoid becomes two classes', async () => {
  const bytes = buildOnnx({
    input: [1, 1, 1, 1, 2],
    nodes: [
      { op: 'Flatten', in: ['x'], out: 'f' },
      { op: 'Gemm', in: ['f', 'w'], out: 'z' },
      { op: 'Sigmoid', in: ['z'], out: 'y' },
    ],
    tensors: { w: floats([2, 1], [1, -2]) },
  })
  const p = 1 / (1 + Math.exp(-(0.5 - 2 * 0.75)))
  assertClose(await run(importOnnx(bytes), Float32Array.of(0.5, 0.75), 1), [1 - p, p], 'sigmoid')
})

/** x * w, where w is a TensorProto with the values 1.5 and -2 for the two channels. */
const scaledBy = (tensor: Pieces): ModelSpec => ({ nodes: one('Mul', { in: ['x', 'w'] }), rawTensors: [tensor] })
const shape = [2, 1, 1, 1].flatMap((n) => integer(1, n))
const head = (type: number) => [...shape, ...integer(2, type), ...block(8, 'w')]
const little = (size: number, list: number[], set: (v: DataView, at: number, value: number) => void) => {
  const bytes = new Uint8Array(size * list.length)
  list.forEach((value, k) => {
    set(new DataView(bytes.buffer), k * size, value)
  })
  return bytes
}
const halves = [0x3e00, 0xc000]
const elements: [string, Pieces][] = [
  ['float_data', [...head(1), ...block(4, [little(4, [1.5, -2], (v, at, x) => v.setFloat32(at, x, true))])]],
  ['raw float16', [...head(10), ...block(9, [little(2, halves, (v, at, x) => v.setUint16(at, x, true))])]],
  ['float16 in int32_data', [...head(10), ...halves.flatMap((h) => integer(5, h))]],
  ['bfloat16', [...head(16), ...block(9, [little(2, [0x3fc0, 0xc000], (v, at, x) => v.setUint16(at, x, true))])]],
  ['double_data', [...head(11), ...block(10, [little(8, [1.5, -2], (v, at, x) => v.setFloat64(at, x, true))])]],
]

for (const [what, tensor] of elements) {
  test(`weights as ${what}`, () => {
    const { weights } = readOnnxGraph(buildOnnx(scaledBy(tensor)))
    assert.equal([...weights.get('n0.weight')!.data], [1.5, -2])
  })
}

test('weights in another file are read through the resolver', () => {
  const entry = (key: string, value: string) => block(13, [...block(1, key), ...block(2, value)])
  const place = [...entry('location', 'data/w.bin'), ...entry('offset', '4'), ...entry('length', '8')]
  const bytes = buildOnnx(scaledBy([...head(1), ...place, ...integer(14, 1)]))
  const file = new Uint8Array(Float32Array.of(9, 1.5, -2).buffer)
  const { weights } = readOnnxGraph(bytes, { external: (name) => (name === 'data/w.bin' ? file : undefined) })
  assert.equal([...weights.get('n0.weight')!.data], [1.5, -2])
  assert.throws(() => readOnnxGraph(bytes, { external: () => file.subarray(0, 8) }), /8 bytes from 4 .* which has 8/)
  assert.throws(() => readOnnxGraph(bytes), /"data\/w.bin", which is not there/)
})

test('open sizes are given by the caller', () => {
  const bytes = buildOnnx({ input: ['n', 1, 'd', 'h', 4], nodes: one('Relu') })
  assert.equal(readOnnxGraph(bytes, { inputShape: [1, 2, 3, 4] }).output, [1, 2, 3, 4])
  assert.throws(() => readOnnxGraph(bytes, { inputShape: [1, 2, 3, 5] }), /does not fit "x"/)
})

test.run()
