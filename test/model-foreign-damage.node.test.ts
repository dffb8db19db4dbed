/** Thousands of damaged files of each foreign format: a network, or one InputError, soon and without much memory. */
import { readFile } from 'node:fs/promises'
import { unzipSync, zipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { importTfjs, tfjsPaths } from '../src/model/formats/tfjs.ts'
import { busy } from './support/busy.ts'
import { tfjsOf } from './support/tfjs.ts'

const test = suite('damaged foreign networks')

const fixture = async (name: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(new URL(`fixtures/model/${name}`, import.meta.url)))

const RUNS = 2500
/** One load on a busy machine. */
const LONGEST = 5000
/** The files have less than 100 kB; what a load may ask for besides is small change. */
const MOST_MEMORY = 2 ** 26

function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Bytes changed, cut off, doubled or set to extremes. */
function damage(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  const result = bytes.slice()
  const kind = random(10)
  if (kind === 0) return result.subarray(0, random(bytes.length))
  if (kind === 1) {
    const at = random(bytes.length)
    return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(random(at + 1)))
  }
  for (let k = random(4); k >= 0; k--) {
    const at = random(bytes.length)
    if (kind < 6) result[at] = random(256)
    else if (kind < 8) result[at]! ^= 1 << random(8)
    else result.fill(random(2) * 255, at, at + 1 + random(8))
  }
  return result
}

interface Count {
  loaded: number
  refused: number
}

function survive(run: (k: number) => unknown, count: Count, k: number): void {
  const start = busy()
  const before = process.memoryUsage().arrayBuffers
  try {
    run(k)
    count.loaded++
  } catch (error) {
    assert.instance(error, InputError, `run ${k}: ${error instanceof Error ? error.stack : error}`)
    count.refused++
  }
  assert.ok(busy() - start < LONGEST, `run ${k} took ${busy() - start} ms`)
  assert.ok(process.memoryUsage().arrayBuffers - before < MOST_MEMORY, `run ${k} held much memory`)
}

function check(count: Count): void {
  assert.is(count.loaded + count.refused, RUNS)
  assert.ok(count.refused > RUNS / 10, `only ${count.refused} refused`)
  assert.ok(count.loaded > 0, 'none loaded: the damage is all of one kind')
}

const shape = { inputShape: [1, 7, 9, 6] }

for (const name of ['torch_clinicadl.pth.tar', 'torch_legacy.pth']) {
  test(`${name}: whole files`, async () => {
    const bytes = await fixture(name)
    const random = generator(name.length)
    const count = { loaded: 0, refused: 0 }
    for (let k = 0; k < RUNS; k++) survive(() => loadNetwork(damage(bytes, random), shape), count, k)
    check(count)
  })
}

test('the pickle inside a PyTorch archive', async () => {
  const files = unzipSync(await fixture('torch_half.pt'))
  const name = Object.keys(files).find((file) => file.endsWith('data.pkl'))!
  const random = generator(3)
  const count = { loaded: 0, refused: 0 }
  for (let k = 0; k < RUNS; k++) {
    const bytes = zipSync({ ...files, [name]: damage(files[name]!, random) }, { level: 0 })
    survive(() => loadNetwork(bytes, shape), count, k)
  }
  check(count)
})

test('a Keras archive: whole files, and the files inside', async () => {
  const bytes = await fixture('keras_sequential.keras')
  const files = unzipSync(bytes)
  const random = generator(4)
  const count = { loaded: 0, refused: 0 }
  for (let k = 0; k < RUNS; k++) {
    const name = k % 3 === 0 ? undefined : k % 3 === 1 ? 'config.json' : 'model.weights.h5'
    const damaged = name
      ? zipSync({ ...files, [name]: damage(files[name]!, random) }, { level: 0 })
      : damage(bytes, random)
    survive(() => loadNetwork(damaged), count, k)
  }
  check(count)
})

test('a TensorFlow.js model: its JSON and its weights', async () => {
  const { json, files } = tfjsOf(await fixture('keras2_binary.hdf5'), 'uint8')
  const text = new TextEncoder().encode(JSON.stringify(json))
  const random = generator(5)
  const count = { loaded: 0, refused: 0 }
  for (let k = 0; k < RUNS; k++) {
    const model = k % 2 ? damage(text, random) : text
    const weights = new Map([...files].map(([name, data]) => [name, k % 2 ? data : damage(data, random)]))
    let parsed: unknown
    try {
      parsed = JSON.parse(new TextDecoder().decode(model))
    } catch {
      count.refused++
      continue
    }
    const load = () => {
      for (const path of tfjsPaths(parsed)) if (!weights.has(path)) throw new InputError('missing')
      return importTfjs({ json: parsed, file: (name) => weights.get(name)! })
    }
    survive(load, count, k)
  }
  check(count)
})

test.run()
