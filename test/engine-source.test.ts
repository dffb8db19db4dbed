/** From .wgsl files to the text that is compiled: constants, includes, unrolling, pieces, split operands. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { GpuError } from '../src/engine/errors.ts'
import { evaluateInteger } from '../src/engine/integer.ts'
import { packUniforms, prepareKernel } from '../src/engine/kernel.ts'
import { shaders } from '../src/engine/shaders.gen.ts'
import { assemble, hasEpilogue, splitOperand } from '../src/engine/source.ts'
import { type Dispatch, input, type Piece, type Tensor } from '../src/engine/tensor.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('source')
test.after(closeTestGpu)

const refused = (build: () => unknown, message: RegExp) =>
  assert.throws(
    build,
    (e: unknown) => e instanceof GpuError && e.kind === 'internal' && message.test(e.message),
    `${message}`,
  )

shaders['test/base'] = [
  '//@include common/linear',
  'const COUNT: u32 = 1u;',
  'const SCALE: f32 = 1.0;',
  'const OFFSET: i32 = 0i;',
  'const FLAG: bool = false;',
  'const SIZE: vec3u = vec3u(1u);',
  '@group(0) @binding(0) var<storage, read> x: array<f32>;',
  '@group(0) @binding(1) var<storage, read_write> y: array<f32>;',
  '//@slot epilogue',
  'fn epilogue(v: f32, i: u32) -> f32 { return v; }',
  '//@end',
].join('\n')

test('constants take their declared type', () => {
  const { code } = assemble('test/base', { COUNT: 7, SCALE: 0.1, OFFSET: -3, FLAG: 1, SIZE: [2, 3, 4] })
  assert.match(code, 'const COUNT: u32 = 7u;')
  assert.match(code, 'const SCALE: f32 = 0.10000000149011612f;')
  assert.match(code, 'const OFFSET: i32 = -3i;')
  assert.match(code, 'const FLAG: bool = true;')
  assert.match(code, 'const SIZE: vec3u = vec3u(2u, 3u, 4u);')
  assert.match(code, 'fn linear_group(')
  assert.is(code.match(/fn epilogue/g)!.length, 1)
})

test('wrong constants are refused', () => {
  refused(() => assemble('test/base', { COLOUR: 1 }), /test\/base has no constant COLOUR/)
  refused(() => assemble('test/base', { SCALE: Number.NaN }), /must be finite in float32, got NaN/)
  refused(() => assemble('test/base', { SCALE: 1e39 }), /must be finite in float32, got 1e\+39/)
  refused(() => assemble('test/missing'), /no shader named test\/missing/)
})

test('extreme float constants compile', async () => {
  const gpu = await testGpu()
  const text = assemble('test/base', { SCALE: 3.4e38 }).code + assemble('elementwise/affine', { FACTOR: -1e-30 }).code
  assert.match(text, '3.3999999521443642e+38f')
  assert.match(text, '-1.0000000031710769e-30f')
  gpu.device.pushErrorScope('validation')
  gpu.device.createShaderModule({
    code: 'const A: f32 = 3.3999999521443642e+38f; const B: f32 = -1.0000000031710769e-30f;',
  })
  assert.is(await gpu.device.popErrorScope(), null)
})

test('pieces are chained, and their names do not collide', () => {
  const pieces: Piece[] = [
    { source: 'elementwise/affine', constants: { FACTOR: 2 } },
    { source: 'elementwise/add', bind: { b: input([4]) } },
    { source: 'elementwise/affine', constants: { FACTOR: 3, OFFSET: 1 } },
    { source: 'elementwise/add', bind: { b: input([4]) } },
  ]
  const { code, pieceOperands } = assemble('test/base', {}, pieces)
  assert.match(code, 'return apply_3(apply_2(apply_1(apply_0(v, i), i), i), i);')
  for (const name of ['FACTOR_0', 'OFFSET_0', 'FACTOR_2', 'OFFSET_2', 'b_1', 'b_3']) assert.match(code, name)
  assert.match(code, 'const FACTOR_2: f32 = 3f;')
  assert.equal(
    [...pieceOperands],
    [
      ['b_1', { piece: 1, name: 'b' }],
      ['b_3', { piece: 3, name: 'b' }],
    ],
  )
  const bindings = [...code.matchAll(/@binding\((\d+)\)/g)].map((m) => Number(m[1]))
  assert.equal(bindings, [0, 1, 2, 3])
})

test('renaming a piece leaves struct members alone', () => {
  shaders['test/member'] = [
    '@group(0) @binding(0) var<storage, read> x: array<f32>;',
    'fn apply(v: f32, i: u32) -> f32 { let p = vec2f(v, x[i]); return p.x; }',
  ].join('\n')
  const { code } = assemble('test/base', {}, [{ source: 'test/member', bind: { x: input([4]) } }])
  assert.match(code, 'fn apply_0(v: f32, i: u32) -> f32 { let p = vec2f(v, x_0[i]); return p.x; }')
})

test('a kernel without a slot takes no pieces', () => {
  assert.is(hasEpilogue('shape/place'), false)
  assert.is(hasEpilogue('elementwise/map'), true)
  refused(() => assemble('shape/place', {}, [{ source: 'elementwise/relu' }]), /shape\/place has no epilogue slot/)
})

test('unrolled lines, nested, with bounds and sums from constants', () => {
  shaders['test/unrolled'] = [
    'const TILE: u32 = 2u;',
    'const KERNEL: vec3u = vec3u(3u);',
    '//@unroll I 0..TILE',
    'var a$(I) = $(2 * I + 1);',
    '  //@unroll K I..KERNEL.z - 1',
    'use($(I), $(K));',
    '  //@end K',
    '//@end I',
    '',
  ].join('\n')
  const lines = (constants: Record<string, number | number[]>) =>
    assemble('test/unrolled', constants)
      .code.split('\n')
      .filter((l) => /^(var|use)/.test(l))
  assert.equal(lines({}), ['var a0 = 1;', 'use(0, 0);', 'use(0, 1);', 'var a1 = 3;', 'use(1, 1);'])
  assert.equal(lines({ TILE: 1, KERNEL: [9, 9, 4] }), ['var a0 = 1;', 'use(0, 0);', 'use(0, 1);', 'use(0, 2);'])
})

test('integer arithmetic in templates', () => {
  const known = new Map([
    ['TILE', 4],
    ['K.z', 3],
  ])
  for (const [text, value] of [
    ['7', 7],
    ['TILE * (K.z - 1) + 2', 10],
    ['-TILE + 9 / 2', 0],
    ['2u', 2],
  ] as const) {
    assert.is(evaluateInteger(text, known), value)
  }
  for (const text of ['', 'TILE +', '(1', 'UNKNOWN', '1 2'])
    refused(() => evaluateInteger(text, known), /not an integer/)
})

test('split operands: loads and stores, nested indices, other names untouched', () => {
  const code = [
    '@group(0) @binding(0) var<storage, read> x: array<f32>;',
    '@group(0) @binding(1) var<storage, read> index: array<u32>;',
    '@group(0) @binding(2) var<storage, read_write> y: array<f32>;',
    'fn main() {',
    '  let a = max_x[0] + p.x[1];',
    '  y[index[2 * i]] = x[index[i + index[0]]] + y[i];',
    '  if (y[i] == 1.0) { y[i] = select(x[i], y[i], a == 1.0); }',
    '}',
  ].join('\n')
  const split = splitOperand(splitOperand(code, 'x', 2, 64), 'y', 3, 128)
  assert.match(split, 'y_store(index[2 * i], x_load(index[i + index[0]]) + y_load(i));')
  assert.match(split, 'if (y_load(i) == 1.0) { y_store(i, select(x_load(i), y_load(i), a == 1.0)); }')
  assert.match(split, 'let a = max_x[0] + p.x[1];')
  assert.match(split, 'fn x_load(i: u32) -> f32 { if (i < 64u) { return x_seg0[i - 0u]; } return x_seg1[i - 64u]; }')
  assert.match(split, 'if (i < 256u) { y_seg1[i - 128u] = v; return; } y_seg2[i - 256u] = v; }')
  assert.not.match(split, 'x_store')
  assert.equal(
    [...split.matchAll(/@binding\((\d)\) var<storage, \w+> (\w+)/g)].map((m) => `${m[1]} ${m[2]}`),
    ['0 x_seg0', '1 x_seg1', '2 index', '3 y_seg0', '4 y_seg1', '5 y_seg2'],
  )
  const both = splitOperand(split, 'index', 2, 64)
  assert.match(both, 'y_store(index_load(2 * i), x_load(index_load(i + index_load(0))) + y_load(i));')
})

test('comments about an operand are no statements', () => {
  const code =
    '// x[0, 1) is half open; y[i] = x[i] for i < COUNT:\n@group(0) @binding(0) var<storage, read> x: array<f32>;\nlet v = x[1];'
  const split = splitOperand(code, 'x', 2, 64)
  assert.match(split, 'let v = x_load(1);')
  assert.is(split.match(/x_load/g)!.length, 2)
})

const dispatch = (bind: Record<string, Tensor>): Dispatch => ({ kernel: 'elementwise/map', bind, groups: [1, 1, 1] })

test('operands must be the ones the kernel has', async () => {
  const gpu = await testGpu()
  const [x, y] = [input([4]), input([4])]
  refused(() => prepareKernel(gpu, dispatch({ x }), gpu.maxBinding), /elementwise\/map: operand y was not given/)
  refused(() => prepareKernel(gpu, dispatch({ x, y, z: x }), gpu.maxBinding), /has no operands z/)
})

test('segments cover an operand exactly, each at a multiple of 256 bytes', async () => {
  const gpu = await testGpu()
  const operands = { x: input([1000]), y: input([1000]) }
  const { bindings } = prepareKernel(gpu, dispatch(operands), 1100)
  const ranges = bindings.flatMap((b) =>
    b.kind === 'storage' ? [[b.tensor === operands.x ? 'x' : 'y', b.offset, b.size]] : [],
  )
  assert.equal(ranges.slice(0, 4), [
    ['x', 0, 1024],
    ['x', 1024, 1024],
    ['x', 2048, 1024],
    ['x', 3072, 928],
  ])
  assert.is(ranges.length, 8)
})

test('uniforms lie where the shader expects them', async () => {
  const gpu = await testGpu()
  shaders['test/uniforms'] = [
    'struct Params { rate: f32, step: u32, shift: i32, size: vec3u, weight: vec2f }',
    '@group(0) @binding(0) var<uniform> params: Params;',
    '@compute @workgroup_size(1) fn main() { let p = params; }',
  ].join('\n')
  const { bindings } = prepareKernel(gpu, { kernel: 'test/uniforms', bind: {}, groups: [1, 1, 1] }, gpu.maxBinding)
  const [binding] = bindings
  if (binding?.kind !== 'uniform') throw new Error('no uniform')
  const bytes = packUniforms(binding.info, { rate: 0.5, step: 7, shift: -2, size: [1, 2, 3], weight: [1.5, -1] })
  const view = new DataView(bytes)
  assert.is(bytes.byteLength, 48)
  assert.equal([view.getFloat32(0, true), view.getUint32(4, true), view.getInt32(8, true)], [0.5, 7, -2])
  assert.equal(
    [16, 20, 24].map((at) => view.getUint32(at, true)),
    [1, 2, 3],
  )
  assert.equal(
    [32, 36].map((at) => view.getFloat32(at, true)),
    [1.5, -1],
  )
  packUniforms(binding.info, { step: 8 }, bytes)
  assert.equal([view.getFloat32(0, true), view.getUint32(4, true)], [0.5, 8])
  refused(() => packUniforms(binding.info, { speed: 1 }), /uniform params has no field speed/)
})

test.run()
