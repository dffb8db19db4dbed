/** Trilinear and nearest resampling of volumes, one axis at a time. */
import { requireShape } from '../errors.ts'
import { formatShape, type Tensor } from '../tensor.ts'
import { applyBand, type Band, bandOf, type Entry } from './band.ts'

export type ResampleMode = 'trilinear' | 'nearest'

/**
 * x [N, C, D, H, W] at another size [d, h, w], as PyTorch's F.interpolate(x, size) does.
 * @param mode 'trilinear' blends the nearest voxels (no smoothing when the size shrinks); 'nearest' takes floor(i * in / out).
 * @param alignCorners trilinear only. False: voxels are areas, voxel i of the result lies at (i + 1/2) in / out - 1/2
 *   (the edge is repeated beyond the outermost centres). True: the corner voxels' centres stay where they are.
 * @throws ShapeError unless x has five axes and the size is three positive integers.
 */
export function resample3d(
  x: Tensor,
  size: readonly number[],
  mode: ResampleMode = 'trilinear',
  alignCorners = false,
): Tensor {
  requireShape(x.shape.length === 5, `resample3d: the input must be [N, C, D, H, W], got ${formatShape(x.shape)}`)
  requireShape(
    size.length === 3 && size.every((d) => Number.isInteger(d) && d > 0),
    `resample3d: the size must be three positive integers, got [${size}]`,
  )
  // The axis that grows most goes last (and one that shrinks first), so that the passes before it touch fewer voxels.
  const passes = size.map((out, k) => ({ axis: k + 2, from: x.shape[k + 2]!, out }))
  passes.sort((a, b) => a.out / a.from - b.out / b.from || b.axis - a.axis)
  return passes
    .filter(({ from, out }) => from !== out)
    .reduce((y, { axis, from, out }) => applyBand(y, axis, resampleBand(from, out, mode, alignCorners)), x)
}

/** The matrix [out, from] that resamples one axis. */
export function resampleBand(from: number, out: number, mode: ResampleMode, alignCorners: boolean): Band {
  const row = mode === 'nearest' ? nearest : alignCorners ? cornerAligned : halfPixel
  return bandOf(
    from,
    Array.from({ length: out }, (_, o) => row(o, from, out)),
  )
}

/** PyTorch computes this index in float32, so we do. */
function nearest(o: number, from: number, out: number): Entry[] {
  const scale = Math.fround(from / out)
  return [[Math.min(Math.floor(Math.fround(o * scale)), from - 1), 1]]
}

function halfPixel(o: number, from: number, out: number): Entry[] {
  return linear(Math.max(((o + 0.5) * from) / out - 0.5, 0), from)
}

function cornerAligned(o: number, from: number, out: number): Entry[] {
  return linear(out === 1 ? 0 : (o * (from - 1)) / (out - 1), from)
}

function linear(position: number, from: number): Entry[] {
  const low = Math.min(Math.floor(position), from - 1)
  const share = low === from - 1 ? 0 : position - low
  return share === 0
    ? [[low, 1]]
    : [
        [low, 1 - share],
        [low + 1, share],
      ]
}
