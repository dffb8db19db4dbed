/** The compiler's fusion: what rides on what, that numbers stay the same, and that effects keep their order. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import {
  absolute,
  add,
  affine,
  channelAffine,
  clamp,
  leakyRelu,
  multiply,
  relu,
  sigmoid,
  tanh,
} from '../src/engine/ops/elementwise.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { resample3d } from '../src/engine/ops/resample.ts'
import { reshape } from '../src/engine/ops/shape.ts'
import { shaders } from '../src/engine/shaders.gen.ts'
import {
  apply,
  constant,
  input,
  type Node,
  type Operation,
  parameter,
  sizeOf,
  type Tensor,
} from '../src/engine/tensor.ts'
import { assertClose, closeTestGpu, evaluate, testGpu, values } from './support/evaluate.ts'

const test = suite('graph')
test.after(closeTestGpu)

const shape = [2, 3, 5, 4]
const data = values(sizeOf(shape), 40)

/** Kernel launches of a run, fused and unfused, after checking that both give the same bits. */
async function launches(
  build: (x: Tensor, other: Tensor) => Tensor | Tensor[],
): Promise<{ fused: number; apart: number }> {
  const gpu = await testGpu()
  const x = input(shape)
  const other = input(shape)
  const built = [build(x, other)].flat()
  const named = Object.fromEntries(built.map((t, k) => [k, t]))
  const [fused, apart] = [await compile(gpu, named), await compile(gpu, named, { fuse: false })]
  for (const program of [fused, apart]) {
    program.write(x, data)
    if (program.inputs.includes(other)) program.write(other, values(sizeOf(shape), 41))
    program.run()
  }
  for (const t of built) assert.equal(await fused.read(t), await apart.read(t))
  const counts = { fused: fused.launches.length, apart: apart.launches.length }
  for (const program of [fused, apart]) program.destroy()
  return counts
}

test('a chain of elementwise operations is one kernel', async () => {
  const scale = constant([3], Float32Array.of(0.5, 2, -1))
  const shift = constant([3], Float32Array.of(0.1, 0, 3))
  const chain = (x: Tensor, other: Tensor) =>
    tanh(clamp(multiply(add(leakyRelu(channelAffine(x, scale, shift), 0.1), other), other), -2, 2))
  assert.equal(await launches(chain), { fused: 1, apart: 6 })
})

test('elementwise operations ride on sums and resampling', async () => {
  assert.equal(await launches((x) => sigmoid(affine(sum(x, [2, 3]), 0.1, 1))), { fused: 1, apart: 3 })
  const volume = (x: Tensor) => reshape(x, [2, 3, 5, 4, 1])
  assert.equal(await launches((x) => relu(resample3d(volume(x), [7, 6, 1]))), { fused: 2, apart: 3 })
})

test('fusion sees through views', async () => {
  const chain = (x: Tensor) => affine(reshape(relu(reshape(affine(x, 2), [6, 20])), [120]), -1)
  assert.equal(await launches(chain), { fused: 1, apart: 3 })
})

test('a tensor read twice is computed once, and kept', async () => {
  const twice = (x: Tensor) => {
    const y = sigmoid(x)
    return [relu(y), affine(y, 2)]
  }
  assert.equal(await launches(twice), { fused: 3, apart: 3 })
  const own = (x: Tensor) => {
    const y = sigmoid(x)
    return multiply(y, y)
  }
  assert.equal(await launches(own), { fused: 2, apart: 2 })
  const throughView = (x: Tensor) => {
    const y = sigmoid(x)
    return [relu(y), sum(reshape(y, [120]))]
  }
  assert.equal(await launches(throughView), { fused: 3, apart: 3 })
})

test('an output in the middle of a chain is kept', async () => {
  const chain = (x: Tensor) => {
    const middle = affine(x, 3)
    return [middle, relu(middle)]
  }
  assert.equal(await launches(chain), { fused: 2, apart: 2 })
})

test('the second branch waits for its operand', async () => {
  const chain = (x: Tensor, other: Tensor) => {
    const early = affine(x, 2)
    const late = sum(tanh(other), [0])
    return multiply(early, reshape(late, [1, 3, 5, 4]))
  }
  const counts = await launches(chain)
  assert.ok(counts.fused < counts.apart)
})

/** A node with two outputs, x + 1 for the kernel's `y` and 2x beside it. */
function twoOutputs(x: Tensor): Node {
  const map = (y: Tensor, FACTOR: number, OFFSET: number) => ({
    kernel: 'elementwise/map',
    constants: { COUNT: sizeOf(x.shape) },
    bind: { x, y },
    epilogue: [{ source: 'elementwise/affine', constants: { FACTOR, OFFSET } }],
    groups: [1, 1, 1] as const,
  })
  const operation: Operation = {
    name: 'two',
    lower: ({ outputs: [y, side] }) => [map(side!, 2, 0), map(y!, 1, 1)],
  }
  return apply(operation, [x], [{ shape: x.shape }, { shape: x.shape }])
}

test('a step is not moved past a reader of its other output', async () => {
  const build = (x: Tensor) => {
    const [y, side] = twoOutputs(x).outputs as [Tensor, Tensor]
    const early = sum(side, [0])
    return [early, relu(y)]
  }
  assert.equal(await launches(build), { fused: 4, apart: 4 })
  const { outputs } = await evaluate(await testGpu(), (x) => build(x!), [{ shape, data }])
  assertClose(
    outputs[1]!,
    data.map((v) => Math.max(v + 1, 0)),
    'first output',
  )
  const late = (x: Tensor) => {
    const [y, side] = twoOutputs(x).outputs as [Tensor, Tensor]
    return [relu(y), sum(side, [0])]
  }
  assert.equal(await launches(late), { fused: 3, apart: 4 })
})

/** weight += 1, in place. */
function increment(weight: Tensor): Node {
  shaders['test/increment'] = [
    'const COUNT: u32 = 1u;',
    'struct Params { by: f32 }',
    '@group(0) @binding(0) var<uniform> params: Params;',
    '@group(0) @binding(1) var<storage, read_write> weight: array<f32>;',
    '@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {',
    '  if (id.x < COUNT) { weight[id.x] = weight[id.x] + params.by; }',
    '}',
  ].join('\n')
  const operation: Operation = {
    name: 'increment',
    effect: true,
    lower: () => [
      {
        kernel: 'test/increment',
        constants: { COUNT: sizeOf(weight.shape) },
        uniforms: { by: 1 },
        bind: { weight },
        groups: [1, 1, 1],
      },
    ],
  }
  return apply(operation, [weight], [])
}

test('effects happen in the order of the graph, run after run', async () => {
  const gpu = await testGpu()
  const weight = parameter([4], Float32Array.of(0, 1, 2, 3))
  const before = affine(weight, 10)
  const update = increment(weight)
  const after = affine(weight, 10)
  const program = await compile(gpu, { before, after }, { effects: [update] })
  program.run(3)
  assert.equal([...(await program.read(weight))], [3, 4, 5, 6])
  assert.equal([...(await program.read(before))], [20, 30, 40, 50])
  assert.equal([...(await program.read(after))], [30, 40, 50, 60])
  program.setUniforms(update, { by: -3 })
  program.run()
  assert.equal([...(await program.read(weight))], [0, 1, 2, 3])
  program.destroy()
  release(gpu, [weight])
})

test('an activation of a value from before an update shows the value from before', async () => {
  const gpu = await testGpu()
  const weight = parameter([4], Float32Array.of(0, 1, 2, 3))
  const before = affine(weight, 10)
  const update = increment(weight)
  const late = relu(before)
  const program = await compile(gpu, { late }, { effects: [update] })
  program.run()
  assert.equal([...(await program.read(late))], [0, 10, 20, 30])
  program.destroy()
  release(gpu, [weight])
})

test('uniforms are found after fusion', async () => {
  const gpu = await testGpu()
  shaders['test/scaled'] = [
    'struct Params { factor: f32 }',
    '@group(0) @binding(0) var<uniform> params: Params;',
    '@group(0) @binding(1) var<storage, read> x: array<f32>;',
    '@group(0) @binding(2) var<storage, read_write> y: array<f32>;',
    '//@slot epilogue',
    'fn epilogue(v: f32, i: u32) -> f32 { return v; }',
    '//@end',
    '@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {',
    '  y[i] = epilogue(params.factor * x[i], i);',
    '}',
  ].join('\n')
  const x = input([4])
  const operation: Operation = {
    name: 'scaled',
    lower: ({ outputs: [y] }) => [
      { kernel: 'test/scaled', uniforms: { factor: 2 }, bind: { x, y: y! }, groups: [1, 1, 1] },
    ],
  }
  const node = apply(operation, [x], [{ shape: [4] }])
  const y = relu(node.outputs[0]!)
  const program = await compile(gpu, { y })
  assert.is(program.launches.length, 1)
  program.write(x, Float32Array.of(-1, 0, 1, 2))
  program.run()
  assert.equal([...(await program.read(y))], [0, 0, 2, 4])
  program.setUniforms(node, { factor: -3 })
  program.run()
  assert.equal([...(await program.read(y))], [3, 0, 0, 0])
  assert.throws(() => program.setUniforms(node, { speed: 1 }), /no field speed/)
  assert.throws(() => program.setUniforms(twoOutputs(x), { factor: 1 }), /two has no uniforms in this program/)
  program.destroy()
})

test('random graphs give the same numbers fused and not, to the rounding of a contracted product and sum', async () => {
  const gpu = await testGpu()
  const moves: ((a: Tensor, b: Tensor) => Tensor)[] = [
    (a, b) => add(a, b),
    (a, b) => multiply(a, b),
    (a) => tanh(a),
    (a) => leakyRelu(affine(a, 1.5, -0.2), 0.1),
    (a) => reshape(reshape(absolute(a), [12]), [3, 4]),
    (a, b) => add(a, reshape(sum(b, [0]), [1, 4])),
  ]
  const steps = fc.array(fc.tuple(fc.nat(moves.length - 1), fc.nat(99), fc.nat(99)), { minLength: 5, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const build = (x: Tensor) => {
        const made = [x]
        for (const [move, a, b] of list) made.push(moves[move]!(made[a % made.length]!, made[b % made.length]!))
        return made.slice(-3).filter((t) => t !== x)
      }
      const x = { shape: [3, 4], data: values(12, 42) }
      const fused = await evaluate(gpu, (t) => build(t!), [x], { gradient: true })
      const apart = await evaluate(gpu, (t) => build(t!), [x], { gradient: true, fuse: false })
      for (const kind of ['outputs', 'gradients'] as const) {
        fused[kind].forEach((numbers, k) => {
          assertClose(numbers, apart[kind][k]!, `${kind} ${k}`, { relative: 1e-6 })
        })
      }
    }),
    { seed: 17, numRuns: 12 },
  )
})

test.run()
