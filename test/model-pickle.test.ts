/** Pickles and zip archives put together by hand: what is read, and what is refused before it can do harm. */
import { zipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { type PickleHooks, readPickle } from '../src/model/formats/pickle.ts'
import { readTorchFile } from '../src/model/formats/torch-file.ts'
import { torchState } from '../src/model/formats/torch-state.ts'
import { openZip } from '../src/model/formats/zip.ts'
import { busy } from './support/busy.ts'

const test = suite('pickles and archives')

/** Opcodes: texts as their letters, numbers as bytes. */
function pickle(...parts: (string | number)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'number' ? [part] : [...new TextEncoder().encode(part)])),
  )
}

const none: PickleHooks = { global: () => undefined, persistent: () => null }
const read = (...parts: (string | number)[]): unknown => readPickle(pickle(...parts), none).value

function rejects(run: () => unknown, pattern: RegExp): void {
  assert.throws(run, (error: Error) => error instanceof InputError && pattern.test(error.message), `${pattern}`)
}

const short = (text: string) => [0x8c, text.length, text] as const

test('values of every protocol', () => {
  assert.equal(read("(lp0\nI1\naI-2\naL3L\naF1.5\naS'a b'\nap1\n."), [1, -2, 3, 1.5, 'a b'])
  assert.equal(read('(dp0\nVkey\nI01\ns.'), new Map([['key', true]]))
  assert.equal(read(0x80, 2, '(K', 200, 'M', 1, 2, 'J', 254, 255, 255, 255, 't.'), [200, 513, -2])
  assert.is(read(0x80, 2, 0x8a, 3, 1, 2, 3, '.'), 0x030201)
  assert.is(read(0x8a, 2, 0, 0xff, '.'), -256)
  assert.is(read(0x8a, 0, '.'), 0)
  assert.is(read(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'), 0x1950a86a20f9469cfc6cn)
  assert.is(read('G', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, '.'), 1.5)
  assert.equal(
    read(
      0x80,
      4,
      0x95,
      9,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ']',
      0x94,
      '(',
      ...short('é'.normalize()).slice(0, 1),
      2,
      'é',
      0x88,
      'N',
      'e.',
    ),
    ['é', true, null],
  )
  assert.equal(
    read('}(K', 1, 'K', 2, 'K', 3, 'K', 4, 'u.'),
    new Map([
      [1, 2],
      [3, 4],
    ]),
  )
  assert.equal(read('K', 1, 'K', 2, 0x86, 'q', 7, '0h', 7, '.'), [1, 2])
  assert.equal(read('C', 2, 9, 8, '.'), Uint8Array.of(9, 8))
  assert.equal(read('(K', 1, 'K', 2, '1N.'), null)
})

test('nothing is imported, made or called that is not on the list', () => {
  rejects(() => read("cos\nsystem\n(S'true'\ntR."), /wants to import os.system, which is refused/)
  rejects(() => read(0x80, 4, ...short('posix'), ...short('system'), 0x93, '.'), /import posix.system/)
  rejects(() => read("(S'x'\nios\nsystem\n."), /make a os.system/)
  rejects(() => read('(cbuiltins\neval\no.'), /import builtins.eval/)
  rejects(() => read('(No.'), /make an object/)
  rejects(() => read('N)', 0x81, '.'), /make an object/)
  rejects(() => read('N)R.'), /call what is no function/)
  rejects(() => read(']N', 'b.'), /set the state of an object/)
  rejects(() => read(0x82, 1, '.'), /extension/)
  rejects(() => read('Pid\n.'), /by a text id/)
  rejects(() => read(0x97, '.'), /a buffer from elsewhere/)
  // As a checkpoint, in both containers.
  const evil = pickle(0x80, 2, 'cos\nsystem\nq', 0, 'X', 4, 0, 0, 0, 'true', 0x85, 'R.')
  const archive = zipSync({ 'archive/data.pkl': evil, 'archive/version': pickle('3\n') }, { level: 0 })
  rejects(() => loadNetwork(archive, { name: 'evil.pt' }), /evil.pt is not a usable network: .* import os.system/)
  const magic = pickle(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.')
  const stream = Uint8Array.of(...magic, ...pickle(0x80, 2, 'M', 0xe9, 3, '.', 0x80, 2, '}.'), ...evil)
  rejects(() => loadNetwork(stream, { name: 'evil.pth' }), /import os.system/)
  rejects(() => loadNetwork(pickle(0x80, 3, '}.')), /a Python pickle, but no file of torch.save/)
})

test('damage is told apart', () => {
  rejects(() => read('X', 255, 255, 255, 127, 'a'), /starts a value of 2147483647 bytes, past its end/)
  rejects(() => read(0x8d, 255, 255, 255, 255, 255, 255, 255, 255), /past its end/)
  rejects(() => read(0x8b, 255, 0, 0, 0), /integer of 255 bytes/)
  rejects(() => read('.'), /empty stack/)
  rejects(() => read('t.'), /a mark is missing/)
  rejects(() => read('h', 3, '.'), /recalls 3/)
  rejects(() => read(0xfe), /no opcode/)
  rejects(() => read('}(K', 2, 'u.'), /a key has no value/)
  rejects(() => read('Kx'), /truncated/)
  rejects(() => read(0x80, 9, '.'), /protocol 9/)
})

test('files made to keep us busy are refused in good time', () => {
  const start = busy()
  const ordered: PickleHooks = { global: () => () => new Map(), persistent: () => null }
  const times = (count: number, ...parts: (string | number)[]) => {
    const one = pickle(...parts)
    return Uint8Array.from({ length: count * one.length }, (_, k) => one[k % one.length]!)
  }
  const run = (...parts: Uint8Array[]) =>
    readPickle(Uint8Array.from(parts.flatMap((part) => Array.from(part))), ordered)
  // One long list, made into a dictionary again and again.
  const pairs = [pickle(']q', 0, ')0K', 1, 'K', 2, 0x86, 'q', 1, '0('), times(50000, 'h', 1), pickle('e0')]
  rejects(() => run(...pairs, times(50000, 'ca\nb\nh', 0, 0x85, 'R0'), pickle('N.')), /more than 1000000 steps/)
  rejects(() => run(times(1_000_001, ']')), /more than 1000000 steps/)
  rejects(() => run(pickle('T', 0, 0, 32, 0), times(2 ** 21, 0)), /text of 2097152 bytes/)
  // A dictionary whose every wrapper is itself.
  const name = (text: string) => ['X', text.length, 0, 0, 0, text]
  const keys = ['model', 'state_dict', 'net', 'network'].flatMap((key) => [...name(key), 'h', 0])
  const rest = Array.from({ length: 10000 }, (_, k) => ['M', k & 255, k >> 8, 'N']).flat()
  const self = pickle(0x80, 2, '}q', 0, '(', ...keys, ...rest, 'u.')
  rejects(() => loadNetwork(zipSync({ 'a/data.pkl': self }, { level: 0 })), /no state_dict; it holds a dictionary of/)
  assert.ok(busy() - start < 5000)
})

/** A checkpoint {'w': tensor} over a storage of four floats. */
function checkpoint(offset: number, shape: readonly number[], stride: readonly number[], count = 4): Uint8Array {
  const numbers = (list: readonly number[]) => [
    '(',
    ...list.flatMap((n) => ['J', n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24]),
    't',
  ]
  const text = (s: string) => ['X', s.length, 0, 0, 0, s]
  const id = ['(', ...text('storage'), 'ctorch\nFloatStorage\n', ...text('0'), ...text('cpu'), 'K', count, 't']
  const parts = [
    0x80,
    2,
    '}',
    ...text('w'),
    'ctorch._utils\n_rebuild_tensor_v2\n',
    '(',
    ...id,
    'Q',
    'J',
    offset,
    0,
    0,
    0,
    ...numbers(shape),
    ...numbers(stride),
    0x89,
    'ccollections\nOrderedDict\n)R',
    'tR',
    's.',
  ]
  const data = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)
  return zipSync({ 'a/data.pkl': pickle(...parts), 'a/data/0': data }, { level: 0 })
}

test('tensors are views that stay inside their storage', () => {
  const values = (bytes: Uint8Array) => torchState(readTorchFile(bytes)).get('w')
  assert.equal(values(checkpoint(0, [2, 2], [1, 2])), { shape: [2, 2], data: Float32Array.of(1, 3, 2, 4) })
  assert.equal(values(checkpoint(1, [2], [2])), { shape: [2], data: Float32Array.of(2, 4) })
  assert.equal(values(checkpoint(3, [], [])), { shape: [], data: Float32Array.of(4) })
  assert.equal(values(checkpoint(0, [0, 3], [3, 1])), { shape: [0, 3], data: new Float32Array() })
  rejects(() => values(checkpoint(1, [2, 2], [1, 2])), /\[2,2\] with strides \[1,2\] that its storage "0" of 4 values/)
  rejects(() => values(checkpoint(0, [100, 100], [0, 0])), /cannot hold/)
  rejects(() => values(checkpoint(0, [-1], [1])), /no storage, offset, shape or stride/)
  rejects(() => values(checkpoint(0, [5], [1], 9)), /has 16 bytes, but 9 Float values are declared/)
})

test('archives are judged before anything is unpacked', () => {
  const good = zipSync({ 'a/b': new Uint8Array(100), c: Uint8Array.of(1, 2, 3) })
  assert.equal(openZip(good).names, ['a/b', 'c'])
  assert.equal(openZip(good).read('c'), Uint8Array.of(1, 2, 3))
  const changed = (change: (view: DataView, directory: number, bytes: Uint8Array) => void, from = good) => {
    const bytes = from.slice()
    const view = new DataView(bytes.buffer)
    change(view, view.getUint32(bytes.length - 6, true), bytes)
    return bytes
  }
  const bomb = zipSync({ zeros: new Uint8Array(20_000_000) }, { level: 9 })
  rejects(() => openZip(bomb), /would unpack to 20000000/)
  rejects(() => openZip(changed((v, d) => v.setUint32(d + 24, 2 ** 31, true))), /declares 2147483648 bytes/)
  rejects(() => openZip(zipSync({ '../evil': Uint8Array.of(1) })), /unsafe path "..\/evil"/)
  rejects(() => openZip(zipSync({ '/etc/x': Uint8Array.of(1) })), /unsafe path/)
  rejects(
    () => openZip(changed((v) => v.setUint16(v.byteLength - 12, 3, true))),
    /entry 2 of its directory is not there/,
  )
  // The second file is said to be where the first is.
  const second = (v: DataView, d: number) => d + 46 + v.getUint16(d + 28, true) + v.getUint16(d + 30, true)
  rejects(() => openZip(changed((v, d) => v.setUint32(second(v, d) + 42, 0, true))), /overlap/)
  rejects(() => openZip(changed((v, d) => v.setUint16(d + 8, 1, true))), /encrypted/)
  rejects(() => openZip(changed((v, d) => v.setUint16(d + 10, 12, true))), /compressed by method 12/)
  rejects(() => openZip(good.subarray(0, good.length - 5)), /no directory at its end/)
  const wrong = changed((v, d) => v.setUint32(d + 16, 1, true))
  rejects(() => openZip(wrong).read('a/b'), /does not match its checksum/)
})

test.run()
