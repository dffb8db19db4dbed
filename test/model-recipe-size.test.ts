/** What recipes add to crop and axes: a given size, z-scores of the tissue alone, and where left and right are. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { type Volume, voxelToWorld } from '../src/io/volume.ts'
import {
  applyRecipe,
  inputShape,
  invertRecipe,
  leftRightAxis,
  plainRecipe,
  readRecipe,
} from '../src/model/recipe/recipe.ts'

const test = suite('sizes and scalings of recipes')

const orders = [
  ['x', 'y', 'z'],
  ['x', 'z', 'y'],
  ['y', 'x', 'z'],
  ['y', 'z', 'x'],
  ['z', 'x', 'y'],
  ['z', 'y', 'x'],
] as const

const UNIT = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]

function numbered(shape: readonly [number, number, number], affine: readonly number[] = UNIT): Volume {
  return { shape, data: Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, k) => k + 1), affine }
}

const triple = (low: number, high: number) => fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: low, max: high })))
type Three = [number, number, number]

test('a size keeps the middle or surrounds it with zeros, after the crop, and maps come back to their voxels', () => {
  const cases = fc.record({
    shape: triple(3, 7),
    size: triple(1, 9),
    crop: fc.boolean(),
    from: triple(0, 1),
    to: triple(0, 1),
    order: fc.nat(5),
    flip: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  })
  fc.assert(
    fc.property(cases, ({ shape, size, crop, from, to, order, flip }) => {
      const scan = numbered(shape as unknown as Three)
      const ranges = shape.map((n, k) => (crop ? [from[k]!, n - to[k]!] : [0, n]) as [number, number])
      const recipe = readRecipe({
        ...(crop && { crop: ranges }),
        size,
        axes: orders[order],
        flip,
        scaling: 'none',
        classes: ['A', 'B'],
      })
      const input = inputShape(recipe, scan)
      const g = recipe.axes.map((axis) => 'xyz'.indexOf(axis))
      assert.equal(input, [1, ...g.map((axis) => size[axis])])
      const { tensor } = applyRecipe(recipe, scan, input)
      const [, D, H, W] = input
      const seen = new Set<number>()
      for (let t = 0; t < tensor.length; t++) {
        const position = [Math.floor(t / (H * W)), Math.floor(t / W) % H, t % W]
        const voxel = [0, 0, 0]
        g.forEach((axis, k) => {
          const p = flip[k] ? [D, H, W][k]! - 1 - position[k]! : position[k]!
          const [a, b] = ranges[axis]!
          voxel[axis] = a + Math.floor((b - a - size[axis]!) / 2) + p
        })
        const within = voxel.every((v, axis) => v >= ranges[axis]![0] && v < ranges[axis]![1])
        const value = scan.data[voxel[0]! + shape[0]! * (voxel[1]! + shape[1]! * voxel[2]!)]
        assert.is(tensor[t], within ? value : 0)
        if (within) seen.add(value!)
      }
      const back = invertRecipe(recipe, tensor, scan)
      back.data.forEach((v, k) => {
        assert.is(v, seen.has(scan.data[k]!) ? scan.data[k] : 0)
      })
    }),
    { seed: 5, numRuns: 80 },
  )
})

test('a size that is no size is refused, and so is a scan that gives another one', () => {
  const rejects = (run: () => unknown, pattern: RegExp) =>
    assert.throws(run, (error: Error) => error instanceof InputError && pattern.test(error.message))
  rejects(() => readRecipe({ ...plainRecipe(2), size: [4, 0, 4] }), /size\[1\] must be an integer from 1/)
  const recipe = { ...plainRecipe(2), size: [4, 4, 4] as const }
  rejects(
    () => applyRecipe(recipe, numbered([5, 5, 5]), [1, 4, 4, 5]),
    /takes 4 along x, 4 along y, 5 along z after the recipe's size;/,
  )
})

test('z-score-nonzero scales what is not 0 over that alone, and keeps zeros', () => {
  const recipe = readRecipe({ ...plainRecipe(2), scaling: 'z-score-nonzero' })
  const scan = { ...numbered([5, 1, 1]), data: Float32Array.of(0, 2, 6, Number.NaN, 4) }
  const deviation = Math.sqrt(8 / 3)
  const { tensor, nonFinite } = applyRecipe(recipe, scan, [1, 5, 1, 1])
  assert.equal([tensor, nonFinite], [Float32Array.of(0, -2 / deviation, 2 / deviation, 0, 0), 1])
  for (const [data, message] of [
    [[0, 3, 3, 0, 3], /every non-zero voxel the network would see is 3: a constant image/],
    [[0, 0, 0, 0, 0], /every voxel the network would see is 0/],
  ] as const) {
    assert.throws(
      () => applyRecipe(recipe, { ...scan, data: Float32Array.from(data) }, [1, 5, 1, 1]),
      (error: Error) => error instanceof InputError && message.test(error.message),
    )
  }
})

test('the left-right axis of the input is the one along which world x changes, whatever grid and axes', () => {
  const cases = fc.record({ axes: fc.nat(5), world: fc.nat(5), signs: triple(0, 1), grid: fc.boolean() })
  fc.assert(
    fc.property(cases, ({ axes, world, signs, grid }) => {
      // Grid axis k runs along world axis `world[k]`, forwards or backwards, slightly oblique.
      const affine = new Array<number>(16).fill(0.01)
      orders[world]!.forEach((letter, k) => {
        affine[4 * 'xyz'.indexOf(letter) + k] = signs[k] ? 2 : -2
      })
      affine.splice(12, 4, 0, 0, 0, 1)
      const shape: Three = [3, 4, 5]
      const recipe = readRecipe({
        ...(grid && { grid: { shape, affine } }),
        axes: orders[axes],
        scaling: 'none',
        classes: ['A', 'B'],
      })
      const axis = leftRightAxis(recipe, grid ? UNIT : affine)
      const moved = [0, 1, 2].map((t) => {
        const step = recipe.axes.map((_, k) => (k === t ? 1 : 0))
        const voxel = [0, 0, 0]
        recipe.axes.forEach((letter, k) => {
          voxel['xyz'.indexOf(letter)] = step[k]!
        })
        const [x] = voxelToWorld(affine, ...(voxel as Three))
        return Math.abs(x - affine[3]!)
      })
      assert.is(axis, moved.indexOf(Math.max(...moved)))
    }),
    { seed: 6, numRuns: 60 },
  )
})

test.run()
