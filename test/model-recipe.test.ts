import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { multiplyAffine } from '../src/io/affine.ts'
import { InputError } from '../src/io/errors.ts'
import { type Volume, voxelToWorld } from '../src/io/volume.ts'
import {
  applyRecipe,
  builtinRecipes,
  inputShape,
  invertRecipe,
  plainRecipe,
  type Recipe,
  readRecipe,
} from '../src/model/recipe/recipe.ts'

const test = suite('input recipes')

const orders = [
  ['x', 'y', 'z'],
  ['x', 'z', 'y'],
  ['y', 'x', 'z'],
  ['y', 'z', 'x'],
  ['z', 'x', 'y'],
  ['z', 'y', 'x'],
] as const

const GRID = [1.5, 0, 0, -20, 0, 1.5, 0, -30, 0, 0, 1.5, -10, 0, 0, 0, 1]

/** Every voxel holds its own number (counted from 1). */
function numbered(shape: readonly [number, number, number], affine: readonly number[] = GRID): Volume {
  const data = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, k) => k + 1)
  return { shape, data, affine }
}

const triple = (low: number, high: number) => fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: low, max: high })))

/** A recipe that fits a random grid, with or without crop and affine. */
const cases = fc
  .record({
    size: triple(2, 7),
    from: triple(0, 1),
    to: triple(0, 1),
    crop: fc.boolean(),
    turn: fc.boolean(),
    order: fc.nat(5),
    flip: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
    storedOrder: fc.nat(5),
    storedFlip: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  })
  .map((c) => {
    const shape = c.size as unknown as [number, number, number]
    const crop = shape.map((n, k) => [Math.min(c.from[k]!, n - 1), n === 2 ? n : n - c.to[k]!])
    const recipe = readRecipe({
      grid: c.turn ? { shape, affine: GRID } : { shape },
      ...(c.crop && { crop }),
      axes: orders[c.order],
      flip: c.flip,
      scaling: 'none',
      classes: ['A', 'B'],
    })
    return { ...c, shape, recipe }
  })

/** The same world voxels stored with other axes: stored axis k is grid axis order[k], backwards where flip[k]. */
function stored(grid: Volume, order: readonly string[], flip: readonly boolean[]): Volume {
  const axes = order.map((a) => ['x', 'y', 'z'].indexOf(a))
  const shape = axes.map((a) => grid.shape[a]!) as unknown as [number, number, number]
  const data = new Float32Array(grid.data.length)
  const toGrid = new Array<number>(16).fill(0)
  toGrid[15] = 1
  axes.forEach((a, k) => {
    toGrid[4 * a + k] = flip[k] ? -1 : 1
    if (flip[k]) toGrid[4 * a + 3] = shape[k]! - 1
  })
  for (let k = 0; k < shape[2]; k++) {
    for (let j = 0; j < shape[1]; j++) {
      for (let i = 0; i < shape[0]; i++) {
        const at = [0, 0, 0]
        ;[i, j, k].forEach((v, s) => {
          at[axes[s]!] = flip[s] ? shape[s]! - 1 - v : v
        })
        data[i + shape[0] * (j + shape[1] * k)] = grid.data[at[0]! + grid.shape[0] * (at[1]! + grid.shape[1] * at[2]!)]!
      }
    }
  }
  return { shape, data, affine: multiplyAffine(grid.affine, toGrid) }
}

test('applied voxels are those of crop, axis order and flips, written as numpy would', () => {
  fc.assert(
    fc.property(cases, ({ shape, recipe }) => {
      const scan = numbered(shape)
      const input = inputShape(recipe, scan)
      const { tensor, nonFinite, notes } = applyRecipe(recipe, scan, input)
      assert.is(nonFinite, 0)
      assert.equal(notes, [])
      const [, D, H, W] = input
      for (let t = 0; t < tensor.length; t++) {
        const position = [Math.floor(t / (H * W)), Math.floor(t / W) % H, t % W]
        const voxel = [0, 0, 0]
        recipe.axes.forEach((axis, k) => {
          const g = ['x', 'y', 'z'].indexOf(axis)
          const length = [D, H, W][k]!
          voxel[g] = (recipe.crop?.[g]?.[0] ?? 0) + (recipe.flip[k] ? length - 1 - position[k]! : position[k]!)
        })
        assert.is(tensor[t], scan.data[voxel[0]! + shape[0] * (voxel[1]! + shape[1] * voxel[2]!)])
      }
    }),
    { seed: 1, numRuns: 60 },
  )
})

test('a map goes back to exactly the voxels it came from, and is zero elsewhere', () => {
  fc.assert(
    fc.property(cases, ({ shape, recipe }) => {
      const scan = { ...numbered(shape), header: 'kept' }
      const { tensor } = applyRecipe(recipe, scan, inputShape(recipe, scan))
      const back = invertRecipe(recipe, tensor, scan)
      const seen = new Set(tensor)
      assert.equal([back.shape, back.affine, back.header], [scan.shape, scan.affine, 'kept'])
      back.data.forEach((v, k) => {
        assert.is(v, seen.has(scan.data[k]!) ? scan.data[k] : 0)
      })
    }),
    { seed: 2, numRuns: 60 },
  )
})

test('a scan stored in another orientation gives the same tensor, and maps return to its own order', () => {
  fc.assert(
    fc.property(
      cases.filter((c) => c.turn),
      ({ shape, recipe, storedOrder, storedFlip }) => {
        const grid = numbered(shape)
        const turned = stored(grid, orders[storedOrder]!, storedFlip)
        const input = inputShape(recipe, grid)
        assert.equal(inputShape(recipe, turned), input)
        const { tensor, notes } = applyRecipe(recipe, turned, input)
        assert.equal(notes, [])
        assert.equal(tensor, applyRecipe(recipe, grid, input).tensor)
        const here = invertRecipe(recipe, tensor, turned)
        const there = stored(invertRecipe(recipe, tensor, grid), orders[storedOrder]!, storedFlip)
        assert.equal(here.data, there.data)
        assert.equal(here.affine, turned.affine)
        assert.equal(voxelToWorld(here.affine, 0, 0, 0), voxelToWorld(there.affine, 0, 0, 0))
      },
    ),
    { seed: 3, numRuns: 60 },
  )
})

test('scaling follows its formula over the voxels after the crop, with non-finite voxels at zero', () => {
  const recipe: Recipe = {
    ...plainRecipe(2),
    crop: [
      [0, 2],
      [0, 2],
      [0, 1],
    ],
  }
  const scan = numbered([2, 2, 2])
  scan.data.set([4, Number.NaN, -2, Number.POSITIVE_INFINITY, 900, 900, 900, Number.NaN])
  const minMax = applyRecipe(recipe, scan, [1, 2, 2, 1])
  assert.is(minMax.nonFinite, 2)
  // Array order x, y: (0,0) = 4, (0,1) = -2, (1,0) = NaN -> 0, (1,1) = inf -> 0.
  assert.equal(minMax.tensor, Float32Array.of(1, 0, 2 / 6, 2 / 6))
  const score = applyRecipe({ ...recipe, scaling: 'z-score' }, scan, [1, 2, 2, 1]).tensor
  const deviation = Math.sqrt((3.5 ** 2 + 2.5 ** 2 + 0.5 ** 2 + 0.5 ** 2) / 4)
  assert.equal(score, Float32Array.of(3.5 / deviation, -2.5 / deviation, -0.5 / deviation, -0.5 / deviation))
  assert.equal(applyRecipe({ ...recipe, scaling: 'none' }, scan, [1, 2, 2, 1]).tensor, Float32Array.of(4, -2, 0, 0))
})

test('what does not fit is refused with the sizes and what to do', () => {
  const rejects = (run: () => unknown, pattern: RegExp) =>
    assert.throws(run, (error: Error) => error instanceof InputError && pattern.test(error.message))
  const { visualaid } = builtinRecipes
  rejects(
    () => applyRecipe(visualaid, numbered([5, 6, 7]), [1, 179, 169, 208]),
    /5 x 6 x 7 voxels.*"visualaid" needs 193 x 229 x 193; resample/,
  )
  rejects(() => applyRecipe(plainRecipe(2), numbered([5, 6, 7]), [1, 5, 6, 8]), /takes 5 along x, 6 along y, 8 along z/)
  rejects(() => applyRecipe(plainRecipe(2), numbered([5, 6, 7]), [2, 5, 6, 7]), /one channel, but the network takes 2/)
  const flat = { ...numbered([2, 2, 2]), data: new Float32Array(8).fill(3.5) }
  rejects(() => applyRecipe(plainRecipe(2), flat, [1, 2, 2, 2]), /is 3.5: a constant image/)
  rejects(() => invertRecipe(plainRecipe(2), new Float32Array(7), flat), /7 values does not fit .* 8 voxels/)
  rejects(
    () =>
      readRecipe({
        ...plainRecipe(2),
        crop: [
          [0, 2],
          [3, 3],
          [0, 1],
        ],
      }),
    /crop\[1\] \[3, 3\] is empty/,
  )
  rejects(() => readRecipe({ ...plainRecipe(2), classes: ['A', 'A'] }), /must differ/)
  rejects(() => readRecipe({ ...plainRecipe(2), scaling: 'max' }), /scaling must be "min-max" or "z-score" or "none"/)
  rejects(() => readRecipe({ ...plainRecipe(2), colour: 1 }), /no field "colour"/)
})

test('a scan whose voxels lie elsewhere is used, with a note', () => {
  const recipe = readRecipe({ ...plainRecipe(2), grid: { shape: [3, 3, 3], affine: GRID } })
  const moved = GRID.map((v, k) => (k === 3 ? v + 4 : v))
  const [note] = applyRecipe(recipe, numbered([3, 3, 3], moved), [1, 3, 3, 3]).notes
  assert.match(note!, /differs from the grid of the recipe "plain" by up to 4.0 mm/)
  assert.equal(readRecipe(JSON.parse(JSON.stringify(builtinRecipes.visualaid))), builtinRecipes.visualaid)
})

test.run()
