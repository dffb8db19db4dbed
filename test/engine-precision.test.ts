/** Tensors stored as f16: which ones, what it saves, what becomes of numbers, and what is refused. */
import './support/all-shaders.ts'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { GpuError } from '../src/engine/errors.ts'
import { closeGpu, type Gpu, release } from '../src/engine/gpu.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import { affine, leakyRelu, multiply } from '../src/engine/ops/elementwise.ts'
import { sgd } from '../src/engine/ops/optimizer.ts'
import { maxPool3d } from '../src/engine/ops/pool.ts'
import { channelSum, sum } from '../src/engine/ops/reduce.ts'
import { planProgram } from '../src/engine/plan.ts'
import { storeAsHalf, storedBytes } from '../src/engine/precision.ts'
import { shaders } from '../src/engine/shaders.gen.ts'
import { assemble } from '../src/engine/source.ts'
import { constant, input, parameter, sizeOf } from '../src/engine/tensor.ts'
import { skip } from './support/data.ts'
import { assertClose, type Build, closeTestGpu, evaluate, testGpu, values } from './support/evaluate.ts'

const test = suite('precision')
test.after(closeTestGpu)

/** The same adapter, with or without f16: enough for planning, which touches no device. */
const planner = (gpu: Gpu, ...features: string[]): Gpu => ({ ...gpu, features: new Set(features) })

/** Runs where the adapter can store f16. */
const halfTest = (name: string, body: (gpu: Gpu) => Promise<void>) =>
  test(name, async () => {
    const gpu = await testGpu()
    return gpu.features.has('shader-f16') ? body(gpu) : skip(`${gpu.name} has no shader-f16`)
  })

test('reads widen, stores round and stay finite, other names are untouched', () => {
  const code = [
    '// y[i] = x[i] where i < COUNT;',
    '@group(0) @binding(0) var<storage, read> x: array<f32>;',
    '@group(0) @binding(1) var<storage, read> index: array<u32>;',
    '@group(0) @binding(2) var<storage, read_write> y: array<f32>;',
    'fn main() { let a = max_x[0]; y[index[2 * i]] = x[index[i]] + y[i]; if (y[i] == a) { y[i] = 1.0; } }',
  ].join('\n')
  const half = storeAsHalf(storeAsHalf(code, 'x'), 'y')
  assert.match(half, 'var<storage, read> x: array<f16>;')
  assert.match(half, 'var<storage, read_write> y: array<f16>;')
  assert.match(half, 'y[index[2 * i]] = f16(clamp(f32(x[index[i]]) + f32(y[i]), -65504.0, 65504.0));')
  assert.match(half, 'if (f32(y[i]) == a) { y[i] = f16(clamp(1.0, -65504.0, 65504.0)); }')
  assert.match(half, 'let a = max_x[0];')
  assert.throws(() => storeAsHalf(code, 'index'), /no array<f32> called index/)
})

test('an adapter without f16 refuses before it allocates, and says what to do', async () => {
  const gpu = planner(await testGpu(), 'subgroups')
  const y = affine(affine(input([4096]), 2), 3)
  const refusal = (e: unknown) =>
    e instanceof GpuError && e.kind === 'unavailable' && /use precision f32/.test(e.message)
  assert.throws(() => planProgram(gpu, [y], { precision: 'f16' }), refusal)
  const buffers = gpu.counters.buffers
  const error = await compile(gpu, { y }, { precision: 'f16' }).then(
    () => undefined,
    (e: unknown) => e,
  )
  assert.ok(refusal(error))
  assert.is(gpu.counters.buffers, buffers)
})

test('large intermediate values are half as large; leaves, outputs, effects, indices and sums are not', async () => {
  const gpu = planner(await testGpu(), 'shader-f16')
  const x = input([1, 2, 9, 9, 9])
  const w = parameter([32, 2, 3, 3, 3], values(1728))
  const activation = leakyRelu(conv3d(x, w, { padding: 1 }))
  const pooled = maxPool3d(activation, { kernel: 3, stride: 1 })
  const index = pooled.node!.outputs[1]!
  const loss = sum(multiply(pooled, pooled))
  const [dw] = backward(loss, [w])
  const effects = [sgd(w, dw!, { learningRate: 0.1 }).node]
  const plan = (precision: 'f16' | 'f32') => planProgram(gpu, [loss, pooled], { effects, precision })
  const [half, full] = [plan('f16'), plan('f32')]
  assert.is(full.half.size, 0)
  for (const t of half.half) assert.ok(t.dtype === 'f32' && !t.leaf && !t.exact && sizeOf(t.shape) >= 1024)
  for (const t of [x, w, loss, pooled, dw!, index]) assert.not(half.half.has(t))
  for (const t of [pooled, loss]) assert.ok(half.fixed.includes(t))
  assert.is(half.memory.resident, full.memory.resident)
  assert.ok(half.memory.temporaries < 0.9 * full.memory.temporaries)
  const chunks = planProgram(gpu, [channelSum(input([2, 4, 64, 64, 64]))], { precision: 'f16' })
  assert.is(chunks.half.size, 0, 'partial sums are exact')
})

test('an odd number of halves takes whole words', () => {
  const t = input([3, 5])
  assert.is(storedBytes(t, new Set([t])), 32)
  assert.is(storedBytes(t, new Set()), 60)
})

/** Sizes are odd, so that tensors end in the middle of a word and rows begin there. */
const network: Build = (x) => {
  const first = conv3d(x!, constant([4, 3, 1, 3, 3], values(108, 7)), { padding: [0, 1, 1] })
  return affine(conv3d(leakyRelu(first), constant([3, 4, 1, 1, 3], values(36, 8))), 0.1, 1)
}
const scan = { shape: [1, 3, 9, 11, 7], data: values(2079, 3) }

halfTest('every kernel compiles with all its numbers stored as f16', async (gpu) => {
  const whole = Object.keys(shaders).filter((name) => /@compute|^fn apply\(/m.test(shaders[name]!))
  assert.ok(whole.length > 40)
  for (const name of whole) {
    const { code } = assemble(name)
    const operands = [...code.matchAll(/^@group.*> (\w+): array<f32>;$/gm)].map((m) => m[1]!)
    gpu.device.pushErrorScope('validation')
    gpu.device.createShaderModule({ code: `enable f16;\n${operands.reduce(storeAsHalf, code)}` })
    assert.is((await gpu.device.popErrorScope())?.message, undefined, name)
  }
})

halfTest('results and gradients are those of f32 up to the rounding of what is stored', async (gpu) => {
  const full = await evaluate(gpu, network, [scan], { gradient: true })
  const half = await evaluate(gpu, network, [scan], { gradient: true, precision: 'f16' })
  assertClose(half.outputs[0]!, full.outputs[0]!, 'output', { relative: 1e-3, absolute: 0 })
  assertClose(half.gradients[0]!, full.gradients[0]!, 'gradient', { relative: 2e-3, absolute: 0 })
  assert.not.equal(half.outputs[0], full.outputs[0], 'nothing was stored as f16')
})

halfTest('operands in segments give the same bits', async (whole) => {
  const parts = await testGpu({ maxBinding: 2048 })
  // Fusion depends on how many bindings there are, and what is fused is not rounded in between.
  const options = { precision: 'f16', fuse: false } as const
  const [a, b] = [await evaluate(whole, network, [scan], options), await evaluate(parts, network, [scan], options)]
  closeGpu(parts)
  assert.equal(b.outputs[0], a.outputs[0])
})

halfTest('what f16 cannot hold becomes its largest number, and sums go beyond it', async (gpu) => {
  const data = Float32Array.from({ length: 2001 }, (_, k) => [3, 1e9, -1e9][k % 3]!)
  const stored: Build = (x) => affine(affine(x!, 1e3), 1e-3)
  const { outputs } = await evaluate(gpu, stored, [{ shape: [2001], data }], { fuse: false, precision: 'f16' })
  const expected = data.map((v) => (v === 3 ? 3 : Math.sign(v) * 65.504))
  assertClose(outputs[0]!, expected, 'clamped', { relative: 1e-6, absolute: 0 })
  const total: Build = (x) => sum(affine(x!, 1))
  const tens = { shape: [100_001], data: new Float32Array(100_001).fill(10) }
  const summed = await evaluate(gpu, total, [tens], { fuse: false, precision: 'f16' })
  assert.is(summed.outputs[0]![0], 1_000_010)
})

halfTest('values computed once are stored so too, and only outputs can be read', async (gpu) => {
  const x = input([2001])
  const once = affine(constant([2001], values(2001)), 3)
  const y = multiply(x, once)
  const program = await compile(gpu, { y }, { precision: 'f16' })
  program.write(x, new Float32Array(2001).fill(1))
  program.run()
  assertClose(
    await program.read(y),
    values(2001).map((v) => 3 * v),
    'product',
    { relative: 5e-4 },
  )
  const error = await program.read(once).catch((e: unknown) => e)
  assert.match(String(error), /not an input, parameter or output/)
  program.destroy()
  release(gpu, [...gpu.resident.keys()])
})

test.run()
