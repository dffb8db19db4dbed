import { gzipSync } from 'fflate'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { readVolume } from '../src/io/nifti.ts'
import { buildNifti } from './io-nifti-build.ts'
import { busy } from './support/busy.ts'

function refuses(bytes: Uint8Array, pattern: RegExp, options = {}) {
  try {
    readVolume(bytes, options)
  } catch (error) {
    assert.instance(error, InputError)
    assert.match((error as Error).message, pattern)
    assert.not.match((error as Error).message, /\n/)
    return
  }
  assert.unreachable(`was read, should be refused with ${pattern}`)
}

test('what is not one usable volume is refused in a clear sentence', () => {
  const sform = { code: 1, rows: new Array(12).fill(0) }
  refuses(new Uint8Array(0), /empty/)
  refuses(new TextEncoder().encode('participant_id\tage\n'), /not a NIfTI file/)
  refuses(new Uint8Array(4000), /not a NIfTI file/)
  refuses(buildNifti().subarray(0, 200), /truncated: 200 bytes/)
  refuses(buildNifti().subarray(0, 360), /truncated.*2 x 2 x 2 voxels of float32 \(32 bytes/)
  refuses(buildNifti({ dims: [2, 2, 2, 3] }), /holds 3 volumes/)
  refuses(buildNifti({ dims: [4, 4] }), /2 dimensions, need 3/)
  refuses(buildNifti({ dims: [2, -2, 2], values: [] }), /dimensions 2 x -2 x 2/)
  refuses(buildNifti({ dims: [2, 0, 2] }), /dimensions 2 x 0 x 2/)
  refuses(buildNifti({ dims: [30000, 30000, 30000], values: [] }), /truncated/)
  refuses(buildNifti({ version: 2, dims: [2 ** 40, 2 ** 20, 3], values: [] }), /truncated/)
  refuses(buildNifti({ version: 2, littleEndian: false, dims: [-1, 2, 2], values: [] }), /dimensions -1 x 2 x 2/)
  refuses(buildNifti({ datatype: 32 }), /complex64/)
  refuses(buildNifti({ datatype: 128 }), /RGB/)
  refuses(buildNifti({ datatype: 77 }), /77 is not a NIfTI datatype/)
  refuses(buildNifti({ offset: 100 }), /byte 100/)
  refuses(buildNifti({ slope: 2, intercept: Number.NaN }), /intercept is NaN/)
  refuses(buildNifti({ sform }), /sform/)
  refuses(buildNifti({ qform: { code: 1, quaternion: [3, 0, 0, 0, 0, 0] } }), /qform/)
  refuses(buildNifti({ dims: [40, 40, 40] }), /limit of 1000/, { maxBytes: 1000 })
  refuses(new Uint8Array(3), /scan\.nii is not a NIfTI/, { name: 'scan.nii' })
  const pair = buildNifti()
  pair.set([0x6e, 0x69, 0x31], 344)
  refuses(pair, /\.hdr half/)
  pair.fill(0, 344, 348)
  refuses(pair, /Analyze/)
})

test('a zero beyond the third dimension means one, as in the reference library', () => {
  const bytes = buildNifti({ dims: [2, 2, 2, 1] })
  new DataView(bytes.buffer).setInt16(48, 0, true)
  assert.equal(readVolume(bytes).shape, [2, 2, 2])
})

test('a header extension of negative size neither hangs nor matters', () => {
  const bytes = buildNifti({ offset: 400 })
  bytes[348] = 1
  new DataView(bytes.buffer).setInt32(352, -16, true)
  assert.is(readVolume(bytes).data[7], 7)
})

test('gzip: truncation and damage are found, padding and several members are read', () => {
  const plain = buildNifti({ dims: [9, 9, 9], values: Array.from({ length: 729 }, (_, n) => Math.sin(n * n)) })
  const whole = gzipSync(plain)
  for (const share of [0.02, 0.3, 0.8, 0.99]) {
    refuses(whole.subarray(0, Math.floor(whole.length * share)), /gzip|truncated|not a NIfTI/)
  }
  refuses(whole.subarray(0, whole.length - 5), /gzip/)
  const damaged = whole.slice()
  damaged[whole.length - 6]! ^= 1
  refuses(damaged, /checksum/)
  const expected = readVolume(plain).data
  const padded = new Uint8Array(whole.length + 512)
  padded.set(whole)
  assert.equal(readVolume(padded).data, expected)
  const parts = [gzipSync(plain.subarray(0, 500)), gzipSync(plain.subarray(500))]
  const members = new Uint8Array(parts[0]!.length + parts[1]!.length)
  members.set(parts[0]!)
  members.set(parts[1]!, parts[0]!.length)
  assert.equal(readVolume(members).data, expected)
})

test('gzip bombs: no more is decompressed than the header needs', () => {
  // 2 GiB of zeros behind a small volume would take seconds and memory; the volume alone takes neither.
  const bomb = gzipSync(new Uint8Array(64 << 20), { level: 1 })
  const head = gzipSync(buildNifti())
  const file = new Uint8Array(head.length + 32 * bomb.length)
  file.set(head)
  for (let n = 0; n < 32; n++) file.set(bomb, head.length + n * bomb.length)
  const start = busy()
  assert.is(readVolume(file).data[7], 7)
  assert.ok(busy() - start < 1000, 'decompressed far too much')
  // A header that claims more than deflate could ever expand to is refused before memory is asked for.
  refuses(gzipSync(buildNifti({ dims: [30000, 30000, 3000], values: [] })), /truncated/)
  refuses(gzipSync(new Uint8Array(8 << 20)), /not a NIfTI/)
})

/** Small, fast, seeded random numbers (mulberry32). */
function random(seed: number) {
  let state = seed
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

test('1600 mutated files: each is refused with an InputError or is a sound volume, quickly', () => {
  const pick = random(42)
  const sform = { code: 1, rows: [2, 0, 0, -5, 0, 2, 0, 7, 0, 0, 3, 1] }
  const qform = { code: 1, quaternion: [0.1, 0.2, 0.3, 1, 2, 3] }
  const plain = ([1, 2] as const).flatMap((version) => [
    buildNifti({ version, dims: [5, 4, 3], sform }),
    buildNifti({ version, dims: [5, 4, 3], littleEndian: false, datatype: 4, qform, slope: 2 }),
  ])
  const seeds = [...plain, ...plain.map((bytes) => gzipSync(bytes))]
  let read = 0
  const start = busy()
  for (let run = 0; run < 1600; run++) {
    let bytes = seeds[run % seeds.length]!.slice()
    for (let change = pick(4); change >= 0; change--) {
      // Half of the changes hit the fields that say how to read the file.
      const at = pick(2) ? pick(bytes.length) : pick(Math.min(130, bytes.length))
      const kind = pick(5)
      if (kind === 0) bytes[at] = pick(256)
      else if (kind === 1) bytes[at]! ^= 1 << pick(8)
      else if (kind === 2) bytes[at] = [0, 255, 127, 128][pick(4)]!
      else if (kind === 3) bytes = bytes.slice(0, Math.max(1, at))
      else bytes.copyWithin(at, pick(bytes.length), pick(bytes.length))
    }
    try {
      const volume = readVolume(bytes)
      read++
      assert.is(volume.data.length, volume.shape[0] * volume.shape[1] * volume.shape[2])
      assert.ok(volume.affine.length === 16 && volume.affine.every(Number.isFinite))
    } catch (error) {
      if (!(error instanceof InputError)) throw new Error(`run ${run}: ${error}`, { cause: error })
      assert.ok(error.message.length > 10 && !error.message.includes('\n'))
    }
  }
  assert.ok(read > 50, `only ${read} were read: the mutations are too strong to test much`)
  assert.ok(busy() - start < 10000, 'took more than 10 s')
})

test.run()
