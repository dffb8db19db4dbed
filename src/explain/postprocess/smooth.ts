/** Gaussian smoothing in millimetres. */
import { InputError } from '../../io/errors.ts'
import { type Volume, voxelSize } from '../../io/volume.ts'

/** Full width at half maximum of a Gaussian over its standard deviation. */
export const FWHM_PER_SIGMA = Math.sqrt(8 * Math.log(2))

/** Standard deviations at which the Gaussian ends, as in SciPy. */
const TRUNCATE = 4

/**
 * Smooths along the volume's axes, of any lengths (sheared axes are treated as if they were perpendicular). Outside of the
 * volume there is nothing (0), so that a map's sum is kept but for what leaves it; NaN and infinite voxels count as 0. Float64 sums.
 * @param fwhm full width at half maximum in mm; 0 leaves the values as they are
 * @throws InputError for a width that is negative or not finite
 */
export function smoothVolume(volume: Volume, fwhm: number): Volume {
  if (!(fwhm >= 0 && fwhm < Number.POSITIVE_INFINITY)) {
    throw new InputError(`the smoothing must be a width in mm of at least 0, got ${fwhm}`)
  }
  const size = voxelSize(volume.affine)
  let data = volume.data.map((v) => (Number.isFinite(v) ? v : 0))
  let step = 1
  volume.shape.forEach((length, axis) => {
    const sigma = fwhm / FWHM_PER_SIGMA / size[axis]!
    if (sigma > 0) data = smoothAxis(data, length, step, gaussian(sigma))
    step *= length
  })
  return { ...volume, data }
}

/** Weights of the voxels at distance 0, 1, ...; over both sides they sum to 1. */
function gaussian(sigma: number): Float64Array {
  const radius = Math.floor(TRUNCATE * sigma + 0.5)
  const weights = Float64Array.from({ length: radius + 1 }, (_, k) => Math.exp(-0.5 * (k / sigma) ** 2))
  const total = weights.reduce((sum, w, k) => sum + (k > 0 ? 2 * w : w), 0)
  return weights.map((w) => w / total)
}

/** @param step from one voxel of the axis to the next */
function smoothAxis(
  data: Float32Array,
  length: number,
  step: number,
  weights: Float64Array,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(data.length)
  const reach = weights.length - 1
  const sums = new Float64Array(step)
  for (let base = 0; base < data.length; base += length * step) {
    for (let i = 0; i < length; i++) {
      // A whole slab at a time: neighbours in memory, whatever the axis.
      sums.fill(0)
      for (let j = Math.max(0, i - reach); j <= Math.min(length - 1, i + reach); j++) {
        const weight = weights[Math.abs(i - j)]!
        const row = base + j * step
        for (let s = 0; s < step; s++) sums[s]! += weight * data[row + s]!
      }
      for (let s = 0; s < step; s++) out[base + i * step + s] = sums[s]!
    }
  }
  return out
}
