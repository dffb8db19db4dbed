/** Files that are damaged or made to do harm: one typed error each, soon, and without much memory. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { importOnnx, readOnnxGraph } from '../src/model/formats/onnx.ts'
import { exportOnnx } from '../src/model/formats/onnx-export.ts'
import { block, integer, join } from '../src/model/formats/onnx-write.ts'
import { busy } from './support/busy.ts'
import { buildOnnx, floats, integers, type ModelSpec } from './support/onnx-build.ts'
import { onnxZoo } from './support/onnx-zoo.ts'

const test = suite('damaged ONNX files')

/** Loads or throws an InputError; says which. */
function loads(bytes: Uint8Array): boolean {
  try {
    importOnnx(bytes)
    return true
  } catch (error) {
    if (error instanceof InputError) return false
    throw error
  }
}

/** Numbers in [0, below), the same every time. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Bit flips, bytes of extreme values (lengths, keys), cuts, and copied or dropped stretches. */
function mutate(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  const copy = bytes.slice()
  const at = random(copy.length)
  const kind = random(5)
  if (kind === 0) for (let k = random(4); k >= 0; k--) copy[random(copy.length)]! ^= 1 << random(8)
  else if (kind === 1) copy.fill([0, 0x7f, 0x80, 0xff][random(4)]!, at, at + 1 + random(9))
  else if (kind === 2) return copy.subarray(0, at)
  else if (kind === 3) return join([copy.subarray(0, at), copy.subarray(at + 1 + random(16))])
  else copy.copyWithin(at, random(copy.length), copy.length)
  return copy
}

/** Little but structure, so that mutations hit it. */
function small(): Uint8Array {
  return buildOnnx({
    input: ['n', 1, 4, 4, 4],
    nodes: [
      { op: 'Conv', in: ['x', 'w', 'b'], out: 'c', with: { kernel_shape: [2, 2, 2], pads: [1, 0, 0, 0, 0, 1] } },
      { op: 'Relu', in: ['c'], out: 'r' },
      { op: 'MaxPool', in: ['r'], out: 'm', with: { kernel_shape: [2, 2, 2], strides: [2, 2, 2] } },
      { op: 'Shape', in: ['m'], out: 's' },
      { op: 'Gather', in: ['s', 'zero'], out: 'g', with: { axis: 0 } },
      { op: 'Concat', in: ['g', 'rest'], out: 't', with: { axis: 0 } },
      { op: 'Reshape', in: ['m', 't'], out: 'f' },
      { op: 'Gemm', in: ['f', 'v'], out: 'y', with: { transB: 1, alpha: { float: 0.5 } } },
    ],
    tensors: {
      w: floats([2, 1, 2, 2, 2], new Array(16).fill(0.5)),
      b: floats([2], [1, -1]),
      zero: integers(0),
      rest: integers(-1),
      v: floats([2, 8], new Array(16).fill(0.25)),
    },
  })
}

/** The operators whose inputs are lists, names of modes, and constants that become layers. */
function varied(): Uint8Array {
  return buildOnnx({
    input: ['n', 2, 4, 4, 4],
    opset: 18,
    nodes: [
      { op: 'Pad', in: ['x', 'p'], out: 'a', with: { mode: 'reflect' } },
      { op: 'Slice', in: ['a', 's', 'e', 'd', 't'], out: 'b' },
      {
        op: 'Resize',
        in: ['b', '', '', 'r'],
        out: 'c',
        with: { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
      },
      { op: 'Add', in: ['c', 'm'], out: 'f' },
      { op: 'LayerNormalization', in: ['f', 'g'], out: 'h', with: { axis: -1 } },
      { op: 'Gather', in: ['h', 'i'], out: 'j', with: { axis: 2 } },
      { op: 'ReduceLogSumExp', in: ['j', 'k'], out: 'l', with: { keepdims: 0 } },
      { op: 'Mish', in: ['l'], out: 'y' },
    ],
    tensors: {
      p: integers(0, 0, 1, 0, 2, 0, 0, 1, 0, 0),
      s: integers(-1, 0),
      e: integers(-9, 6),
      d: integers(2, 4),
      t: integers(-2, 1),
      r: integers(1, 2, 3, 4, 3),
      m: floats([1, 2, 1, 4, 3], new Array(24).fill(0.5)),
      g: floats([3], [1, 2, 3]),
      i: integers(1, 0, -1),
      k: integers(2, 3, 4),
    },
  })
}

const files: [string, () => Uint8Array, number][] = [
  ['small', small, 2500],
  ['varied', varied, 2500],
  ['zoo', () => exportOnnx(onnxZoo()), 1000],
]

for (const [name, make, count] of files) {
  test(`${count} mutations of ${name} load or are refused`, () => {
    const bytes = make()
    assert.ok(loads(bytes))
    const random = generator(name.length)
    const seen = { loaded: 0, refused: 0 }
    let slowest = 0
    for (let k = 0; k < count; k++) {
      const begin = busy()
      seen[loads(mutate(bytes, random)) ? 'loaded' : 'refused']++
      slowest = Math.max(slowest, busy() - begin)
    }
    assert.ok(seen.refused > count / 4 && seen.loaded > count / 100, JSON.stringify(seen))
    assert.ok(slowest < 2000, `the slowest took ${slowest} ms`)
  })
}

const y = (op: string, more: Partial<ModelSpec['nodes'][0]> = {}) => ({ op, in: ['x'], out: 'y', ...more })
const external = (location: string) => [
  ...integer(1, 2),
  ...integer(2, 1),
  ...block(8, 'w'),
  ...block(13, [...block(1, 'location'), ...block(2, location)]),
  ...integer(14, 1),
]
const times = (location: string): ModelSpec => ({
  nodes: [y('Mul', { in: ['x', 'w'] })],
  rawTensors: [external(location)],
})

const refused: [string, ModelSpec, RegExp][] = [
  [
    'an unknown operator',
    { nodes: [y('Sin')] },
    /"n0" \(Sin\): is not supported \(operator set 18\); supported: .*Conv, .*Relu/,
  ],
  ['a cycle', { nodes: [y('Add', { in: ['x', 'a'] }), y('Relu', { in: ['y'], out: 'a' })] }, /cycle/],
  ['a value nobody makes', { nodes: [y('Add', { in: ['x', 'a'] })] }, /"a", which nothing makes/],
  ['an output nobody makes', { nodes: [y('Relu')], output: ['z'] }, /the graph takes the value "z"/],
  ['a value made twice', { nodes: [y('Relu'), y('Tanh')] }, /"n1" \(Tanh\) makes the value "y"/],
  ['several inputs', { nodes: [y('Relu')], input: { x: [1, 2, 3], z: [1] } }, /2 inputs \(x, z\).*give the values/],
  ['Einsum', { nodes: [y('Einsum', { with: { equation: 'ncdhw->nc' } })] }, /"n0" \(Einsum\): is not supported/],
  [
    'cubic Resize',
    {
      nodes: [y('Resize', { in: ['x', '', '', 's'], with: { mode: 'cubic' } })],
      tensors: { s: integers(1, 2, 3, 3, 3) },
    },
    /mode is "cubic".*supported: linear and nearest/,
  ],
  [
    'an unknown border',
    {
      nodes: [y('Pad', { in: ['x', 's'], with: { mode: 'mirror' } })],
      tensors: { s: integers(...new Array(10).fill(1)) },
    },
    /mode is "mirror"; supported: constant, edge, reflect, wrap/,
  ],
  ['an ArgMax inside', { nodes: [{ op: 'ArgMax', in: ['x'], out: 'a' }, y('Relu', { in: ['a'] })] }, /only at the end/],
  [
    'a row a sample',
    { nodes: [y('Add', { in: ['x', 'c'] })], input: [2, 3], tensors: { c: floats([2, 3], [1, 2, 3, 4, 5, 6]) } },
    /same for all samples/,
  ],
  [
    'a constant of more axes',
    { nodes: [y('Add', { in: ['x', 'c'] })], input: [1, 3], tensors: { c: floats([1, 2, 3], [1, 2, 3, 4, 5, 6]) } },
    /more axes than a batch/,
  ],
  [
    'a gather out of reach',
    { nodes: [y('Gather', { in: ['x', 'i'], with: { axis: 2 } })], tensors: { i: integers(0, 7) } },
    /element 7 of 3/,
  ],
  [
    'a border of billions',
    {
      nodes: [y('Pad', { in: ['x', 's'], with: { mode: 'edge' } })],
      tensors: { s: integers(0, 0, 2 ** 31, 0, 0, 0, 0, 0, 0, 0) },
    },
    /grow far beyond/,
  ],
  [
    'a huge exponent',
    { nodes: [y('Pow', { in: ['x', 'c'] })], tensors: { c: floats([], [1e9]) } },
    /exponent is 1000000000/,
  ],
  [
    'training of a Dropout',
    { nodes: [y('Dropout', { in: ['x', '', 't'] })], tensors: { t: integers(1) } },
    /training mode/,
  ],
  ['several outputs', { nodes: [y('Relu')], output: ['y', 'x'] }, /outputs y, x/],
  ['a negative size', { nodes: [y('Relu')], input: [1, 2, -3, 3, 3] }, /\[1, 2, -3, 3, 3\]/],
  ['an open size', { nodes: [y('Relu')], input: ['n', 1, 'd', 3, 3] }, /\[\?, 1, \?, 3, 3\].*only the batch/],
  ['an old operator set', { nodes: [y('Relu')], opset: 5 }, /operator set is 5/],
  ['a huge shape', { nodes: [y('Relu')], input: [1, 2 ** 20, 2 ** 20, 9, 9] }, /values, more than/],
  ['an output that is the input', { nodes: [y('Identity')] }, /is its input/],
  ['no input needed', { nodes: [y('Constant', { in: [], with: { value_int: 3 } })] }, /does not depend/],
  ['training', { nodes: [y('BatchNormalization', { with: { training_mode: 1 } })] }, /training mode/],
  ['a mixed batch', { nodes: [y('Transpose', { with: { perm: [1, 0, 2, 3, 4] } })] }, /"n0" \(Transpose\)/],
  ['a reshaped batch', { nodes: [y('Reshape', { in: ['x', 's'] })], tensors: { s: integers(2, -1) } }, /stay apart/],
  ['a folder above', times('../secret'), /only a file beside the model/],
  ['a path from the root', times('/etc/passwd'), /only a file beside the model/],
  ['a file that is not there', times('weights.bin'), /"weights.bin", which is not there/],
  [
    'constants that double and double',
    {
      nodes: [
        ...Array.from({ length: 60 }, (_, k) => ({
          op: 'Concat',
          in: [`a${k}`, `a${k}`],
          out: `a${k + 1}`,
          with: { axis: 0 },
        })),
        y('Reshape', { in: ['x', 'a60'] }),
      ],
      tensors: { a0: integers(1, 2, 3) },
    },
    /grow far beyond/,
  ],
  [
    'a constant of a huge shape',
    {
      nodes: [{ op: 'ConstantOfShape', in: ['s'], out: 'a' }, y('Add', { in: ['x', 'a'] })],
      tensors: { s: integers(2 ** 30, 2 ** 20) },
    },
    /grow far beyond/,
  ],
]

for (const [what, spec, message] of refused) {
  test(`${what} is refused by name`, () => {
    assert.throws(
      () => readOnnxGraph(buildOnnx(spec)),
      (e: Error) => e instanceof InputError && message.test(e.message),
    )
  })
}

test('announced lengths and shapes that the bytes do not have are refused', () => {
  const huge = join([...integer(1, 8), Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f)])
  assert.throws(() => importOnnx(huge), /34359738367 bytes is announced where 0 are left/)
  const tensor = [...integer(1, 2 ** 30), ...integer(1, 2 ** 20), ...integer(2, 1), ...block(9, [new Uint8Array(8)])]
  assert.throws(() => readOnnxGraph(buildOnnx({ nodes: [], rawTensors: [tensor] })), /2 values for its shape/)
  const negative = [...integer(1, -2), ...integer(1, -1), ...integer(2, 1), ...block(9, [new Uint8Array(8)])]
  assert.throws(() => readOnnxGraph(buildOnnx({ nodes: [], rawTensors: [negative] })), /shape \[-2, -1\]/)
  const texts = [...integer(1, 1), ...integer(2, 8), ...block(6, 'a')]
  assert.throws(
    () => readOnnxGraph(buildOnnx({ nodes: [], rawTensors: [texts] })),
    /of the type STRING; supported: FLOAT/,
  )
  for (const bytes of [new Uint8Array(0), Uint8Array.of(8), Uint8Array.of(0xff), Uint8Array.of(0x3f, 1, 2)]) {
    assert.throws(
      () => importOnnx(bytes),
      (e: Error) => e instanceof InputError,
    )
  }
})

test.run()
