/** How ONNX files of classifiers end, what they compute of constants, and what they were made for a batch of. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { classify } from '../src/explain/predict.ts'
import { importOnnx } from '../src/model/formats/onnx.ts'
import { runOnnx } from '../src/model/formats/onnx-run.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'
import { buildOnnx, floats, integers, type ModelSpec, type NodeSpec } from './support/onnx-build.ts'

const test = suite('ONNX classifiers')
test.after(closeTestGpu)

const node = (op: string, from: string, out: string, attributes = {}): NodeSpec => ({
  op,
  in: from.split(' '),
  out,
  with: attributes,
})

async function probabilities(spec: ModelSpec, x: number[]) {
  const network = importOnnx(buildOnnx(spec))
  const [found] = await classify(await testGpu(), network, [Float32Array.from(x)])
  return { found: found!, output: network.description.output }
}

/** The values z, or the sigmoid of the first, with the axes of a volume until the end. */
const ends: Record<string, { classes: number; nodes: NodeSpec[] }> = {
  'softmax, then flattened': { classes: 3, nodes: [node('Softmax', 'x', 's', { axis: 1 }), node('Flatten', 's', 'y')] },
  'softmax of one token': {
    classes: 3,
    nodes: [
      node('Reshape', 'x flat', 'f'),
      node('Transpose', 'f', 't', { perm: [0, 2, 1] }),
      node('Softmax', 't', 's', { axis: -1 }),
      node('Reshape', 's row', 'y'),
    ],
  },
  'log-softmax, then flattened': {
    classes: 3,
    nodes: [node('LogSoftmax', 'x', 's', { axis: 1 }), node('Flatten', 's', 'y')],
  },
  'exponential of a log-softmax': {
    classes: 3,
    nodes: [node('Flatten', 'x', 'f'), node('LogSoftmax', 'f', 's', { axis: 1 }), node('Exp', 's', 'y')],
  },
  'sigmoid, then flattened': { classes: 1, nodes: [node('Sigmoid', 'x', 's'), node('Flatten', 's', 'y')] },
  'sigmoid without an axis of classes': {
    classes: 1,
    nodes: [node('Sigmoid', 'x', 's'), node('Reshape', 's all', 'y')],
  },
}

for (const [what, { classes, nodes }] of Object.entries(ends)) {
  test(`${what}: probabilities as they are, logits before`, async () => {
    const z = [0.5, -1, 2].slice(0, classes)
    const input = [1, classes, 1, 1, 1]
    const tensors = { flat: integers(1, classes, 1), row: integers(1, -1), all: integers(-1) }
    const { found, output } = await probabilities({ input, nodes, tensors, opset: 13 }, z)
    const logits = classes === 1 ? [0, ...z] : z
    const total = logits.reduce((sum, v) => sum + Math.exp(v), 0)
    assert.is(output, 'probabilities')
    assertClose(found.logits, logits, what)
    assertClose(
      found.probabilities,
      logits.map((v) => Math.exp(v) / total),
      what,
    )
  })
}

test('a softmax over some of the numbers that an output has is no end', async () => {
  const nodes = [node('Softmax', 'x', 's', { axis: 1 }), node('Flatten', 's', 'y')]
  const { found, output } = await probabilities({ input: [1, 2, 1, 1, 2], nodes }, [1, 2, 1, 2])
  assert.is(output, 'logits')
  assertClose(found.logits, [0.5, 0.5, 0.5, 0.5], 'logits')
})

test('three axes of a sample are a scan', () => {
  const nodes = [node('Flatten', 'x', 'f'), node('Gemm', 'f w', 'y')]
  const tensors = { w: floats([60, 2], new Array(120).fill(1)) }
  const { input } = importOnnx(buildOnnx({ input: [1, 3, 4, 5], nodes, tensors })).description
  assert.equal(input, [1, 3, 4, 5])
})

/** What a graph makes of x. */
async function run(spec: ModelSpec, shape: number[], x: number[]): Promise<number[]> {
  const [result] = await runOnnx(await testGpu(), buildOnnx({ input: shape, ...spec }), [floats(shape, x)])
  return [...result!.data]
}

test('arithmetic on constants: whole exponents, norms, products of matrices, curves', async () => {
  const nodes = [
    node('Pow', 'a two', 'p'),
    node('ReduceL2', 'a', 'n', { keepdims: 0 }),
    node('MatMul', 'm a', 'v'),
    node('Exp', 'a', 'e'),
    node('Clip', 'a low', 'c'),
    ...['p', 'n', 'v', 'e', 'c'].map((name, k) =>
      node('Add', `${k ? `y${k}` : 'x'} ${name}`, k === 4 ? 'y' : `y${k + 1}`),
    ),
  ]
  const tensors = {
    a: floats([2], [1.5, -2.5]),
    two: integers(2),
    m: floats([2, 2], [1, 2, 3, 4]),
    low: floats([], [-1]),
  }
  const norm = Math.hypot(1.5, -2.5)
  const wanted = [2.25 + norm + (1.5 - 5) + Math.exp(1.5) + 1.5, 6.25 + norm + (4.5 - 10) + Math.exp(-2.5) - 1]
  assertClose(await run({ nodes, tensors }, [1, 2], [0, 0]), wanted, 'constants')
})

test('a choice by constant booleans, also of infinite numbers', async () => {
  const nodes = [
    node('Greater', 'm zero', 'c'),
    node('Where', 'c x lowest', 'w'),
    node('Softmax', 'w', 'y', { axis: -1 }),
  ]
  const tensors = {
    m: floats([1, 4], [1, 0, 1, 0]),
    zero: floats([], [0]),
    lowest: floats([], [Number.NEGATIVE_INFINITY]),
  }
  const p = 1 / (1 + Math.exp(2))
  assertClose(await run({ nodes, tensors }, [1, 4], [1, 9, 3, 9]), [p, 0, 1 - p, 0], 'masked')
})

test('a constant that is the same for all samples of the file’s batch', async () => {
  const nodes = [node('Concat', 'x k', 'y', { axis: 1 })]
  const tensors = { k: floats([2, 1], [7, 7]) }
  assert.equal(await run({ nodes, tensors }, [2, 2], [1, 2, 3, 4]), [1, 2, 7, 3, 4, 7])
  const other = { k: floats([2, 1], [7, 8]) }
  assert.throws(() => importOnnx(buildOnnx({ nodes, tensors: other, input: [2, 2] })), /the same for all samples/)
})

test('powers that are not whole, and a batch axis that moves', async () => {
  const nodes = [node('Pow', 'x p', 'y')]
  const tensors = { p: floats([], [-2.7]) }
  assertClose(await run({ nodes, tensors }, [1, 2], [0.5, 3]), [0.5 ** -2.7, 3 ** -2.7], 'power')
  const moved = buildOnnx({ input: [1, 2, 3], nodes: [node('Transpose', 'x', 'y', { perm: [1, 0, 2] })] })
  assert.throws(() => importOnnx(moved), /Transpose.* it moves the batch axis/)
})

test('the sum of a stack is an addition: no layer of the stack is left', async () => {
  const nodes: NodeSpec[] = [
    node('Relu', 'x', 'a'),
    node('Sigmoid', 'x', 'b'),
    node('Unsqueeze', 'a last', 'a1'),
    node('Unsqueeze', 'b last', 'b1'),
    node('Concat', 'a1 b1', 'c', { axis: -1 }),
    node('ReduceSum', 'c last', 's', { keepdims: 0 }),
    node('Flatten', 's', 'y'),
  ]
  const network = importOnnx(buildOnnx({ input: [1, 3, 1, 1, 1], nodes, tensors: { last: integers(-1) }, opset: 13 }))
  assert.equal(
    network.description.layers.map(({ type }) => type),
    ['relu', 'sigmoid', 'add', 'flatten'],
  )
  const z = [0.5, -1, 2]
  const [found] = await classify(await testGpu(), network, [Float32Array.from(z)])
  assertClose(
    [...found!.logits],
    z.map((v) => Math.max(v, 0) + 1 / (1 + Math.exp(-v))),
    'logits',
  )
})

test.run()
