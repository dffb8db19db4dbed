/** Elementwise operations, sums and broadcasting in float64, straight from their definitions. */
import { type Shape, sizeOf } from '../../../src/engine/tensor.ts'

/** Functions of one number. */
export const unary = {
  relu: (v: number) => Math.max(v, 0),
  leakyRelu: (v: number, slope: number) => (v > 0 ? v : slope * v),
  elu: (v: number, alpha: number) => (v > 0 ? v : alpha * Math.expm1(v)),
  sigmoid: (v: number) => 1 / (1 + Math.exp(-v)),
  tanh: (v: number) => Math.tanh(v),
  absolute: (v: number) => Math.abs(v),
  clamp: (v: number, low: number, high: number) => Math.min(Math.max(v, low), high),
  affine: (v: number, factor: number, offset: number) => factor * v + offset,
  inverseSqrt: (v: number, epsilon: number) => 1 / Math.sqrt(v + epsilon),
}

/** Functions of two numbers. */
export const binary = {
  add: (a: number, b: number) => a + b,
  subtract: (a: number, b: number) => a - b,
  multiply: (a: number, b: number) => a * b,
  divide: (a: number, b: number) => a / b,
}

/** Coordinates of a flat index in a row-major array. */
export function coordinates(index: number, shape: Shape): number[] {
  const at: number[] = []
  let rest = index
  for (let k = shape.length - 1; k >= 0; k--) {
    at[k] = rest % shape[k]!
    rest = Math.floor(rest / shape[k]!)
  }
  return at
}

/** Flat index of coordinates in a row-major array. */
export function flatIndex(at: readonly number[], shape: Shape): number {
  return at.reduce((index, c, k) => index * shape[k]! + c, 0)
}

/** An array made element by element from its coordinates. */
export function build(shape: Shape, value: (at: number[], index: number) => number): Float64Array {
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => value(coordinates(i, shape), i))
}

/** x repeated to a larger shape, numpy's rule. */
export function broadcast(x: ArrayLike<number>, from: Shape, to: Shape): Float64Array {
  return build(to, (at) => {
    const own = at.slice(to.length - from.length).map((c, k) => (from[k] === 1 ? 0 : c))
    return x[flatIndex(own, from)]!
  })
}

/** f(a, b) with broadcasting to the given shape. */
export function combine(
  f: (a: number, b: number) => number,
  a: { shape: Shape; data: ArrayLike<number> },
  b: { shape: Shape; data: ArrayLike<number> },
  shape: Shape,
): Float64Array {
  const p = broadcast(a.data, a.shape, shape)
  const q = broadcast(b.data, b.shape, shape)
  return p.map((v, i) => f(v, q[i]!))
}

/** f(x, value of the channel) for a tensor [N, C, ...] and vectors of C. */
export function perChannel(
  f: (v: number, ...vectors: number[]) => number,
  x: ArrayLike<number>,
  shape: Shape,
  ...vectors: ArrayLike<number>[]
): Float64Array {
  return build(shape, (at, i) => f(x[i]!, ...vectors.map((vector) => vector[at[1] ?? 0]!)))
}

/** Sum over axes, which disappear. */
export function sumOver(x: ArrayLike<number>, shape: Shape, axes: readonly number[]): Float64Array {
  const kept = shape.filter((_, k) => !axes.includes(k))
  const sums = new Float64Array(sizeOf(kept))
  for (let i = 0; i < x.length; i++) {
    const at = coordinates(i, shape).filter((_, k) => !axes.includes(k))
    sums[flatIndex(at, kept)]! += x[i]!
  }
  return sums
}
