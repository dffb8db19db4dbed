/** What an input recipe says, as plain JSON; recipe.ts applies it. */
import { InputError } from '../../io/errors.ts'
import type { Affine } from '../../io/volume.ts'
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
} from '../formats/read-json.ts'
import { type ResidualRecipe, readResidualRecipe } from './residual.ts'

export type VoxelAxis = 'x' | 'y' | 'z'
export type Range = readonly [number, number]

export interface Recipe {
  readonly name: string
  /** The grid that the crop counts in. With an affine, scans stored in another orientation are turned to it first. */
  readonly grid?: { readonly shape: readonly [number, number, number]; readonly affine?: Affine }
  /** Voxels kept along x, y, z of the grid: first, and one past the last. Default: all. */
  readonly crop?: readonly [Range, Range, Range]
  /** Voxels along x, y, z after that: the middle is kept of what is longer, and zeros surround what is shorter. Default: as it is. */
  readonly size?: readonly [number, number, number]
  /** Which voxel axis of the (cropped) grid becomes D, H and W. */
  readonly axes: readonly [VoxelAxis, VoxelAxis, VoxelAxis]
  /** Whether D, H, W run backwards along them. */
  readonly flip: readonly [boolean, boolean, boolean]
  /**
   * min-max: (x - min) / (max - min); z-score: (x - mean) / standard deviation; both over all voxels that the network
   * sees. z-score-nonzero: z-score of the voxels that are not 0, over them alone; the others stay 0.
   */
  readonly scaling: 'min-max' | 'z-score' | 'none' | 'z-score-nonzero'
  /** NaN and infinite voxels become zero before scaling. */
  readonly nonFinite: 'zero'
  /** Present where the network takes residuals, what covariates explain taken off (see residual.ts). */
  readonly residual?: ResidualRecipe
  /** Class names in the order of the network's outputs. */
  readonly classes: readonly string[]
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
  const known = ['name', 'grid', 'crop', 'size', 'axes', 'flip', 'scaling', 'nonFinite', 'residual', 'classes']
  const unknown = Object.keys(r).find((key) => !known.includes(key))
  if (unknown) throw new InputError(`recipe has no field "${unknown}"; known: ${known.join(', ')}`)
  const axes = listOf(oneOf('x', 'y', 'z'), 3)(r.axes, 'recipe.axes')
  if (new Set(axes).size < 3) throw new InputError(`recipe.axes must name x, y and z once each, got ${show(axes)}`)
  const classes = listOf(readName)(r.classes, 'recipe.classes')
  if (new Set(classes).size < classes.length) throw new InputError(`recipe.classes must differ, got ${show(classes)}`)
  const crop = r.crop === undefined ? undefined : listOf(listOf(count, 2), 3)(r.crop, 'recipe.crop')
  const size = r.size === undefined ? undefined : listOf(integerFrom(1), 3)(r.size, 'recipe.size')
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
    ...(size && { size: size as unknown as Recipe['size'] & object }),
    axes: axes as unknown as Recipe['axes'],
    flip: optional(listOf(readBoolean, 3), [false, false, false])(r.flip, 'recipe.flip') as unknown as Recipe['flip'],
    scaling: oneOf('min-max', 'z-score', 'none', 'z-score-nonzero')(r.scaling, 'recipe.scaling'),
    nonFinite: optional(oneOf('zero'), 'zero')(r.nonFinite, 'recipe.nonFinite'),
    ...(r.residual !== undefined && { residual: readResidualRecipe(r.residual) }),
    classes,
  }
}

function readGrid(json: unknown): NonNullable<Recipe['grid']> {
  const g = readObject(json, 'recipe.grid')
  const shape = listOf(integerFrom(1), 3)(g.shape, 'recipe.grid.shape') as unknown as [number, number, number]
  if (g.affine === undefined) return { shape }
  return { shape, affine: listOf(numberWithin(), 16)(g.affine, 'recipe.grid.affine') }
}
