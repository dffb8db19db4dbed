/** Trilinear and nearest resampling of volumes, one axis at a time. */
import { requireShape } from '../errors.ts'
import { formatShape, type Tensor } from '../tensor.ts'
import { applyBand, type Band, bandOf, type Entry } from './band.ts'

export type ResampleMode = 'trilinear' | 'nearest'

/**
 * Where voxel i of a result of `out` voxels lies among the `from` voxels of the input; ONNX's names and formulas
 * (https://onnx.ai/onnx/operators/onnx__Resize.html). With s the scale, out / from unless given:
 * half_pixel (i + 1/2) / s - 1/2: voxels are areas; pytorch_half_pixel the same, but 0 where one voxel is left;
 * half_pixel_symmetric keeps the centre where from s is no whole number; asymmetric i / s;
 * align_corners i (from - 1) / (from s - 1): the corner voxels' centres stay where they are.
 */
export type Coordinates = 'half_pixel' | 'pytorch_half_pixel' | 'half_pixel_symmetric' | 'asymmetric' | 'align_corners'

/** To which voxel 'nearest' rounds; the last two say where halves go. */
export type Rounding = 'floor' | 'ceil' | 'round_prefer_floor' | 'round_prefer_ceil'

export interface ResampleOptions {
  /** Default half_pixel for 'trilinear', asymmetric for 'nearest'. */
  readonly coordinates?: Coordinates
  /** Of 'nearest'. Default floor. */
  readonly rounding?: Rounding
  /** Voxels of the result for one of the input, one number for D, H, W; 0 and the default: size / input. */
  readonly scale?: readonly number[]
}

/**
 * x [N, C, D, H, W] at another size [d, h, w]; by default as PyTorch's F.interpolate(x, size) does.
 * @param mode 'trilinear' blends the nearest voxels (no smoothing when the size shrinks; the edge is repeated beyond the
 *   outermost centres); 'nearest' takes one.
 * @throws ShapeError unless x has five axes and the size is three positive integers.
 */
export function resample3d(
  x: Tensor,
  size: readonly number[],
  mode: ResampleMode = 'trilinear',
  options: ResampleOptions = {},
): Tensor {
  requireShape(x.shape.length === 5, `resample3d: the input must be [N, C, D, H, W], got ${formatShape(x.shape)}`)
  requireShape(
    size.length === 3 && size.every((d) => Number.isInteger(d) && d > 0),
    `resample3d: the size must be three positive integers, got [${size}]`,
  )
  // The axis that grows most goes last (and one that shrinks first), so that the passes before it touch fewer voxels.
  const passes = size.map((out, k) => {
    return { axis: k + 2, from: x.shape[k + 2]!, out, scale: options.scale?.[k] ?? 0 }
  })
  passes.sort((a, b) => a.out / a.from - b.out / b.from || b.axis - a.axis)
  return passes
    .filter(({ from, out, scale }) => from !== out || (scale !== 0 && scale !== 1))
    .reduce((y, { axis, from, out, scale }) => applyBand(y, axis, resampleBand(from, out, mode, options, scale)), x)
}

/** The matrix [out, from] that resamples one axis. */
export function resampleBand(
  from: number,
  out: number,
  mode: ResampleMode,
  { coordinates = mode === 'nearest' ? 'asymmetric' : 'half_pixel', rounding = 'floor' }: ResampleOptions = {},
  scale = 0,
): Band {
  const grid: Grid = scale
    ? { from, out, step: 1 / scale, length: from * scale }
    : { from, out, step: from / out, length: out }
  const place = (o: number) => positions[coordinates](o, grid)
  const row = (o: number): Entry[] => {
    if (mode === 'trilinear') return linear(Math.max(place(o), 0), from)
    const isUsual = coordinates === 'asymmetric' && rounding === 'floor'
    const voxel = isUsual ? repeated(o, grid) : rounded[rounding](place(o))
    return [[Math.min(Math.max(voxel, 0), from - 1), 1]]
  }
  return bandOf(
    from,
    Array.from({ length: out }, (_, o) => row(o)),
  )
}

interface Grid {
  readonly from: number
  readonly out: number
  /** Voxels of the input from one of the result to the next. */
  readonly step: number
  /** Of the result, before it was rounded to whole voxels. */
  readonly length: number
}

type Position = (o: number, grid: Grid) => number

const halfPixel: Position = (o, { step }) => (o + 0.5) * step - 0.5

const positions: Readonly<Record<Coordinates, Position>> = {
  half_pixel: halfPixel,
  pytorch_half_pixel: (o, grid) => (grid.out > 1 ? halfPixel(o, grid) : 0),
  half_pixel_symmetric: (o, grid) => (grid.from / 2) * (1 - grid.out / grid.length) + halfPixel(o, grid),
  asymmetric: (o, { step }) => o * step,
  align_corners: (o, { from, out, length }) => (out === 1 ? 0 : (o * (from - 1)) / (length - 1)),
}

const rounded: Readonly<Record<Rounding, (position: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: (p) => Math.ceil(p - 0.5),
  round_prefer_ceil: (p) => Math.floor(p + 0.5),
}

/** PyTorch computes this index in float32, so we do. */
function repeated(o: number, { step }: Grid): number {
  return Math.floor(Math.fround(o * Math.fround(step)))
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
