/**
 * The rules of linear layers, as zennit 0.5 computes them (its rules.py): x+ = max(x, 0), x- = min(x, 0), and likewise for
 * weights and biases; A(x, w) is the layer without its bias, A'(s, w) its transpose; s(z) = z + eps sgn z with sgn 0 = 1.
 */
import { broadcastTo } from '../../engine/ops/broadcast.ts'
import { add, affine, elementwise, fill, multiply, relu, subtract } from '../../engine/ops/elementwise.ts'
import { globalMaxPool, maxPoolGradient } from '../../engine/ops/pool.ts'
import { reshape } from '../../engine/ops/shape.ts'
import { type Node, sizeOf, type Tensor } from '../../engine/tensor.ts'
import { forward, type Linear, transposed, withBias } from './linear.ts'
import { atWinners, pick, ratio, ratioWhere, type Stabiliser } from './operations.ts'
import type { Dialect, RuleSpec } from './rule-spec.ts'
import { hasShares, type Part, shareAtWinners, shareBack } from './shares.ts'

export interface RuleContext {
  /** Of Epsilon rules that name none. */
  readonly epsilon: number
  /** Of all other denominators. */
  readonly stabiliser: Stabiliser
  readonly dialect: Dialect
  /** True on a CPU adapter, which has kernels of its own for this. */
  readonly software: boolean
}

const positive = relu
const negative = (x: Tensor): Tensor => elementwise('negative_part', x)
const square = (x: Tensor): Tensor => multiply(x, x)
const ones = (like: Tensor): Tensor => fill(like.shape, 1)
const maybe = <T>(f: (x: T) => T, x: T | undefined): T | undefined => (x === undefined ? undefined : f(x))

/** Pairs of an input's part and the weights it meets. */
type Terms = readonly (readonly [x: Tensor, w: Tensor])[]

/** What is positive of every product x w (same: x+ w+ and x- w-), or negative (x+ w- and x- w+). */
function terms({ x, w, nonNegative }: Linear, same: boolean): Terms {
  const [a, b] = same ? [positive(w), negative(w)] : [negative(w), positive(w)]
  return nonNegative
    ? [[x, a]]
    : [
        [positive(x), a],
        [negative(x), b],
      ]
}

const total = (tensors: readonly Tensor[]): Tensor => tensors.reduce(add)

/** Sum of A(x, w) over terms. */
const sumOf = ({ node }: Linear, list: Terms): Tensor => total(list.map(([x, w]) => forward(node, x, w)))

/** Sum of x A'(s, w) over terms. */
const backOf = ({ node }: Linear, list: Terms, s: Tensor): Tensor =>
  total(list.map(([x, w]) => multiply(transposed(node, s, w), x)))

/** R_i = sum_j x_i w_ij R_j / s(z_j), z with bias. */
function epsilonRule({ node, x, w, z }: Linear, r: Tensor, stabiliser: Stabiliser): Tensor {
  return multiply(transposed(node, ratio(r, z, stabiliser), w), x)
}

/**
 * R_i = sum_j R_j [alpha (x+ w+ + x- w-) / s(P_j) - beta (x+ w- + x- w+) / s(N_j)]; P has b+, N has b-. iNNvestigate puts
 * the whole bias into both.
 */
function alphaBetaRule(layer: Linear, r: Tensor, alpha: number, beta: number, context: RuleContext): Tensor {
  const both = context.dialect === 'innvestigate'
  const winners = context.software ? atWinners(r) : undefined
  const part = (same: boolean): Tensor => {
    const bias = both ? layer.bias : maybe(same ? positive : negative, layer.bias)
    if (winners && hasShares(layer, winners.pool)) {
      return pooledPart(layer, winners, same ? 'positive' : 'negative', bias, context.stabiliser)
    }
    const list = terms(layer, same)
    return backOf(layer, list, ratio(r, withBias(sumOf(layer, list), bias), context.stabiliser))
  }
  const up = alpha === 1 ? part(true) : affine(part(true), alpha)
  if (beta === 0) return up
  return subtract(up, beta === 1 ? part(false) : affine(part(false), beta))
}

/** One part of the AlphaBeta rule, where relevance arrives at a max-pool's winners only. */
function pooledPart(
  layer: Linear,
  { small, pool }: { readonly small: Tensor; readonly pool: Node },
  part: Part,
  bias: Tensor | undefined,
  stabiliser: Stabiliser,
): Tensor {
  const map = bias !== undefined && bias.shape.length > 1
  const sums = withBias(shareAtWinners(layer, pool, part), map ? pick(pool, bias) : bias)
  const s = ratio(small, sums, stabiliser)
  if (!layer.nonNegative) return shareBack(layer, pool, s, part)
  const w = part === 'positive' ? positive(layer.w) : negative(layer.w)
  return multiply(transposed(layer.node, maxPoolGradient(pool, s), w), layer.x)
}

/**
 * Where z > 0: terms x+ (w + g w+) and x- (w + g w-), bias b + g b+; where z < 0: x- (w + g w+) and x+ (w + g w-), bias
 * b + g b-; where z = 0 nothing is passed on.
 */
function gammaRule(layer: Linear, r: Tensor, gamma: number, { stabiliser }: RuleContext): Tensor {
  const { x, w, z, bias, nonNegative } = layer
  const more = (v: Tensor, part: Tensor) => add(v, affine(part, gamma))
  const up = more(w, positive(w))
  const down = more(w, negative(w))
  const branch = (sign: 1 | -1): Tensor => {
    const [a, b] = sign === 1 ? [up, down] : [down, up]
    const list: Terms = nonNegative
      ? [[x, a]]
      : [
          [positive(x), a],
          [negative(x), b],
        ]
    const part = maybe((v) => more(v, sign === 1 ? positive(v) : negative(v)), bias)
    return backOf(layer, list, ratioWhere(r, withBias(sumOf(layer, list), part), z, sign, stabiliser))
  }
  return add(branch(1), branch(-1))
}

/** Smallest and largest value of each channel of x, spread over its shape. */
function rangeOf(x: Tensor): readonly [Tensor, Tensor] {
  const volume = x.shape.length === 5 ? x : reshape(x, [x.shape[0]!, 1, 1, 1, sizeOf(x.shape.slice(1))])
  const largest = (v: Tensor) => reshape(broadcastTo(globalMaxPool(v), v.shape), x.shape)
  return [affine(largest(affine(volume, -1)), -1), largest(volume)]
}

/** Terms x w - l w+ - h w-, in which the bias cancels. */
function zBoxRule(
  layer: Linear,
  r: Tensor,
  spec: { low?: number; high?: number },
  { stabiliser }: RuleContext,
): Tensor {
  const { node, x, w } = layer
  const range = spec.low === undefined || spec.high === undefined ? rangeOf(x) : undefined
  const low = spec.low === undefined ? range![0] : fill(x.shape, spec.low)
  const high = spec.high === undefined ? range![1] : fill(x.shape, spec.high)
  const [up, down] = [positive(w), negative(w)]
  const box = (a: Tensor, b: Tensor, c: Tensor) => subtract(subtract(a, b), c)
  const z = box(forward(node, x, w), forward(node, low, up), forward(node, high, down))
  const s = ratio(r, z, stabiliser)
  const share = (v: Tensor, by: Tensor) => multiply(transposed(node, s, by), v)
  return box(share(x, w), share(low, up), share(high, down))
}

/** R_i = sum_j w_ij^2 R_j / s(sum_i w_ij^2 + b^2), whatever x is; iNNvestigate leaves the bias out. */
function squareRule({ node, x, w, bias }: Linear, r: Tensor, { stabiliser, dialect }: RuleContext): Tensor {
  const squared = square(w)
  const z = withBias(forward(node, ones(x), squared), dialect === 'zennit' ? maybe(square, bias) : undefined)
  return transposed(node, ratio(r, z, stabiliser), squared)
}

/** R_i = sum_j R_j / s(number of inputs of j). */
function flatRule({ node, x, w }: Linear, r: Tensor, { stabiliser }: RuleContext): Tensor {
  const same = ones(w)
  return transposed(node, ratio(r, forward(node, ones(x), same), stabiliser), same)
}

/** Relevance of a linear layer's input, given that of its output. */
export function linearRule(spec: RuleSpec, layer: Linear, r: Tensor, context: RuleContext): Tensor {
  switch (spec.rule) {
    case 'epsilon':
      return epsilonRule(layer, r, { epsilon: spec.epsilon ?? context.epsilon })
    case 'norm':
      return epsilonRule(layer, r, context.stabiliser)
    case 'alphaBeta':
      return alphaBetaRule(layer, r, spec.alpha, spec.beta, context)
    case 'zPlus':
      return alphaBetaRule(layer, r, 1, 0, context)
    case 'gamma':
      return gammaRule(layer, r, spec.gamma, context)
    case 'zBox':
      return zBoxRule(layer, r, spec, context)
    case 'wSquare':
      return squareRule(layer, r, context)
    case 'flat':
      return flatRule(layer, r, context)
    case 'pass':
      return r
  }
}
