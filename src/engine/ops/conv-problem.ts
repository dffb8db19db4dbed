/** What every convolution kernel computes, whichever way it goes about it: a convolution of x with w into y. */
import { type Constants, sizeOf, type Tensor } from '../tensor.ts'

export type Triple = readonly [number, number, number]

/** Geometry of a convolution from a larger volume to a smaller one; its transpose goes back. */
export interface ConvGeometry {
  readonly stride: Triple
  readonly dilation: Triple
  readonly front: Triple
  readonly back: Triple
  readonly groups: number
}

/**
 * y[n, g co + o, p] = sum over c < ci, taps t of x[n, g ci + c, (p stride + t dilation - front) / up] w[g, o, c, t], where what
 * lies outside x, or between its voxels (up > 1), counts as zero. The transpose of a convolution is such a one, too.
 */
export interface ConvProblem {
  readonly x: Tensor
  readonly w: Tensor
  readonly y: Tensor
  readonly n: number
  readonly groups: number
  /** Channels of one group. */
  readonly ci: number
  readonly co: number
  /** Volumes of x and y. */
  readonly size: Triple
  readonly out: Triple
  readonly kernel: Triple
  readonly stride: Triple
  readonly dilation: Triple
  /** May be negative. */
  readonly front: Triple
  readonly up: Triple
  /** Strides of an output and an input channel in w, whose taps are innermost. */
  readonly wOut: number
  readonly wIn: number
  /** 1: taps are turned round. */
  readonly reversed: 0 | 1
  readonly flops: number
}

/** The convolution of x with w, or its transpose, as a problem. */
export function convProblem(x: Tensor, w: Tensor, y: Tensor, geometry: ConvGeometry, transposed: boolean): ConvProblem {
  const { groups, dilation } = geometry
  const n = x.shape[0]!
  const ci = x.shape[1]! / groups
  const co = y.shape[1]! / groups
  const kernel = triple(w.shape.slice(2))
  const taps = sizeOf(kernel)
  const size = triple(x.shape.slice(2))
  const out = triple(y.shape.slice(2))
  const ones = [1, 1, 1] as const
  return {
    x,
    w,
    y,
    n,
    groups,
    ci,
    co,
    size,
    out,
    kernel,
    dilation,
    stride: transposed ? ones : geometry.stride,
    up: transposed ? geometry.stride : ones,
    front: transposed ? triple(kernel.map((k, a) => dilation[a]! * (k - 1) - geometry.front[a]!)) : geometry.front,
    wOut: transposed ? taps : ci * taps,
    wIn: transposed ? co * taps : taps,
    reversed: transposed ? 1 : 0,
    flops: 2 * n * groups * co * ci * taps * sizeOf(transposed ? size : out),
  }
}

/** The constants that all convolution kernels have. */
export function problemConstants(p: ConvProblem): Constants {
  return {
    N: p.n,
    GROUPS: p.groups,
    CI: p.ci,
    CO: p.co,
    IN: p.size,
    OUT: p.out,
    KERNEL: p.kernel,
    FRONT: p.front,
    W_OUT: p.wOut,
    W_IN: p.wIn,
    REVERSED: p.reversed,
  }
}

const triple = (list: readonly number[]): Triple => list as unknown as Triple

/** Size of the tiles that split `count` evenly, each at most `most`. */
export function evenTile(count: number, most: number): number {
  return Math.ceil(count / Math.ceil(count / most))
}
