/** Random changes of scans in training, drawn on the GPU. They have no gradient: they act on what a network is given. */
import { requireShape } from '../errors.ts'
import '../shaders-augment.gen.ts'
import { apply, constant, type Dispatch, formatShape, type Operation, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'

export interface AugmentOptions {
  /** u32 leaf [2] = [seed, step]; see dropoutSeed and advance. It may be the one that dropouts share. */
  readonly seed: Tensor
  /** u32 [N]: which scan each of the batch is, so that its draws do not depend on its place. Default: its place, 0 to N - 1. */
  readonly scans?: Tensor
  /** Mirror half of the scans along this axis, 0 for D to 2 for W. Default: none. */
  readonly flip?: 0 | 1 | 2
  /** Shift by up to so many voxels along D, H, W, either way; zeros move in. Default 0. */
  readonly shift?: number | readonly number[]
  /** Add normal noise to every voxel, of a standard deviation drawn from [0, noise) for each scan. Default 0. */
  readonly noise?: number
  /** Smooth by a Gaussian of a standard deviation drawn from [0, smoothing) voxels for each scan. Default 0. */
  readonly smoothing?: number
}

/** Standard deviations at which a Gaussian is cut off. */
const TRUNCATE = 3

/**
 * x [N, C, D, H, W] with each scan smoothed, mirrored, shifted and made noisy, in this order, by draws of its own: a
 * function of seed, step and the scan's number (or place) alone. All channels of a scan move together. Smoothing repeats the
 * outermost voxels, as gaussianBlur does.
 * @throws ShapeError for a seed or scans that do not fit, and options that are no numbers of their kind
 */
export function augment(x: Tensor, options: AugmentOptions): Tensor {
  const { seed, flip, noise = 0, smoothing = 0 } = options
  const places = () =>
    constant(
      [x.shape[0]!],
      Uint32Array.from({ length: x.shape[0]! }, (_, n) => n),
      'places in the batch',
    )
  const scans = options.scans ?? places()
  const shift = typeof options.shift === 'number' ? Array<number>(3).fill(options.shift) : (options.shift ?? [0, 0, 0])
  requireShape(x.shape.length === 5, `augment: the input must be [N, C, D, H, W], got ${formatShape(x.shape)}`)
  requireShape(
    seed.leaf !== undefined && seed.dtype === 'u32' && sizeOf(seed.shape) === 2,
    `augment: seed must be a u32 leaf of two values [seed, step], got ${seed.dtype} ${formatShape(seed.shape)}`,
  )
  requireShape(
    scans.dtype === 'u32' && scans.shape.length === 1 && scans.shape[0] === x.shape[0],
    `augment: scans must be u32 [${x.shape[0]}], got ${scans.dtype} ${formatShape(scans.shape)}`,
  )
  requireShape(
    flip === undefined || [0, 1, 2].includes(flip),
    `augment: flip must be 0 (D), 1 (H) or 2 (W), got ${flip}`,
  )
  requireShape(
    shift.length === 3 && shift.every((n, k) => Number.isInteger(n) && n >= 0 && n < x.shape[k + 2]!),
    `augment: shifts [${shift}] must be whole numbers from 0, below the volume's ${formatShape(x.shape.slice(2))}`,
  )
  requireShape(
    [noise, smoothing].every((s) => Number.isFinite(s) && s >= 0) && smoothing <= 16,
    `augment: noise ${noise} must be a number of at least 0, smoothing ${smoothing} one from 0 to 16`,
  )
  const smooth = smoothing > 0 ? smoothed(x, seed, scans, smoothing) : x
  const moves = flip !== undefined || noise > 0 || shift.some((n) => n > 0)
  return moves ? moved(smooth, seed, scans, { flip: flip ?? 3, shift, noise }) : smooth
}

type Moves = { readonly flip: number; readonly shift: readonly number[]; readonly noise: number }

function moved(x: Tensor, seed: Tensor, scans: Tensor, { flip, shift, noise }: Moves): Tensor {
  const [n, channels, ...size] = x.shape as [number, number, number, number, number]
  const operation: Operation = {
    name: 'augment',
    lower: ({ outputs: [y] }) => [
      {
        kernel: 'augment/move',
        constants: { SIZE: size, CHANNELS: channels, FLIP: flip, SHIFT: shift, NOISE: noise },
        bind: { x, seed, scans, y: y! },
        groups: scanGroups(n, channels * sizeOf(size)),
      },
    ],
  }
  return apply(operation, [x, seed, scans], [{ shape: x.shape }], { flip, shift, noise, volatile: true }).outputs[0]!
}

function smoothed(x: Tensor, seed: Tensor, scans: Tensor, largest: number): Tensor {
  const [n, channels, ...size] = x.shape as [number, number, number, number, number]
  const operation: Operation = {
    name: 'augmentSmooth',
    lower({ outputs: [y] }, context) {
      const steps = [x, context.scratch(x.shape), context.scratch(x.shape), y!]
      const along = (axis: number): Dispatch => ({
        kernel: 'augment/smooth',
        constants: {
          LENGTH: size[axis]!,
          STRIDE: sizeOf(size.slice(axis + 1)),
          COUNT: channels * sizeOf(size),
          RADIUS: Math.ceil(TRUNCATE * largest),
          LARGEST: largest,
        },
        bind: { x: steps[axis]!, seed, scans, y: steps[axis + 1]! },
        groups: scanGroups(n, channels * sizeOf(size)),
        flops: 2 * (2 * Math.ceil(TRUNCATE * largest) + 1) * sizeOf(x.shape),
      })
      return [along(0), along(1), along(2)]
    },
  }
  return apply(operation, [x, seed, scans], [{ shape: x.shape }], { largest, volatile: true }).outputs[0]!
}

/** Workgroups of 256 values each: along x and y over one scan, along z the scans. */
function scanGroups(scans: number, values: number): [number, number, number] {
  const [x, y] = linearGroups(values)
  return [x, y, scans]
}
