import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import {
  architectures,
  conv4Fc3,
  conv5Fc3,
  dyrba,
  initialise,
  posterCnn,
  smallCnn,
} from '../src/model/architectures.ts'
import { layerShapes, validateDescription, validateNetwork } from '../src/model/description.ts'
import { summarise } from '../src/model/summary.ts'

const test = suite('network descriptions')

const base = {
  format: 'voxplain-network',
  version: 1,
  name: 'small',
  input: [1, 9, 10, 11],
  output: 'logits',
  layers: [
    { name: 'a', type: 'conv3d', channels: 4, kernel: 3, padding: 1, stride: 2 },
    { name: 'b', type: 'relu' },
    { name: 'c', type: 'conv3d', channels: 4, kernel: [1, 1, 1], bias: false, inputs: ['a'] },
    { name: 'd', type: 'add', inputs: ['b', 'c'] },
    { name: 'e', type: 'globalAvgPool' },
    { name: 'f', type: 'dense', units: 2 },
  ],
}

/** The description with one layer changed. */
function changed(index: number, change: Record<string, unknown>) {
  return { ...base, layers: base.layers.map((l, k) => (k === index ? { ...l, ...change } : l)) }
}

function rejects(json: unknown, pattern: RegExp): void {
  assert.throws(
    () => validateDescription(json),
    (error: Error) => error instanceof InputError && pattern.test(error.message),
    `${pattern}`,
  )
}

test('a description is completed and costs are those computed by hand', () => {
  const description = validateDescription(base)
  const [first] = description.layers
  assert.equal(first, {
    name: 'a',
    type: 'conv3d',
    inputs: ['input'],
    channels: 4,
    kernel: [3, 3, 3],
    stride: [2, 2, 2],
    padding: { front: [1, 1, 1], back: [1, 1, 1] },
    dilation: [1, 1, 1],
    groups: 1,
    bias: true,
  })
  assert.equal(description.recipe.classes, ['class 0', 'class 1'])
  const shapes = layerShapes(description)
  assert.equal(
    shapes.map((s) => s.shape),
    [[4, 5, 5, 6], [4, 5, 5, 6], [4, 5, 5, 6], [4, 5, 5, 6], [4], [2]],
  )
  assert.equal(
    shapes.map((s) => s.parameters),
    [4 * 27 + 4, 0, 16, 0, 0, 10],
  )
  assert.is(shapes[0]!.flops, 600 * (1 + 2 * 27))
  assert.equal(validateDescription(JSON.parse(JSON.stringify(description))), description)
})

test('what is wrong is named', () => {
  rejects(null, /description must be an object/)
  rejects({ ...base, format: 'x' }, /not a network description/)
  rejects({ ...base, version: 2 }, /version 2/)
  rejects({ ...base, input: [1, 9, 10] }, /input must be a list of 4/)
  rejects({ ...base, input: [1, 2 ** 20, 2 ** 20, 2 ** 20] }, /too large/)
  rejects({ ...base, layers: [] }, /layers: 1 to/)
  rejects({ ...base, output: 'probabilities' }, /needs a softmax/)
  rejects(changed(1, { type: 'swish' }), /"b" has the unknown type "swish"; supported: abs, add, .*transpose/)
  rejects(changed(1, { type: 'constructor' }), /unknown type "constructor"/)
  rejects(changed(1, { slope: 1 }), /layer "b" \(relu\): has no attribute "slope"/)
  rejects(changed(0, { kernel: [3, 3] }), /layer "a" \(conv3d\): kernel must be a list of 3/)
  rejects(changed(0, { kernel: 0 }), /kernel\[0\] must be an integer from 1/)
  rejects(changed(0, { kernel: 12, padding: 0 }), /window of 12x12x12 does not fit into \[1, 9, 10, 11\]/)
  rejects(changed(0, { groups: 3 }), /3 groups divide neither 1 input nor 4 output/)
  rejects(changed(0, { channels: 2 ** 24 }), /more than 1073741824/)
  rejects(changed(1, { name: 'a' }), /"a" is taken/)
  rejects(changed(1, { name: 'input' }), /"input" is taken/)
  rejects(changed(1, { inputs: ['d'] }), /input "d" is no earlier layer/)
  rejects(changed(1, { inputs: ['b'] }), /input "b" is no earlier layer/)
  rejects(changed(1, { inputs: ['a', 'a'] }), /takes 1 input, got 2/)
  rejects(changed(2, { channels: 3 }), /layer "d" \(add\): its inputs .* do not broadcast/)
  rejects(changed(4, { type: 'relu' }), /takes \[F\], got \[4, 5, 5, 6\]: flatten first/)
  rejects(changed(5, { units: 1 }), /one number for each of two or more classes/)
  rejects({ ...base, recipe: { axes: ['x', 'x', 'z'], scaling: 'none', classes: ['A', 'B'] } }, /x, y and z once each/)
  rejects(
    { ...base, recipe: { axes: ['x', 'y', 'z'], scaling: 'none', classes: ['A', 'B', 'C'] } },
    /names 3 classes \(A, B, C\), but the network has 2/,
  )
})

test('weights must be those that the layers need', () => {
  const { description, weights } = initialise(validateDescription(base), 1)
  assert.equal(
    [...validateNetwork(description, weights).weights.keys()],
    ['a.weight', 'a.bias', 'c.weight', 'f.weight', 'f.bias'],
  )
  const attempt = (name: string, weight: { shape: number[]; data: Float32Array } | undefined, pattern: RegExp) => {
    const other = new Map(weights)
    if (weight) other.set(name, weight)
    else other.delete(name)
    assert.throws(
      () => validateNetwork(description, other),
      (error: Error) => error instanceof InputError && pattern.test(error.message),
    )
  }
  attempt('f.bias', undefined, /"f.bias" \[2\] are missing/)
  attempt(
    'f.bias',
    { shape: [3], data: new Float32Array(3) },
    /"f.bias" have the shape \[3\], but the layer needs \[2\]/,
  )
  attempt('f.bias', { shape: [2], data: Float32Array.of(0, Number.NaN) }, /"f.bias" hold NaN at position 1/)
  attempt('g.bias', { shape: [2], data: new Float32Array(2) }, /"g.bias" belong to no layer/)
})

test('known architectures have their published sizes', () => {
  const inputShape = [1, 121, 145, 121]
  const five = summarise({ description: conv5Fc3({ inputShape, classes: ['CN', 'AD'] }) })
  const pools = five.layers.filter((l) => l.type === 'maxPool3d').map((l) => l.shape.slice(1))
  assert.equal(pools, [
    [61, 73, 61],
    [31, 37, 31],
    [16, 19, 16],
    [8, 10, 8],
    [4, 5, 4],
  ])
  const convolutions = [8, 16, 32, 64, 128].reduce((sum, c, k) => sum + c * ((k === 0 ? 1 : c / 2) * 27 + 1) + 2 * c, 0)
  assert.is(five.parameters, convolutions + 10240 * 1300 + 1300 + 1300 * 50 + 50 + 50 * 2 + 2)
  const names = five.layers.filter((l) => l.parameters > 0).map((l) => l.name)
  assert.equal(names.slice(0, 3), ['convolutions.0', 'convolutions.1', 'convolutions.4'])
  assert.equal(names.slice(-3), ['fc.2', 'fc.4', 'fc.6'])
  const four = summarise({ description: conv4Fc3({ inputShape }) })
  assert.equal(
    four.layers.filter((l) => l.type === 'dense').map((l) => l.shape[0]),
    [50, 40, 2],
  )
  const dyrbaNet = summarise({ description: dyrba({ inputShape: [1, 100, 120, 100] }) })
  assert.is(dyrbaNet.layers.find((l) => l.type === 'flatten')!.shape[0], 5 * 12 * 15 * 12)
  assert.ok(Math.abs(dyrbaNet.parameters - 695000) < 1000, `${dyrbaNet.parameters}`)
  const poster = posterCnn({ inputShape, channels: [4, 8], hidden: [16], dropout: 0.79 })
  assert.is(poster.layers.filter((l) => l.type === 'leakyRelu').length, 3)
  assert.throws(() => smallCnn({ inputShape: [1, 7, 20, 20] }), /too small for 3 halvings/)
  assert.is(Object.keys(architectures).length, 7)
})

test('initial weights follow PyTorch and depend on seed and name only', () => {
  const description = smallCnn({ inputShape: [1, 16, 16, 16] })
  const a = initialise(description, 7).weights
  const b = initialise(description, 7).weights
  const c = initialise(description, 8).weights
  for (const [name, { data }] of a) assert.equal(data, b.get(name)!.data)
  assert.not.equal(a.get('conv1.weight')!.data, c.get('conv1.weight')!.data)
  const bound = 1 / Math.sqrt(8 * 27)
  const { data } = a.get('conv2.weight')!
  const largest = Math.max(...data.map(Math.abs))
  assert.ok(largest <= bound && largest > 0.98 * bound)
  const variance = data.reduce((s, v) => s + v * v, 0) / data.length
  assert.ok(Math.abs(variance / (bound ** 2 / 3) - 1) < 0.1, 'uniform variance')
  assert.ok(
    a.get('norm1.weight')!.data.every((v) => v === 1) && a.get('norm1.running_mean')!.data.every((v) => v === 0),
  )
})

test.run()
