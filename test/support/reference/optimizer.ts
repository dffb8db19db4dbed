/**
 * Optimizers in float64, line by line the algorithms in PyTorch's documentation of torch.optim.SGD, Adam and AdamW.
 * Each call takes one step in place; the gradient is given, t counts from 1.
 */

export interface SgdReference {
  readonly learningRate: number
  readonly momentum: number
  readonly nesterov: boolean
  readonly weightDecay: number
  readonly dampening: number
}

export function sgdReference(
  p: Float64Array,
  gradient: ArrayLike<number>,
  b: Float64Array,
  t: number,
  o: SgdReference,
): void {
  for (let i = 0; i < p.length; i++) {
    let g = gradient[i]!
    if (o.weightDecay !== 0) g += o.weightDecay * p[i]!
    if (o.momentum !== 0) {
      b[i] = t > 1 ? o.momentum * b[i]! + (1 - o.dampening) * g : g
      g = o.nesterov ? g + o.momentum * b[i]! : b[i]!
    }
    p[i]! -= o.learningRate * g
  }
}

export interface AdamReference {
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
  readonly decoupled: boolean
  readonly amsgrad: boolean
}

export function adamReference(
  p: Float64Array,
  gradient: ArrayLike<number>,
  [m, v, largest]: readonly [Float64Array, Float64Array, Float64Array],
  t: number,
  o: AdamReference,
): void {
  for (let i = 0; i < p.length; i++) {
    let g = gradient[i]!
    if (o.decoupled) p[i]! -= o.learningRate * o.weightDecay * p[i]!
    else g += o.weightDecay * p[i]!
    m[i] = o.beta1 * m[i]! + (1 - o.beta1) * g
    v[i] = o.beta2 * v[i]! + (1 - o.beta2) * g * g
    const mHat = m[i]! / (1 - o.beta1 ** t)
    largest[i] = Math.max(largest[i]!, v[i]!)
    const vHat = (o.amsgrad ? largest[i]! : v[i]!) / (1 - o.beta2 ** t)
    p[i]! -= (o.learningRate * mHat) / (Math.sqrt(vHat) + o.epsilon)
  }
}
