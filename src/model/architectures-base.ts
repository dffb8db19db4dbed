/** What the architectures share: their options, their input's sizes, and the description made of a list of layers. */
import { InputError } from '../io/errors.ts'
import { type NetworkDescription, validateDescription } from './description.ts'
import { plainRecipe, type Recipe } from './recipe/recipe.ts'

export interface ArchitectureOptions {
  /** [C, D, H, W]. */
  inputShape: readonly number[]
  /** Class names, or their number. Default 2. */
  classes?: readonly string[] | number
  /** Default plainRecipe; its class names are replaced by `classes` when those are names. */
  recipe?: Recipe
  /** Share of values dropped in training. */
  dropout?: number
}

/** A layer as descriptions have it; inputs and attributes with defaults may be left out. */
export type LayerJson = Readonly<Record<string, unknown>>

/** The description of a list of layers that ends in one number a class. */
export function describe(name: string, options: ArchitectureOptions, layers: readonly unknown[]): NetworkDescription {
  const { classes = 2, inputShape } = options
  const recipe = options.recipe ?? plainRecipe(classCountOf(options))
  const named = typeof classes === 'number' ? recipe : { ...recipe, classes }
  const json = {
    format: 'voxplain-network',
    version: 1,
    name,
    input: inputShape,
    layers,
    output: 'logits',
    recipe: named,
  }
  return validateDescription(json)
}

export function classCountOf({ classes = 2 }: ArchitectureOptions): number {
  return typeof classes === 'number' ? classes : classes.length
}

/** @throws InputError when an input cannot be halved so often */
export function halved(shape: readonly number[], blocks: number, round: (n: number) => number): void {
  let sizes = shape.slice(1)
  for (let k = 0; k < blocks; k++) sizes = sizes.map((n) => round(n / 2))
  if (shape.length !== 4 || sizes.some((n) => n < 1)) {
    throw new InputError(`the input [${shape.join(', ')}] is too small for ${blocks} halvings (or is not [C, D, H, W])`)
  }
}

/** Halves each axis; an odd last voxel is lost. */
export const pool = { type: 'maxPool3d', kernel: [2, 2, 2], stride: [2, 2, 2] }

/** ClinicaDL's PadMaxPool3d(2, 2) for a volume of these sizes: a zero goes in front of odd axes, so that nothing is lost. */
export function padPool(sizes: readonly number[]): LayerJson {
  return { ...pool, padding: { front: sizes.map((n) => n % 2), back: 0 }, padValue: 'zero' }
}
