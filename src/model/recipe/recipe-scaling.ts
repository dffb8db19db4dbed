/** Scaling of the voxels that a network sees. */
import { InputError } from '../../io/errors.ts'
import type { Recipe } from './recipe-read.ts'

/**
 * Scales in place, in float64.
 * @throws InputError for a constant image, which has nothing to scale by (and nothing to see)
 */
export function scaleVoxels(tensor: Float32Array, scaling: Recipe['scaling']): void {
  if (scaling === 'none') return
  const nonzero = scaling === 'z-score-nonzero'
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  let sum = 0
  let count = 0
  for (const v of tensor) {
    if (nonzero && v === 0) continue
    if (v < low) low = v
    if (v > high) high = v
    sum += v
    count++
  }
  if (!(low < high)) {
    const value = count === 0 ? 0 : low
    throw new InputError(
      `every ${nonzero && count > 0 ? 'non-zero ' : ''}voxel the network would see is ${value}: ` +
        'a constant image cannot be scaled; check the scan',
    )
  }
  const centre = scaling === 'min-max' ? low : sum / count
  let squares = 0
  for (const v of tensor) if (!nonzero || v !== 0) squares += (v - centre) ** 2
  const range = scaling === 'min-max' ? high - low : Math.sqrt(squares / count)
  for (let i = 0; i < tensor.length; i++) {
    if (!nonzero || tensor[i] !== 0) tensor[i] = (tensor[i]! - centre) / range
  }
}
