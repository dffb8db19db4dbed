/**
 * The input recipe of a network: how a scan becomes its input tensor, and how a map in tensor order goes back to the
 * scan's own grid. Only voxels are moved, nothing is interpolated, so going there and back is exact.
 */
import { InputError } from '../io/errors.ts'
import { closestOrientation } from '../io/orient.ts'
import { type Affine, type Volume, voxelToWorld } from '../io/volume.ts'
import {
  integerFrom,
  listOf,
  numberWithin,
  oneOf,
  optional,
  readBoolean,
  readName,
  readObject,
  show,
} from './read-json.ts'

export type VoxelAxis = 'x' | 'y' | 'z'
export type Range = readonly [number, number]

export interface Recipe {
  readonly name: string
  /** The grid that the crop counts in. With an affine, scans stored in another orientation are turned to it first. */
  readonly grid?: { readonly shape: readonly [number, number, number]; readonly affine?: Affine }
  /** Voxels kept along x, y, z of the grid: first, and one past the last. Default: all. */
  readonly crop?: readonly [Range, Range, Range]
  /** Which voxel axis of the (cropped) grid becomes D, H and W. */
  readonly axes: readonly [VoxelAxis, VoxelAxis, VoxelAxis]
  /** Whether D, H, W run backwards along them. */
  readonly flip: readonly [boolean, boolean, boolean]
  /** min-max: (x - min) / (max - min); z-score: (x - mean) / standard deviation; both over the voxels after the crop. */
  readonly scaling: 'min-max' | 'z-score' | 'none'
  /** NaN and infinite voxels become zero before scaling. */
  readonly nonFinite: 'zero'
  /** Class names in the order of the network's outputs. */
  readonly classes: readonly string[]
}

export interface Prepared {
  /** [1, 1, D, H, W], W fastest. */
  readonly tensor: Float32Array
  /** NaN and infinite voxels (of those the network sees) that were set to zero. */
  readonly nonFinite: number
  /** What the user should know: the scan's affine is not that of the recipe's grid. */
  readonly notes: readonly string[]
}

/** Array order x, y, z as stored, min-max scaled (ClinicaDL's convention), classes `class 0`, `class 1`, ... */
export function plainRecipe(classes: number): Recipe {
  return {
    name: 'plain',
    axes: ['x', 'y', 'z'],
    flip: [false, false, false],
    scaling: 'min-max',
    nonFinite: 'zero',
    classes: Array.from({ length: classes }, (_, k) => `class ${k}`),
  }
}

/** Recipes known by name. */
export const builtinRecipes: Readonly<Record<'visualaid', Recipe>> = {
  visualaid: {
    name: 'visualaid',
    grid: { shape: [193, 229, 193], affine: [1, 0, 0, -96, 0, 1, 0, -132, 0, 0, 1, -78, 0, 0, 0, 1] },
    crop: [
      [12, 181],
      [13, 221],
      [0, 179],
    ],
    axes: ['z', 'x', 'y'],
    flip: [true, true, true],
    scaling: 'min-max',
    nonFinite: 'zero',
    classes: ['CN', 'AD'],
  },
}

/** Checks untrusted JSON and puts it into a fixed order of keys. @throws InputError naming the value that is wrong */
export function readRecipe(json: unknown): Recipe {
  const r = readObject(json, 'recipe')
  const count = integerFrom(0)
  const known = ['name', 'grid', 'crop', 'axes', 'flip', 'scaling', 'nonFinite', 'classes']
  const unknown = Object.keys(r).find((key) => !known.includes(key))
  if (unknown) throw new InputError(`recipe has no field "${unknown}"; known: ${known.join(', ')}`)
  const axes = listOf(oneOf('x', 'y', 'z'), 3)(r.axes, 'recipe.axes')
  if (new Set(axes).size < 3) throw new InputError(`recipe.axes must name x, y and z once each, got ${show(axes)}`)
  const classes = listOf(readName)(r.classes, 'recipe.classes')
  if (new Set(classes).size < classes.length) throw new InputError(`recipe.classes must differ, got ${show(classes)}`)
  const crop = r.crop === undefined ? undefined : listOf(listOf(count, 2), 3)(r.crop, 'recipe.crop')
  const grid = r.grid === undefined ? undefined : readGrid(r.grid)
  for (const [k, [from, to]] of (crop ?? []).entries()) {
    if (from! >= to! || (grid && to! > grid.shape[k]!)) {
      throw new InputError(`recipe.crop[${k}] [${from}, ${to}] is empty or leaves the grid`)
    }
  }
  return {
    name: optional(readName, 'custom')(r.name, 'recipe.name'),
    ...(grid && { grid }),
    ...(crop && { crop: crop as unknown as Recipe['crop'] & object }),
    axes: axes as unknown as Recipe['axes'],
    flip: optional(listOf(readBoolean, 3), [false, false, false])(r.flip, 'recipe.flip') as unknown as Recipe['flip'],
    scaling: oneOf('min-max', 'z-score', 'none')(r.scaling, 'recipe.scaling'),
    nonFinite: optional(oneOf('zero'), 'zero')(r.nonFinite, 'recipe.nonFinite'),
    classes,
  }
}

function readGrid(json: unknown): NonNullable<Recipe['grid']> {
  const g = readObject(json, 'recipe.grid')
  const shape = listOf(integerFrom(1), 3)(g.shape, 'recipe.grid.shape') as unknown as [number, number, number]
  if (g.affine === undefined) return { shape }
  return { shape, affine: listOf(numberWithin(), 16)(g.affine, 'recipe.grid.affine') }
}

/** Where tensor voxel (d, h, w) lies in the scan's data: start + d step[0] + h step[1] + w step[2]. */
interface VoxelMap {
  readonly start: number
  readonly step: readonly [number, number, number]
}

/** For each axis of the recipe's grid: the scan's axis, and whether it runs the other way. */
function gridToScan(recipe: Recipe, scan: Volume): { axis: number; backwards: boolean }[] {
  const asStored = [0, 1, 2].map((axis) => ({ axis, backwards: false }))
  if (!recipe.grid?.affine) return asStored
  const wanted = closestOrientation(recipe.grid.affine)
  const stored = closestOrientation(scan.affine)
  for (const world of [0, 1, 2]) {
    asStored[wanted.axis[world]!] = { axis: stored.axis[world]!, backwards: wanted.flip[world] !== stored.flip[world] }
  }
  return asStored
}

const LETTERS = ['x', 'y', 'z']

/** Input [1, D, H, W] of a network that takes this scan through this recipe. */
export function inputShape(recipe: Recipe, scan: Volume): [number, number, number, number] {
  const axes = gridToScan(recipe, scan)
  const sizes = recipe.axes.map((letter) => {
    const g = LETTERS.indexOf(letter)
    const [from, to] = recipe.crop?.[g] ?? [0, scan.shape[axes[g]!.axis]!]
    return to - from
  })
  return [1, ...sizes] as [number, number, number, number]
}

function voxelMap(recipe: Recipe, scan: Volume, input: readonly number[]): VoxelMap {
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
  let start = 0
  const step = recipe.axes.map((letter, t) => {
    const g = LETTERS.indexOf(letter)
    const [from, to] = recipe.crop?.[g] ?? [0, shape[g]!]
    if (to > shape[g]! || to - from !== input[t + 1]) {
      const need = recipe.axes.map((a, k) => `${input[k + 1]} along ${a}`).join(', ')
      throw new InputError(
        `the scan has ${scan.shape.join(' x ')} voxels, but the network takes ${need}` +
          `${recipe.crop ? " after the recipe's crop" : ''}; resample or crop it, or give the recipe that belongs to it`,
      )
    }
    const { axis, backwards } = axes[g]!
    const first = recipe.flip[t] ? to - 1 : from
    start += strides[axis]! * (backwards ? shape[g]! - 1 - first : first)
    return strides[axis]! * (recipe.flip[t] !== backwards ? -1 : 1)
  })
  return { start, step: step as unknown as VoxelMap['step'] }
}

/** Calls visit(index in the tensor, index in the scan) for every voxel of the tensor, in tensor order. */
function eachVoxel(
  recipe: Recipe,
  scan: Volume,
  input: readonly number[],
  visit: (t: number, s: number) => void,
): void {
  const { start, step } = voxelMap(recipe, scan, input)
  const [, depth, height, width] = input as unknown as [number, number, number, number]
  let t = 0
  for (let d = 0; d < depth; d++) {
    for (let h = 0; h < height; h++) {
      let s = start + d * step[0] + h * step[1]
      for (let w = 0; w < width; w++, s += step[2]) visit(t++, s)
    }
  }
}

/**
 * A scan as the network's input.
 * @param input the network's input [1, D, H, W]
 * @throws InputError when the dimensions do not fit, or when scaling meets a constant image
 */
export function applyRecipe(recipe: Recipe, scan: Volume, input: readonly number[]): Prepared {
  const tensor = new Float32Array(input.reduce((a, b) => a * b, 1))
  let nonFinite = 0
  eachVoxel(recipe, scan, input, (t, s) => {
    const value = scan.data[s]!
    if (Number.isFinite(value)) tensor[t] = value
    else nonFinite++
  })
  scale(tensor, recipe.scaling)
  return { tensor, nonFinite, notes: gridNotes(recipe, scan) }
}

/** In place, in float64. A constant image has nothing to scale by (and nothing to see). */
function scale(tensor: Float32Array, scaling: Recipe['scaling']): void {
  if (scaling === 'none') return
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  let sum = 0
  for (const v of tensor) {
    if (v < low) low = v
    if (v > high) high = v
    sum += v
  }
  if (low === high) {
    throw new InputError(
      `every voxel the network would see is ${low}: a constant image cannot be scaled; check the scan`,
    )
  }
  const centre = scaling === 'min-max' ? low : sum / tensor.length
  let squares = 0
  for (const v of tensor) squares += (v - centre) ** 2
  const range = scaling === 'min-max' ? high - low : Math.sqrt(squares / tensor.length)
  for (let i = 0; i < tensor.length; i++) tensor[i] = (tensor[i]! - centre) / range
}

/** Says so when the scan's voxels do not lie where the recipe's grid has them (by more than half a voxel somewhere). */
function gridNotes(recipe: Recipe, scan: Volume): string[] {
  if (!recipe.grid?.affine) return []
  const axes = gridToScan(recipe, scan)
  let worst = 0
  for (let corner = 0; corner < 8; corner++) {
    const at = recipe.grid.shape.map((n, k) => ((corner >> k) & 1) * (n - 1))
    const stored = [0, 0, 0]
    axes.forEach(({ axis, backwards }, g) => {
      stored[axis] = backwards ? recipe.grid!.shape[g]! - 1 - at[g]! : at[g]!
    })
    const wanted = voxelToWorld(recipe.grid.affine, at[0]!, at[1]!, at[2]!)
    const found = voxelToWorld(scan.affine, stored[0]!, stored[1]!, stored[2]!)
    worst = Math.max(worst, Math.hypot(...wanted.map((v, k) => v - found[k]!)))
  }
  const voxel = Math.hypot(recipe.grid.affine[0]!, recipe.grid.affine[4]!, recipe.grid.affine[8]!)
  if (worst <= voxel / 2) return []
  return [
    `the scan's affine differs from the grid of the recipe "${recipe.name}" by up to ${worst.toFixed(1)} mm; ` +
      'its voxels were used by their index',
  ]
}

/**
 * A map in tensor order as a volume on the scan's own grid and affine; voxels outside the crop are 0.
 * @param map [D, H, W] (or [1, 1, D, H, W]), W fastest
 * @param scan the scan that the tensor was made of; anything else it carries (file headers) is kept
 * @throws InputError when map and scan do not fit together
 */
export function invertRecipe<V extends Volume>(recipe: Recipe, map: Float32Array, scan: V): V {
  const input = inputShape(recipe, scan)
  const size = input.reduce((a, b) => a * b, 1)
  if (map.length !== size) {
    throw new InputError(`a map of ${map.length} values does not fit this scan, which gives the network ${size} voxels`)
  }
  const data = new Float32Array(scan.data.length)
  eachVoxel(recipe, scan, input, (t, s) => {
    data[s] = map[t]!
  })
  return { ...scan, data }
}
