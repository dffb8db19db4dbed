import fc from 'fast-check'
import { gzipSync } from 'fflate'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { countNonFinite, readVolume, writeVolume } from '../src/io/nifti.ts'
import { buildNifti, type Recipe, WRITERS } from './io-nifti-build.ts'

const SEED = { seed: 20240611 }

const close = (a: readonly number[], b: readonly number[], tolerance: number) => {
  assert.is(a.length, b.length)
  a.forEach((x, n) => {
    assert.ok(Math.abs(x - b[n]!) <= tolerance, `entry ${n}: ${x} is not ${b[n]}`)
  })
}

/** Rotation by angle around an axis (Rodrigues), row-major 3x3, and the quaternion b, c, d for it with a >= 0. */
function rotation(axis: number[], angle: number) {
  const length = Math.hypot(...axis)
  const [x, y, z] = axis.map((v) => v / length) as [number, number, number]
  const [c, s] = [Math.cos(angle), Math.sin(angle)]
  const t = 1 - c
  const matrix = [
    [c + x * x * t, x * y * t - z * s, x * z * t + y * s],
    [y * x * t + z * s, c + y * y * t, y * z * t - x * s],
    [z * x * t - y * s, z * y * t + x * s, c + z * z * t],
  ]
  const sign = Math.cos(angle / 2) < 0 ? -1 : 1
  return { matrix, quaternion: [x, y, z].map((v) => sign * v * Math.sin(angle / 2)) }
}

const anyRotation = fc
  .tuple(
    fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
    fc.oneof(fc.constantFrom(0, Math.PI / 2, Math.PI, -Math.PI / 2), fc.double({ min: -3.1, max: 3.1, noNaN: true })),
  )
  .filter(([axis]) => Math.hypot(...axis) > 0.1)
const anySize = fc.array(fc.double({ min: 0.3, max: 4, noNaN: true }), { minLength: 3, maxLength: 3 })
const anyOffset = fc.array(fc.double({ min: -200, max: 200, noNaN: true }), { minLength: 3, maxLength: 3 })
const anyShape = fc.tuple(
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: 1, max: 5 }),
)

/** Stored range of each integer type. */
const RANGES: Record<number, [bigint, bigint]> = {
  2: [0n, 255n],
  4: [-32768n, 32767n],
  8: [-(2n ** 31n), 2n ** 31n - 1n],
  256: [-128n, 127n],
  512: [0n, 65535n],
  768: [0n, 2n ** 32n - 1n],
  1024: [-(2n ** 63n), 2n ** 63n - 1n],
  1280: [0n, 2n ** 64n - 1n],
}

const anyFile = anyShape.chain((shape) => {
  const n = shape[0] * shape[1] * shape[2]
  return fc.constantFrom(...Object.keys(WRITERS).map(Number)).chain((datatype) => {
    const range = RANGES[datatype]
    const value = range
      ? fc.bigInt(range[0], range[1])
      : datatype === 16
        ? fc.float({ noNaN: true, min: -1e6, max: 1e6 })
        : fc.double({ noNaN: true, min: -1e6, max: 1e6 })
    return fc.record({
      dims: fc.constantFrom<number[]>([...shape], [...shape, 1], [...shape, 1, 1]),
      datatype: fc.constant(datatype),
      values: fc.array(value as fc.Arbitrary<number | bigint>, { minLength: n, maxLength: n }),
      version: fc.constantFrom(1, 2) as fc.Arbitrary<1 | 2>,
      littleEndian: fc.boolean(),
      slope: fc.constantFrom(0, 1, 0.5, -2, Number.NaN),
      intercept: fc.constantFrom(0, 3, -0.25),
      offset: fc.constantFrom(undefined, 0, 640),
      gzip: fc.boolean(),
    })
  })
})

test('every type, byte order, version, scaling, and offset is read to float32 precision', () => {
  fc.assert(
    fc.property(anyFile, ({ gzip, ...recipe }) => {
      const rows = [2, 0, 0, -5, 0, 2, 0, 7, 0, 0, 3, 1]
      const plain = buildNifti({ ...recipe, sform: { code: 4, rows } } satisfies Recipe)
      const volume = readVolume(gzip ? gzipSync(plain) : plain)
      assert.equal([...volume.shape], recipe.dims.slice(0, 3))
      close(volume.affine, [...rows, 0, 0, 0, 1], 0)
      const scaled = Number.isFinite(recipe.slope) && recipe.slope !== 0
      recipe.values.forEach((stored, n) => {
        const value = Number(stored) * (scaled ? recipe.slope : 1) + (scaled ? recipe.intercept : 0)
        assert.is(volume.data[n]! + 0, Math.fround(value) + 0, `voxel ${n}`)
      })
    }),
    { ...SEED, numRuns: 300 },
  )
})

test('writing and reading back keeps shape, values, and any affine to float32 precision', () => {
  const property = fc.property(
    anyShape,
    anyRotation,
    anySize,
    fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
    anyOffset,
    fc.boolean(),
    fc.boolean(),
    (shape, [axis, angle], size, flips, offset, sheared, gzip) => {
      const { matrix } = rotation(axis, angle)
      const affine = matrix.flatMap((row, r) => [...row.map((v, c) => v * size[c]! * (flips[c] ? -1 : 1)), offset[r]!])
      if (sheared) affine[1] = affine[1]! + 0.05
      affine.push(0, 0, 0, 1)
      const data = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, n) => Math.sin(n) * 1e3)
      const bytes = writeVolume({ shape, data, affine }, { gzip })
      const back = readVolume(bytes)
      assert.equal(back.shape, shape)
      assert.equal(back.data, data)
      assert.equal(back.affine, affine.map(Math.fround))
      assert.is(back.nifti.sformCode, 2)
      if (sheared && Math.abs(matrix[0]![0]!) > 0.5) assert.is(back.nifti.qformCode, 0)
      if (gzip || back.nifti.qformCode === 0) {
        if (!sheared && !gzip) assert.unreachable('a rotation must have a qform')
        return
      }
      // Without its sform the file must say the same through the qform. The quaternion's a is only implied by the
      // others in float32, which costs precision near half turns.
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      view.setInt16(254, 0, true)
      close(readVolume(bytes).affine, affine, 5e-3)
    },
  )
  fc.assert(property, { ...SEED, numRuns: 300 })
})

test('a qform is decoded with its qfac, in both versions and byte orders', () => {
  fc.assert(
    fc.property(
      anyRotation,
      anySize,
      anyOffset,
      fc.constantFrom(-1, 0, 1),
      fc.constantFrom(1, 2),
      fc.boolean(),
      ([axis, angle], size, offset, qfac, version, littleEndian) => {
        const { matrix, quaternion } = rotation(axis, angle)
        const bytes = buildNifti({
          version: version as 1 | 2,
          littleEndian,
          pixdim: [qfac, ...size],
          qform: { code: 1, quaternion: [...quaternion, ...offset] },
          // Left over from another tool, without a code: must be ignored.
          sform: { code: 0, rows: [9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0] },
        })
        const scale = [size[0]!, size[1]!, size[2]! * (qfac < 0 ? -1 : 1)]
        const expected = matrix.flatMap((row, r) => [...row.map((v, c) => v * scale[c]!), offset[r]!])
        close(readVolume(bytes).affine, [...expected, 0, 0, 0, 1], version === 1 ? 5e-3 : 2e-5)
      },
    ),
    { ...SEED, numRuns: 200 },
  )
})

test('the sform wins over a qform with a higher code; voxel sizes serve when there is neither', () => {
  const rows = [0, 2, 0, 1, -2, 0, 0, 2, 0, 0, 2, 3]
  for (const version of [1, 2] as const) {
    const qform = { code: 4, quaternion: [0, 0, 0, 50, 60, 70] }
    close(readVolume(buildNifti({ version, sform: { code: 1, rows }, qform })).affine, [...rows, 0, 0, 0, 1], 0)
    const bare = readVolume(buildNifti({ version, pixdim: [1, 1.5, -2, 0] }))
    close(bare.affine, [1.5, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], 0)
    // Without a code the copy lies over the original in every program, whatever it makes of voxel sizes alone.
    const copy = readVolume(writeVolume(bare))
    assert.equal([copy.nifti.sformCode, copy.nifti.qformCode, copy.affine], [0, 0, bare.affine])
    const moved = bare.affine.with(3, 5)
    assert.equal(readVolume(writeVolume({ ...bare, affine: moved })).affine, moved)
  }
})

test('metres and micrometres become millimetres', () => {
  const sform = { code: 1, rows: [1, 0, 0, 4, 0, 1, 0, 5, 0, 0, 1, 6] }
  close(readVolume(buildNifti({ sform, units: 1 })).affine.slice(0, 4), [1000, 0, 0, 4000], 0)
  close(readVolume(buildNifti({ sform, units: 3 + 8 })).affine.slice(4, 8), [0, 0.001, 0, 0.005], 1e-12)
})

test('the code of the space travels from the file read to the file written', () => {
  const sform = { code: 4, rows: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] }
  const read = readVolume(buildNifti({ sform, description: 'made by hand', datatype: 4 }))
  assert.is(read.nifti.description, 'made by hand')
  assert.is(read.nifti.datatype, 'int16')
  const again = readVolume(writeVolume({ ...read, data: read.data.map((v) => 2 * v) }, { description: 'gr\u00fcn' }))
  assert.is(again.nifti.sformCode, 4)
  assert.is(again.nifti.qformCode, 4)
  assert.is(again.nifti.description, 'gr?n')
})

test('an ArrayBuffer and a view in the middle of a larger buffer are read alike', () => {
  const bytes = buildNifti({ datatype: 64 })
  const larger = new Uint8Array(bytes.length + 20)
  larger.set(bytes, 7)
  const view = larger.subarray(7, 7 + bytes.length)
  assert.equal(readVolume(view).data, readVolume(bytes.buffer as ArrayBuffer).data)
  const zipped = gzipSync(bytes)
  larger.set(zipped, 3)
  assert.equal(readVolume(larger.subarray(3, 3 + zipped.length)).data, readVolume(bytes).data)
  assert.equal([...readVolume(bytes).data], [0, 1, 2, 3, 4, 5, 6, 7])
})

test('reading does not change the bytes it was given', () => {
  const bytes = buildNifti({ littleEndian: false })
  const copy = bytes.slice()
  const volume = readVolume(bytes)
  volume.data.fill(9)
  assert.equal(bytes, copy)
})

test('written bytes are the same every time, and hold a display range of the finite values', () => {
  const data = Float32Array.of(1, Number.NaN, -3, Number.POSITIVE_INFINITY)
  const volume = { shape: [2, 2, 1] as const, data, affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] }
  const a = writeVolume(volume, { gzip: true })
  assert.equal([...a.subarray(4, 8)], [0, 0, 0, 0])
  assert.equal(a, writeVolume(volume, { gzip: true }))
  const view = new DataView(writeVolume(volume).buffer)
  assert.is(view.getFloat32(124, true), 1)
  assert.is(view.getFloat32(128, true), -3)
  assert.is(view.getUint8(123), 2)
  assert.equal(countNonFinite(readVolume(a)), { nan: 1, infinite: 1 })
})

test('a dimension beyond int16 is written as NIfTI-2, with the affine in double precision', () => {
  const affine = [0.1, 0, 0, -1 / 3, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]
  const bytes = writeVolume({ shape: [1, 40000, 1], data: new Float32Array(40000).fill(1.5), affine })
  assert.is(new DataView(bytes.buffer).getInt32(0, true), 540)
  const back = readVolume(bytes)
  assert.equal(back.shape, [1, 40000, 1])
  assert.equal(back.affine, affine)
  assert.is(back.nifti.qformCode, 2)
  assert.is(back.data[39999], 1.5)
})

test('volumes that do not fit together are not written', () => {
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
  const fails = (volume: unknown, pattern: RegExp) =>
    assert.throws(
      () => writeVolume(volume as never),
      (error: Error) => error instanceof InputError && pattern.test(error.message),
    )
  fails({ shape: [2, 2, 2], data: new Float32Array(7), affine }, /7 values/)
  fails({ shape: [2, 0, 2], data: new Float32Array(0), affine }, /positive integers/)
  fails({ shape: [1, 1, 1], data: new Float32Array(1), affine: new Array(16).fill(0) }, /singular/)
})

test.run()
