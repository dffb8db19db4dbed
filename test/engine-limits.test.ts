/** What happens at the limits: operands larger than a binding, and every kind of failure as one clear GpuError. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { GpuError, type GpuErrorKind, ShapeError } from '../src/engine/errors.ts'
import { closeGpu, type Gpu, openGpu, release } from '../src/engine/gpu.ts'
import { gaussianBlur } from '../src/engine/ops/blur.ts'
import { broadcastTo } from '../src/engine/ops/broadcast.ts'
import { conv3d, convTranspose3d } from '../src/engine/ops/conv.ts'
import { dense } from '../src/engine/ops/dense.ts'
import { add, affine, channelAffine, leakyRelu, multiply, prelu, relu, tanh } from '../src/engine/ops/elementwise.ts'
import { instanceNorm } from '../src/engine/ops/norm.ts'
import { avgPool3d, globalAvgPool, maxPool3d } from '../src/engine/ops/pool.ts'
import { channelSum, mean, sum } from '../src/engine/ops/reduce.ts'
import { resample3d } from '../src/engine/ops/resample.ts'
import { concat, flip, pad, reshape, slice, transpose } from '../src/engine/ops/shape.ts'
import { logSoftmax, softmax } from '../src/engine/ops/softmax.ts'
import { planProgram } from '../src/engine/plan.ts'
import { shaders } from '../src/engine/shaders.gen.ts'
import {
  apply,
  constant,
  input,
  type Operation,
  parameter,
  type Shape,
  sizeOf,
  type Tensor,
} from '../src/engine/tensor.ts'
import { closeTestGpu, evaluate, testGpu, values } from './support/evaluate.ts'

const test = suite('limits')
test.after(closeTestGpu)

async function fails(running: Promise<unknown>, kind: GpuErrorKind, message: RegExp): Promise<void> {
  const error = await running.then(
    () => undefined,
    (e: unknown) => e,
  )
  assert.instance(error, GpuError, `${error}`)
  assert.is((error as GpuError).kind, kind, `${error}`)
  assert.match((error as GpuError).message, message)
}

// Operands of up to 12 kB on bindings of at most 4 kB, few enough bindings for adapters that allow only ten. An operation joins with one line: name, input shapes, build.
const capped: [string, Shape[], (...x: Tensor[]) => Tensor][] = [
  ['affine', [[1999]], (x) => affine(x!, 2, 1)],
  ['add', [[2048], [2048]], (a, b) => add(a!, b!)],
  ['multiply with itself', [[2000]], (a) => multiply(a!, a!)],
  ['a fused chain', [[1300], [1300]], (a, b) => tanh(add(leakyRelu(a!, 0.1), b!))],
  ['channelAffine', [[2, 3, 333], [3], [3]], (x, s, t) => channelAffine(x!, s!, t!)],
  ['prelu', [[2, 3, 333], [3]], (x, s) => prelu(x!, s!)],
  ['dense', [[2, 700], [3, 700], [3]], (x, w, b) => dense(x!, w!, b!)],
  ['broadcast', [[1, 3, 1]], (x) => broadcastTo(x!, [13, 3, 50])],
  ['broadcast of a large operand', [[1, 1100]], (x) => broadcastTo(x!, [2, 1100])],
  ['sum', [[2999]], (x) => sum(x!)],
  ['sum of the last axis', [[7, 401]], (x) => sum(x!, [1])],
  ['sum of the first axis', [[3, 999]], (x) => sum(x!, [0])],
  ['channelSum', [[2, 5, 250]], (x) => channelSum(x!)],
  ['mean', [[2, 3, 401]], (x) => mean(x!, [0, 2])],
  [
    'concat',
    [
      [2, 450],
      [2, 550],
    ],
    (a, b) => concat([a!, b!], 1),
  ],
  ['slice', [[30, 90]], (x) => slice(x!, [1, 3], [10, 40], [2, 2])],
  ['pad', [[20, 50]], (x) => pad(x!, { front: [3, 1], back: [0, 4], value: 2 })],
  ['transpose', [[9, 13, 17]], (x) => transpose(x!, [2, 0, 1])],
  ['flip', [[11, 200]], (x) => flip(x!, [0, 1])],
  ['reshape', [[40, 50]], (x) => relu(reshape(affine(x!, 2), [2000]))],
  ['resample3d', [[1, 2, 5, 6, 7]], (x) => resample3d(x!, [9, 10, 11])],
  ['gaussianBlur', [[1, 1, 11, 12, 13]], (x) => gaussianBlur(x!, 1)],
  [
    'conv3d',
    [
      [1, 3, 8, 9, 9],
      [3, 3, 2, 2, 2],
    ],
    (x, w) => conv3d(x!, w!, { padding: { front: [1, 0, 1], back: [0, 1, 1] } }),
  ],
  [
    'conv3d of one channel',
    [
      [1, 1, 11, 12, 13],
      [1, 1, 3, 3, 3],
    ],
    (x, w) => conv3d(x!, w!),
  ],
  [
    'convTranspose3d',
    [
      [1, 2, 4, 5, 6],
      [2, 2, 2, 2, 2],
    ],
    (x, w) => convTranspose3d(x!, w!, { stride: 2 }),
  ],
  ['maxPool3d', [[1, 2, 10, 9, 10]], (x) => maxPool3d(x!, { kernel: 2 })],
  ['avgPool3d', [[1, 2, 10, 9, 10]], (x) => avgPool3d(x!, { kernel: 3, stride: 1 })],
  ['globalAvgPool', [[1, 2, 10, 9, 11]], (x) => globalAvgPool(x!)],
  ['softmax', [[400, 5]], (x) => softmax(x!)],
  ['logSoftmax over volumes', [[2, 4, 250]], (x) => logSoftmax(x!)],
  ['instanceNorm', [[2, 2, 500]], (x) => instanceNorm(x!)],
]

test('operands in segments give the bits of operands in one piece', async () => {
  const gpu = await testGpu()
  const small = await testGpu({ maxBinding: 4096 })
  for (const [name, shapes, build] of capped) {
    const inputs = shapes.map((shape, k) => ({ shape, data: values(sizeOf(shape), 50 + k) }))
    const whole = await evaluate(gpu, build, inputs, { gradient: true })
    const split = await evaluate(small, build, inputs, { gradient: true })
    assert.equal(split, whole, name)
  }
  closeGpu(small)
})

test('a tensor of more than 128 MiB on bindings of at most 128 MiB', async () => {
  const gpu = await testGpu({ maxBinding: 2 ** 27 })
  const count = 34_000_000
  const x = input([count])
  const y = affine(x, 0.5, 1)
  const total = sum(y)
  const program = await compile(gpu, { y, total })
  assert.is(program.memory.total > 8 * count, true)
  const data = new Float32Array(count)
  for (let k = 0; k < count; k++) data[k] = (k % 1000) - 500
  program.write(x, data)
  program.run()
  const [found] = await program.read(total)
  const expected = count - 0.25 * count
  assert.ok(Math.abs(found! / expected - 1) < 1e-6, `the sum is ${found}, expected ${expected}`)
  const result = await program.read(y)
  for (const k of [0, 1, 2 ** 25 - 1, 2 ** 25, 2 ** 25 + 1, count - 1]) assert.is(result[k], 0.5 * data[k]! + 1)
  program.destroy()
  closeGpu(gpu)
})

test('more segments than the adapter binds are refused with the numbers', async () => {
  const gpu = await testGpu({ maxBinding: 4096 })
  await fails(
    compile(gpu, { y: affine(input([20_000]), 2) }),
    'limit',
    /elementwise\/map needs \d+ storage bindings .* 4096 bytes, but .* allows \d+; use a smaller/,
  )
  closeGpu(gpu)
})

test('a tensor larger than any buffer is refused before anything is made', async () => {
  const gpu = await testGpu()
  const { buffers } = gpu.counters
  const size = gpu.limits.maxBufferSize / 4 + 1024
  await fails(
    compile(gpu, { y: affine(input([size]), 2) }),
    'limit',
    /a tensor of shape \d+ needs \d+\.\d MB, but .* at most \d+/,
  )
  assert.is(gpu.counters.buffers, buffers)
})

test('memoryLimit refuses what the plan exceeds, and passes what it does not', async () => {
  const gpu = await testGpu()
  const y = tanh(sum(affine(input([1000]), 2)))
  const { total } = planProgram(gpu, [y]).memory
  const { buffers } = gpu.counters
  await fails(
    compile(gpu, { y }, { memoryLimit: total - 1 }),
    'limit',
    /needs \d+\.\d kB of GPU memory, more than the \d+\.\d kB allowed/,
  )
  assert.is(gpu.counters.buffers, buffers)
  const program = await compile(gpu, { y }, { memoryLimit: total })
  program.destroy()
})

/** An operation whose kernel is given as text. */
function withKernel(name: string, lines: readonly string[], x: Tensor): Tensor {
  shaders[name] = lines.join('\n')
  const operation: Operation = {
    name: 'custom',
    lower: ({ outputs: [y] }) => [{ kernel: name, bind: { x, y: y! }, groups: [1, 1, 1] }],
  }
  return apply(operation, [x], [{ shape: x.shape }]).outputs[0]!
}

const operands = [
  '@group(0) @binding(0) var<storage, read> x: array<f32>;',
  '@group(0) @binding(1) var<storage, read_write> y: array<f32>;',
]

test('a kernel that does not compile is named, and the GPU goes on', async () => {
  const gpu = await testGpu()
  const wrong = [...operands, '@compute @workgroup_size(1) fn main() { y[0] = x[0] + 1u; }']
  const { bytes } = gpu.counters
  await fails(
    compile(gpu, { y: withKernel('test/wrong_type', wrong, input([4])) }),
    'validation',
    /kernel test\/wrong_type \(custom 4\) does not compile: /,
  )
  assert.is(gpu.counters.bytes, bytes)
  const { outputs } = await evaluate(gpu, (x) => affine(x!, 2), [{ shape: [2], data: Float32Array.of(1, 2) }])
  assert.equal([...outputs[0]!], [2, 4])
})

test('a workgroup larger than the adapter allows is a validation error with the kernel named', async () => {
  const gpu = await testGpu()
  const wide = [...operands, '@compute @workgroup_size(65536) fn main() { y[0] = x[0]; }']
  await fails(compile(gpu, { y: withKernel('test/too_wide', wide, input([4])) }), 'validation', /kernel test\/too_wide/)
})

test('more workgroups than an axis holds are refused', async () => {
  const gpu = await testGpu()
  const x = input([4])
  const operation: Operation = {
    name: 'many',
    lower: ({ outputs: [y] }) => [{ kernel: 'elementwise/map', bind: { x, y: y! }, groups: [70_000, 1, 1] }],
  }
  const y = apply(operation, [x], [{ shape: [4] }]).outputs[0]!
  await fails(compile(gpu, { y }), 'limit', /70000 workgroups along one axis exceed the adapter's \d+/)
})

test('running out of memory is one sentence, and leaves nothing behind', async () => {
  const gpu = await openGpu()
  const w = parameter([4])
  const y = affine(w, 2)
  const real = gpu.device.popErrorScope.bind(gpu.device)
  const { bytes } = gpu.counters
  // No portable way to fill a GPU's memory in a test, so the device says that it is full.
  gpu.device.popErrorScope = async () => {
    await real()
    return { message: 'device is full' } as GPUOutOfMemoryError
  }
  await fails(compile(gpu, { y }), 'out-of-memory', /out of GPU memory: .* were needed \(device is full\)/)
  gpu.device.popErrorScope = real
  assert.is(gpu.counters.bytes, bytes)
  assert.is(gpu.resident.size, 0)
  const program = await compile(gpu, { y })
  program.destroy()
  closeGpu(gpu)
})

test('an error that the device reports later is thrown by the next read, once', async () => {
  const gpu = await openGpu()
  const x = input([4])
  const y = affine(x, 2)
  const program = await compile(gpu, { y })
  program.write(x, Float32Array.of(1, 2, 3, 4))
  program.run()
  gpu.device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE })
  await fails(program.read(y), 'validation', /\w/)
  assert.equal([...(await program.read(y))], [2, 4, 6, 8])
  program.destroy()
  closeGpu(gpu)
})

async function running(gpu: Gpu) {
  const x = input([1024])
  const y = affine(x, 2)
  const program = await compile(gpu, { y })
  program.run(50)
  return { program, x, y }
}

test('a device lost during a read rejects it, and everything after, with the kind lost', async () => {
  const gpu = await openGpu()
  const { program, y } = await running(gpu)
  const reads = [program.read(y), program.read(y)]
  gpu.device.destroy()
  for (const read of reads) await fails(read, 'lost', /the GPU device was lost/)
  await fails(program.read(y), 'lost', /the GPU device was lost/)
  await fails(program.done(), 'lost', /the GPU device was lost/)
  await fails(compile(gpu, { y: affine(input([8]), 3) }), 'lost', /the GPU device was lost/)
})

test('a device lost while a program is compiled', async () => {
  const gpu = await openGpu()
  const compiling = compile(gpu, { y: tanh(affine(input([77]), 2)) })
  gpu.device.destroy()
  await fails(compiling, 'lost', /the GPU device was lost/)
})

test('writing the wrong number of values, or to a tensor that is not there', async () => {
  const gpu = await testGpu()
  const { program, x } = await running(gpu)
  const wrong = (e: unknown) => e instanceof ShapeError && /tensor 1024 holds 1024 values, got 3/.test(e.message)
  assert.throws(() => program.write(x, new Float32Array(3)), wrong)
  const otherType = (e: unknown) => e instanceof ShapeError && /tensor 1024 is f32, got a Uint32Array/.test(e.message)
  assert.throws(() => program.write(x, new Uint32Array(1024)), otherType)
  const foreign = (e: unknown) => e instanceof GpuError && /shape 2x2 is not an input/.test(e.message)
  assert.throws(() => program.write(input([2, 2]), new Float32Array(4)), foreign)
  await fails(program.read(input([2, 2])), 'internal', /shape 2x2 is not an input, parameter or output/)
  program.destroy()
})

test('a temporary cannot be read', async () => {
  const gpu = await testGpu()
  const x = input([4])
  const middle = sum(affine(x, 2))
  const program = await compile(gpu, { y: affine(middle, 3) }, { fuse: false })
  await fails(program.read(middle), 'internal', /scalar is not an input, parameter or output/)
  program.destroy()
})

test('leaves of the wrong length are refused when they are made', () => {
  const wrong = (e: unknown) =>
    e instanceof ShapeError && /weights: shape \[2,3\] holds 6 values, got 5/.test(e.message)
  assert.throws(() => parameter([2, 3], new Float32Array(5), 'weights'), wrong)
  assert.throws(() => constant([2, 3], new Float32Array(5), 'weights'), wrong)
})

test('release frees what the programs share', async () => {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  const w = parameter([100])
  const program = await compile(gpu, { y: affine(w, 2) })
  program.destroy()
  assert.is(gpu.counters.bytes, before + 400)
  release(gpu, [w])
  assert.is(gpu.counters.bytes, before)
})

test.run()
