/** Which random changes scans undergo in training, as plain JSON; engine/ops/augment.ts makes them. */
import { type AugmentOptions, augment } from '../../engine/ops/augment.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import type { Affine } from '../../io/volume.ts'
import { numberWithin, optional, readBoolean, readObject, tripleFrom } from '../formats/read-json.ts'
import { leftRightAxis, type Recipe } from '../recipe/recipe.ts'

export interface Augmentation {
  /** Mirror half of the scans, so that left and right change places. */
  readonly flip: boolean
  /** Largest shift along D, H, W of the input, in voxels. */
  readonly shift: readonly [number, number, number]
  /** Largest standard deviation of the noise, in the units of the input (after scaling). */
  readonly noise: number
  /** Largest standard deviation of the smoothing, in voxels. */
  readonly smoothing: number
}

/**
 * Checks untrusted JSON and completes it; what is not named is not done. `shift` may be one number for all axes.
 * @throws InputError naming the value that is wrong
 */
export function readAugmentation(json: unknown): Augmentation {
  const a = readObject(json, 'augmentation')
  const known = ['flip', 'shift', 'noise', 'smoothing']
  const unknown = Object.keys(a).find((key) => !known.includes(key))
  if (unknown) throw new InputError(`augmentation has no field "${unknown}"; known: ${known.join(', ')}`)
  return {
    flip: optional(readBoolean, false)(a.flip, 'augmentation.flip'),
    shift: optional(tripleFrom(0), [0, 0, 0] as const)(a.shift, 'augmentation.shift'),
    noise: optional(numberWithin(0, 1e6), 0)(a.noise, 'augmentation.noise'),
    smoothing: optional(numberWithin(0, 16), 0)(a.smoothing, 'augmentation.smoothing'),
  }
}

/**
 * A batch as a network in training sees it. The same seed, step and scan give the same changes in every run, so a
 * training that was interrupted draws on as it would have: keep the seed's two values with the optimizer's state.
 * @param x the batch's inputs, [N, C, D, H, W]
 * @param options.seed engine's dropoutSeed(), which dropouts may share; advance it after backward
 * @param options.scans u32 [N]: which scan of the cohort each is; without them draws go by the place in the batch
 * @param options.recipe, options.affine what makes inputs of scans, and a scan's affine: they say which axis is left-right
 * @throws InputError for shifts that are as large as the input
 */
export function augmentInput(
  x: Tensor,
  augmentation: Augmentation,
  options: Pick<AugmentOptions, 'seed' | 'scans'> & { readonly recipe: Recipe; readonly affine: Affine },
): Tensor {
  const { flip, shift, noise, smoothing } = augmentation
  const { seed, scans, recipe, affine } = options
  const wide = shift.findIndex((n, k) => n >= x.shape[k + 2]!)
  if (wide >= 0) {
    throw new InputError(
      `augmentation: a shift of ${shift[wide]} voxels along ${'DHW'[wide]} leaves nothing of an input of ${x.shape.slice(2).join(' x ')}`,
    )
  }
  return augment(x, { seed, scans, shift, noise, smoothing, ...(flip && { flip: leftRightAxis(recipe, affine) }) })
}
