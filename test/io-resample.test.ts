import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { closestOrientation, toClosestCanonical } from '../src/io/orient.ts'
import { invertAffine, multiplyAffine, resample, sameGrid } from '../src/io/resample.ts'
import { type Affine, type Volume, voxelToWorld } from '../src/io/volume.ts'

const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]

function filled(
  shape: [number, number, number],
  affine: Affine,
  f: (i: number, j: number, k: number) => number,
): Volume {
  const data = new Float32Array(shape[0] * shape[1] * shape[2])
  let at = 0
  for (let k = 0; k < shape[2]; k++) {
    for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[0]; i++) data[at++] = f(i, j, k)
  }
  return { shape, data, affine }
}

const entry = fc.double({ min: -3, max: 3, noNaN: true })
/** Well-conditioned: a dominant entry per column, any permutation and sign, some rotation and shear. */
const anyAffine = fc
  .tuple(
    fc.constantFrom([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]),
    fc.array(fc.constantFrom(-1, 1), { minLength: 3, maxLength: 3 }),
    fc.array(fc.double({ min: 0.5, max: 3, noNaN: true }), { minLength: 3, maxLength: 3 }),
    fc.array(fc.double({ min: -0.12, max: 0.12, noNaN: true }), { minLength: 9, maxLength: 9 }),
    fc.array(entry, { minLength: 3, maxLength: 3 }),
  )
  .map(([axes, signs, sizes, noise, offset]) => {
    const affine = new Array<number>(16).fill(0)
    affine[15] = 1
    for (let row = 0; row < 3; row++) {
      for (let c = 0; c < 3; c++)
        affine[4 * row + c] = ((axes[c] === row ? signs[c]! : 0) + noise[3 * row + c]!) * sizes[c]!
      affine[4 * row + 3] = 20 * offset[row]!
    }
    return { affine, axes, signs }
  })

test('an affine times its inverse is the identity; a singular one is refused', () => {
  const property = fc.property(anyAffine, ({ affine }) => {
    multiplyAffine(affine, invertAffine(affine)).forEach((x, n) => {
      assert.ok(Math.abs(x - IDENTITY[n]!) < 1e-9)
    })
  })
  fc.assert(property, { seed: 1, numRuns: 200 })
  assert.throws(
    () => invertAffine([1, 2, 0, 0, 2, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
    (error: Error) => error instanceof InputError && /singular/.test(error.message),
  )
})

test('the product applies the right-hand map first', () => {
  const shift = [1, 0, 0, 5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
  const scale = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]
  assert.equal(voxelToWorld(multiplyAffine(scale, shift), 1, 1, 1), [12, 2, 2])
})

test('onto its own grid nothing changes, not even a NaN or the edges', () => {
  const property = fc.property(anyAffine, ({ affine }) => {
    const volume = filled([3, 4, 2], affine, (i, j, k) => Math.sin(i + 3 * j + 11 * k))
    volume.data[5] = Number.NaN
    for (const kind of ['linear', 'nearest'] as const) {
      assert.equal([...resample(volume, volume, kind, -1).data], [...volume.data])
    }
  })
  fc.assert(property, { seed: 2, numRuns: 100 })
})

test('linear interpolation reproduces a linear field inside, and fills outside', () => {
  const property = fc.property(anyAffine, anyAffine, ({ affine }, { affine: other }) => {
    const field = ([x, y, z]: readonly number[]) => 0.3 * x! - 0.5 * y! + 0.7 * z! + 2
    const volume = filled([5, 6, 7], affine, (i, j, k) => field(voxelToWorld(affine, i, j, k)))
    const result = resample(volume, { shape: [6, 5, 4], affine: other }, 'linear', 999)
    const inverse = invertAffine(affine)
    filled([6, 5, 4], other, (i, j, k) => {
      const world = voxelToWorld(other, i, j, k)
      const voxel = voxelToWorld(inverse, ...world)
      const value = result.data[i + 6 * (j + 5 * k)]!
      const margin = Math.min(...voxel.map((v, axis) => Math.min(v, volume.shape[axis]! - 1 - v)))
      if (margin > 1e-3) assert.ok(Math.abs(value - field(world)) < 1e-3, `${value} is not ${field(world)}`)
      if (margin < -1e-3) assert.is(value, 999)
      return 0
    })
  })
  fc.assert(property, { seed: 3, numRuns: 60 })
})

test('nearest takes the voxel whose box holds the point', () => {
  const labels = filled([2, 2, 2], [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1], (i, j, k) => 1 + i + 2 * j + 4 * k)
  const fine = resample(
    labels,
    { shape: [6, 1, 1], affine: [1, 0, 0, -1.5, 0, 1, 0, 2, 0, 0, 1, 0, 0, 0, 0, 1] },
    'nearest',
  )
  assert.equal([...fine.data], [0, 3, 3, 4, 4, 0])
})

test('linear values between centres, and a NaN that stays with its neighbours', () => {
  const line = filled([4, 1, 1], IDENTITY, (i) => 10 * i)
  line.data[3] = Number.NaN
  const half = resample(
    line,
    { shape: [7, 1, 1], affine: [0.5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] },
    'linear',
  )
  assert.equal([...half.data], [0, 5, 10, 15, 20, Number.NaN, Number.NaN])
})

test('sameGrid compares shapes and places', () => {
  const grid = { shape: [100, 2, 2] as const, affine: IDENTITY }
  const moved = (at: number, by: number) => ({ ...grid, affine: IDENTITY.map((v, n) => (n === at ? v + by : v)) })
  assert.ok(sameGrid(grid, moved(3, 5e-4)))
  assert.not.ok(sameGrid(grid, moved(3, 2e-3)))
  assert.not.ok(sameGrid(grid, moved(0, 1e-4)), 'a small scale adds up over 100 voxels')
  assert.ok(sameGrid(grid, moved(0, 1e-4), 0.1))
  assert.not.ok(sameGrid(grid, { ...grid, shape: [100, 2, 3] }))
  assert.not.ok(sameGrid(grid, moved(3, Number.NaN)))
})

test('closest canonical: right, front, up; every voxel keeps its value and place', () => {
  const property = fc.property(anyAffine, ({ affine, axes, signs }) => {
    const volume = filled([2, 3, 4], affine, (i, j, k) => i + 10 * j + 100 * k)
    const { axis, flip } = closestOrientation(affine)
    axes.forEach((row, column) => {
      assert.is(axis[row], column)
      assert.is(flip[row], signs[column]! < 0)
    })
    const canonical = toClosestCanonical(volume)
    for (const n of [0, 1, 2]) assert.ok(canonical.affine[5 * n]! > 0)
    const inverse = invertAffine(affine)
    filled([...canonical.shape], canonical.affine, (i, j, k) => {
      const [a, b, c] = voxelToWorld(inverse, ...voxelToWorld(canonical.affine, i, j, k)).map(Math.round)
      assert.is(canonical.data[i + canonical.shape[0] * (j + canonical.shape[1] * k)], a! + 10 * b! + 100 * c!)
      return 0
    })
  })
  fc.assert(property, { seed: 4, numRuns: 100 })
})

test.run()
