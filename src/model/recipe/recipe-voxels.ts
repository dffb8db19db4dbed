/** Which voxel of a scan is which voxel of the network's input. */
import { InputError } from '../../io/errors.ts'
import { closestOrientation } from '../../io/orient.ts'
import type { Affine, Volume } from '../../io/volume.ts'
import type { Recipe } from './recipe-read.ts'

/** For each axis of the recipe's grid: the scan's axis, and whether it runs the other way. */
export function gridToScan(recipe: Recipe, scan: Volume): { axis: number; backwards: boolean }[] {
  const asStored = [0, 1, 2].map((axis) => ({ axis, backwards: false }))
  if (!recipe.grid?.affine) return asStored
  const wanted = closestOrientation(recipe.grid.affine)
  const stored = closestOrientation(scan.affine)
  for (const world of [0, 1, 2]) {
    asStored[wanted.axis[world]!] = { axis: stored.axis[world]!, backwards: wanted.flip[world] !== stored.flip[world] }
  }
  return asStored
}

/**
 * The axis of the network's input, 0 for D to 2 for W, that runs from left to right (or back): where a scan may be
 * mirrored so that hemispheres change places.
 * @param affine of the scan; what counts is the recipe's own grid where it has an affine
 */
export function leftRightAxis(recipe: Recipe, affine: Affine): 0 | 1 | 2 {
  const { axis } = closestOrientation(recipe.grid?.affine ?? affine)
  return recipe.axes.indexOf('xyz'[axis[0]] as Recipe['axes'][number]) as 0 | 1 | 2
}

/** Along one axis of the grid, in its voxels: what the recipe shows, [start, end), and what of that is the scan's, [low, high). */
interface Window {
  readonly start: number
  readonly end: number
  readonly low: number
  readonly high: number
}

function windowOf({ crop, size }: Recipe, axis: number, length: number): Window {
  const [from, to] = crop?.[axis] ?? [0, length]
  const shown = size?.[axis] ?? to - from
  const start = from + Math.floor((to - from - shown) / 2)
  return { start, end: start + shown, low: Math.max(from, start), high: Math.min(to, start + shown) }
}

const LETTERS = ['x', 'y', 'z']

/** Input [1, D, H, W] of a network that takes this scan through this recipe. */
export function inputShape(recipe: Recipe, scan: Volume): [number, number, number, number] {
  const axes = gridToScan(recipe, scan)
  const sizes = recipe.axes.map((letter) => {
    const g = LETTERS.indexOf(letter)
    const { start, end } = windowOf(recipe, g, scan.shape[axes[g]!.axis]!)
    return end - start
  })
  return [1, ...sizes] as [number, number, number, number]
}

/** One axis of the tensor: its positions first to last - 1 are voxels of the scan, others are padding. */
interface TensorAxis {
  readonly first: number
  readonly last: number
  /** Index in the scan's data that position 0 adds. */
  readonly start: number
  readonly step: number
}

function tensorAxes(recipe: Recipe, scan: Volume, input: readonly number[]): TensorAxis[] {
  if (input.length !== 4 || input[0] !== 1) {
    throw new InputError(`a scan has one channel, but the network takes ${input[0]} (input [${input.join(', ')}])`)
  }
  const axes = gridToScan(recipe, scan)
  const shape = axes.map(({ axis }) => scan.shape[axis]!)
  const wanted = recipe.grid?.shape
  if (wanted && shape.some((n, k) => n !== wanted[k])) {
    throw new InputError(
      `the scan has ${scan.shape.join(' x ')} voxels, but the network's recipe "${recipe.name}" needs ${wanted.join(' x ')}; ` +
        'resample it to that grid, or name the recipe it was prepared for',
    )
  }
  const strides = [1, scan.shape[0], scan.shape[0] * scan.shape[1]]
  return recipe.axes.map((letter, t) => {
    const g = LETTERS.indexOf(letter)
    const { start, end, low, high } = windowOf(recipe, g, shape[g]!)
    if ((recipe.crop?.[g]?.[1] ?? 0) > shape[g]! || end - start !== input[t + 1]) {
      const need = recipe.axes.map((a, k) => `${input[k + 1]} along ${a}`).join(', ')
      const after = [...(recipe.crop ? ['crop'] : []), ...(recipe.size ? ['size'] : [])].join(' and ')
      throw new InputError(
        `the scan has ${scan.shape.join(' x ')} voxels, but the network takes ${need}` +
          `${after && ` after the recipe's ${after}`}; resample or crop it, or give the recipe that belongs to it`,
      )
    }
    const { axis, backwards } = axes[g]!
    const stride = strides[axis]!
    // Grid voxel v is the scan's voxel v, or shape - 1 - v where the scan runs the other way.
    const at = (v: number) => stride * (backwards ? shape[g]! - 1 - v : v)
    return recipe.flip[t]
      ? { first: end - high, last: end - low, start: at(end - 1), step: backwards ? stride : -stride }
      : { first: low - start, last: high - start, start: at(start), step: backwards ? -stride : stride }
  })
}

/**
 * Calls visit(index in the tensor, index in the scan) for every voxel of the tensor that is one of the scan, in tensor order.
 * @throws InputError when scan, recipe and input do not fit together
 */
export function eachVoxel(
  recipe: Recipe,
  scan: Volume,
  input: readonly number[],
  visit: (t: number, s: number) => void,
): void {
  const [D, H, W] = tensorAxes(recipe, scan, input) as [TensorAxis, TensorAxis, TensorAxis]
  const [, , height, width] = input as unknown as [number, number, number, number]
  for (let d = D.first; d < D.last; d++) {
    for (let h = H.first; h < H.last; h++) {
      let t = (d * height + h) * width + W.first
      let s = D.start + d * D.step + H.start + h * H.step + W.start + W.first * W.step
      for (let w = W.first; w < W.last; w++, s += W.step) visit(t++, s)
    }
  }
}
