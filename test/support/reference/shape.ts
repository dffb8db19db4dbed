/** Operations that move values, straight from their definitions. */
import type { Shape } from '../../../src/engine/tensor.ts'
import { build, flatIndex } from './elementwise.ts'

interface Values {
  readonly shape: Shape
  readonly data: ArrayLike<number>
}

export function concat(parts: readonly Values[], axis: number): Float64Array {
  const total = parts.reduce((n, p) => n + p.shape[axis]!, 0)
  const shape = parts[0]!.shape.map((d, k) => (k === axis ? total : d))
  return build(shape, (at) => {
    const own = [...at]
    let part = 0
    while (own[axis]! >= parts[part]!.shape[axis]!) own[axis]! -= parts[part++]!.shape[axis]!
    return parts[part]!.data[flatIndex(own, parts[part]!.shape)]!
  })
}

export function slice(x: Values, starts: readonly number[], sizes: Shape, steps: readonly number[]): Float64Array {
  return build(
    sizes,
    (at) =>
      x.data[
        flatIndex(
          at.map((c, k) => starts[k]! + c * steps[k]!),
          x.shape,
        )
      ]!,
  )
}

export function pad(x: Values, front: readonly number[], back: readonly number[], value: number): Float64Array {
  const shape = x.shape.map((d, k) => front[k]! + d + back[k]!)
  return build(shape, (at) => {
    const own = at.map((c, k) => c - front[k]!)
    return own.every((c, k) => c >= 0 && c < x.shape[k]!) ? x.data[flatIndex(own, x.shape)]! : value
  })
}

export function transpose(x: Values, axes: readonly number[]): Float64Array {
  const shape = axes.map((a) => x.shape[a]!)
  return build(shape, (at) => {
    const own: number[] = []
    axes.forEach((a, k) => {
      own[a] = at[k]!
    })
    return x.data[flatIndex(own, x.shape)]!
  })
}

export function flip(x: Values, axes: readonly number[]): Float64Array {
  return build(x.shape, (at) => {
    const own = at.map((c, k) => (axes.includes(k) ? x.shape[k]! - 1 - c : c))
    return x.data[flatIndex(own, x.shape)]!
  })
}
