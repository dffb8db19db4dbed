/** Gaussian blur of volumes, one axis at a time. */
import { requireShape } from '../errors.ts'
import { formatShape, type Tensor } from '../tensor.ts'
import { applyBand, type Band, bandOf, type Entry } from './band.ts'

export interface BlurOptions {
  /** Where the kernel is cut off, in standard deviations; default 4. */
  readonly truncate?: number
  /** What lies outside the volume: zeros, or the nearest voxel (default). */
  readonly boundary?: 'zero' | 'nearest'
}

/**
 * x [N, C, D, H, W] convolved with a Gaussian, as scipy.ndimage.gaussian_filter does (modes 'constant' and 'nearest').
 * @param sigma standard deviation in voxels, one number or [d, h, w]; an axis of 0 is left alone.
 * @throws ShapeError unless x has five axes, and sigma and truncate are finite and not negative.
 */
export function gaussianBlur(x: Tensor, sigma: number | readonly number[], options: BlurOptions = {}): Tensor {
  const { truncate = 4, boundary = 'nearest' } = options
  const sigmas = typeof sigma === 'number' ? [sigma, sigma, sigma] : sigma
  requireShape(x.shape.length === 5, `gaussianBlur: the input must be [N, C, D, H, W], got ${formatShape(x.shape)}`)
  requireShape(
    sigmas.length === 3 && [...sigmas, truncate].every((s) => Number.isFinite(s) && s >= 0),
    `gaussianBlur: sigma [${sigmas}] and truncate ${truncate} must be finite and not negative, sigma one or three numbers`,
  )
  return sigmas.reduce(
    (y, s, k) => (s > 0 ? applyBand(y, k + 2, blurBand(x.shape[k + 2]!, s, truncate, boundary)) : y),
    x,
  )
}

/** The matrix [size, size] that blurs one axis. */
export function blurBand(size: number, sigma: number, truncate: number, boundary: 'zero' | 'nearest'): Band {
  const radius = Math.floor(truncate * sigma + 0.5)
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-0.5 * ((k - radius) / sigma) ** 2))
  const total = kernel.reduce((a, b) => a + b, 0)
  const row = (o: number): Entry[] =>
    kernel.flatMap((value, k): Entry[] => {
      const at = o + k - radius
      const inside = Math.min(Math.max(at, 0), size - 1)
      return at === inside || boundary === 'nearest' ? [[inside, value / total]] : []
    })
  return bandOf(
    size,
    Array.from({ length: size }, (_, o) => row(o)),
  )
}
