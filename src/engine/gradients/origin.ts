/** Whose gradient a tensor is: it has the same places, and live.ts asks which of them are needed. */
import type { Tensor } from '../tensor.ts'

const origins = new WeakMap<Tensor, Tensor>()

/** Notes that `gradient` holds, place by place, what arrived at `of`, or part of it. */
export function markGradient(gradient: Tensor, of: Tensor): Tensor {
  origins.set(gradient, of)
  return gradient
}

/** The tensor that a gradient was made for; undefined for one that is none. */
export function gradientOf(t: Tensor): Tensor | undefined {
  return origins.get(t)
}
