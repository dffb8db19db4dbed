import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { initialise, smallCnn } from '../src/model/architectures.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { readSafetensors, writeSafetensors } from '../src/model/formats/safetensors.ts'
import { builtinRecipes } from '../src/model/recipe/recipe.ts'

const test = suite('safetensors and the network format')

/** A file put together by hand. */
function file(header: unknown, data: readonly number[], length?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? json.length), true)
  bytes.set(json, 8)
  bytes.set(data, 8 + json.length)
  return bytes
}

function rejects(bytes: Uint8Array, pattern: RegExp, read: (b: Uint8Array) => unknown = readSafetensors): void {
  assert.throws(
    () => read(bytes),
    (error: Error) => error instanceof InputError && pattern.test(error.message),
    `${pattern}`,
  )
}

test('arrays and metadata come back, and the layout is that of the specification', () => {
  const array = fc
    .tuple(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), fc.integer())
    .map(([shape, seed]) => ({
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => Math.sin(seed + k)),
    }))
  const contents = fc.record({
    tensors: fc
      .dictionary(fc.string(), array, { maxKeys: 5 })
      .map((d) => new Map(Object.entries(d).filter(([k]) => k !== '__metadata__'))),
    metadata: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
  })
  fc.assert(
    fc.property(contents, (given) => {
      const bytes = writeSafetensors(given)
      const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
      assert.is(length % 8, 0)
      const read = readSafetensors(bytes)
      assert.equal(read.metadata, { ...given.metadata })
      // JSON objects put integer-like names first; a map by name does not care.
      for (const [name, weight] of given.tensors) assert.equal(read.tensors.get(name), weight)
      assert.is(read.tensors.size, given.tensors.size)
    }),
    { seed: 4, numRuns: 100 },
  )
})

test('every element type is read', () => {
  const cases: [string, number[], number[]][] = [
    ['F64', [0, 0, 0, 0, 0, 0, 0xf8, 0x3f], [1.5]],
    ['F32', [0, 0, 0x20, 0xc0], [-2.5]],
    ['F16', [0, 0x3e, 1, 0, 0, 0xfc, 0xff, 0x7b], [1.5, 2 ** -24, Number.NEGATIVE_INFINITY, 65504]],
    ['BF16', [0xc0, 0x3f, 0x80, 0xff], [1.5, Number.NEGATIVE_INFINITY]],
    ['I64', [0xfe, 255, 255, 255, 255, 255, 255, 255], [-2]],
    ['I32', [0xfd, 255, 255, 255], [-3]],
    ['U16', [1, 2], [513]],
    ['I8', [0x80], [-128]],
    ['BOOL', [1, 0], [1, 0]],
  ]
  for (const [dtype, bytes, expected] of cases) {
    const shape = [expected.length]
    const { tensors } = readSafetensors(file({ a: { dtype, shape, data_offsets: [0, bytes.length] } }, bytes))
    assert.equal(tensors.get('a'), { shape, data: Float32Array.from(expected) }, dtype)
  }
})

test('damaged files are refused', () => {
  const a = { dtype: 'F32', shape: [1], data_offsets: [0, 4] }
  rejects(new Uint8Array(5), /only 5 bytes/)
  rejects(file({ a }, [0, 0, 0, 0], 2 ** 50), /header claims 1125899906842624 bytes/)
  rejects(file({ a }, [0, 0, 0, 0], 500), /header claims 500 bytes/)
  rejects(file('{"a":', []), /not JSON/)
  rejects(file('[]', []), /must be an object/)
  rejects(file({ a }, [0, 0, 0]), /take 4 bytes, but 3 follow/)
  rejects(file({ a }, [0, 0, 0, 0, 0]), /take 4 bytes, but 5 follow/)
  rejects(
    file({ a, b: { ...a, data_offsets: [2, 6] } }, [0, 0, 0, 0, 0, 0]),
    /"b" starts at byte 2 where 4 was expected/,
  )
  rejects(file({ a, b: { ...a, data_offsets: [5, 9] } }, new Array(9).fill(0)), /overlap or leave a gap/)
  rejects(file({ a: { ...a, shape: [2] } }, [0, 0, 0, 0]), /takes 8 bytes, but its range is 0 to 4/)
  rejects(file({ a: { ...a, shape: [-1] } }, [0, 0, 0, 0]), /from 0 to/)
  rejects(file({ a: { ...a, shape: [1e15] } }, [0, 0, 0, 0]), /takes 4000000000000000 bytes/)
  rejects(file({ a: { ...a, dtype: 'F8_E4M3' } }, [0]), /element type "F8_E4M3"; supported: F64/)
  rejects(file({ __metadata__: { x: 1 } }, []), /"x" must be a text/)
})

const network = initialise(smallCnn({ inputShape: [1, 16, 17, 18], classes: ['CN', 'AD'] }), 3)

test('a network comes back whole, and saving it again gives the same bytes', () => {
  const bytes = saveNetwork(network)
  const loaded = loadNetwork(bytes)
  assert.equal(loaded.description, network.description)
  assert.equal([...loaded.weights], [...network.weights])
  assert.equal(saveNetwork(loaded), bytes)
  // From a larger buffer, at an odd offset.
  const shifted = new Uint8Array(bytes.length + 3)
  shifted.set(bytes, 3)
  assert.equal(loadNetwork(shifted.subarray(3)).description, network.description)
  const recipe = { ...builtinRecipes.visualaid, classes: ['a', 'b'] }
  assert.equal(loadNetwork(bytes, { recipe }).description.recipe, recipe)
})

test('other formats are refused by name', () => {
  const load = (bytes: Uint8Array) => loadNetwork(bytes, { name: 'net.bin' })
  const text = (start: number[], body = '') => Uint8Array.of(...start, ...new TextEncoder().encode(body))
  rejects(text([]), /net.bin is not a usable network: it is empty; supported: voxplain/, load)
  rejects(text([0x50, 0x4b, 3, 4], 'xx config.json model.weights.h5'), /zip archive is truncated/, load)
  rejects(text([0x50, 0x4b, 3], 'archive/data.pkl'), /it is a zip archive, not a network/, load)
  rejects(text([0x80, 2]), /pickle/, load)
  rejects(text([0x1f, 0x8b]), /gzip/, load)
  rejects(text([0x5c, 1, 0, 0]), /NIfTI volume/, load)
  rejects(text([], 'hello, this is no network'), /format is not known/, load)
  rejects(
    writeSafetensors({ tensors: network.weights, metadata: {} }),
    /arrays \(conv1.weight, .* are of no architecture/,
    load,
  )
  rejects(writeSafetensors({ tensors: network.weights, metadata: { voxplain: '{' } }), /description is not JSON/, load)
  const { description } = network
  const fewer = new Map([...network.weights].slice(1))
  rejects(saveNetwork({ description, weights: fewer }), /"conv1.weight" \[8, 1, 3, 3, 3\] are missing/, load)
  const three = { ...builtinRecipes.visualaid, classes: ['a', 'b', 'c'] }
  rejects(saveNetwork(network), /names 3 classes/, (b) => loadNetwork(b, { recipe: three }))
})

test('any damage to a file gives an InputError or a valid network', () => {
  const bytes = saveNetwork(initialise(smallCnn({ inputShape: [1, 8, 8, 8] }), 1))
  const damage = fc.record({
    length: fc.oneof(fc.constant(bytes.length), fc.nat(bytes.length)),
    flips: fc.array(fc.tuple(fc.nat(Math.min(4000, bytes.length - 1)), fc.nat(255)), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(damage, ({ length, flips }) => {
      const damaged = bytes.slice(0, length)
      for (const [at, value] of flips) if (at < length) damaged[at] = value
      try {
        loadNetwork(damaged)
      } catch (error) {
        assert.instance(error, InputError)
      }
    }),
    { seed: 5, numRuns: 150 },
  )
})

test.run()
