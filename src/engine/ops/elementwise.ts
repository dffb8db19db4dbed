/**
 * Elementwise operations. Each is one piece under shaders/elementwise: run by the `map` kernel, or fused into the
 * kernel that makes its first input. Gradients: gradients/elementwise.ts.
 */
import { requireShape } from '../errors.ts'
import {
  apply,
  type Constants,
  formatShape,
  type Operation,
  type Piece,
  type Shape,
  sizeOf,
  type Tensor,
} from '../tensor.ts'
import { broadcastTo } from './broadcast.ts'
import { linearGroups } from './launch.ts'

/**
 * Applies a piece to v.
 * @param name file under shaders/elementwise, and the operation's name.
 * @param others the piece's further operands by its variable names; they become inputs 1, 2, ... of the node.
 */
export function elementwise(
  name: string,
  v: Tensor,
  others: Readonly<Record<string, Tensor>> = {},
  constants: Constants = {},
): Tensor {
  return applyPiece(name, { source: `elementwise/${name}`, constants, bind: others }, v, constants)
}

/**
 * Applies a piece of any folder to v; its operands become inputs 1, 2, ... of the node. For operations of other files.
 * @param gradient where it is not in gradients/
 */
export function applyPiece(
  name: string,
  piece: Piece,
  v: Tensor,
  attributes: Readonly<Record<string, unknown>> = {},
  gradient?: Operation['gradient'],
): Tensor {
  const operation: Operation = {
    name,
    gradient,
    piece: () => piece,
    lower: (node) => [
      {
        kernel: 'elementwise/map',
        constants: { COUNT: sizeOf(v.shape) },
        bind: { x: v, y: node.outputs[0]! },
        epilogue: [piece],
        groups: linearGroups(sizeOf(v.shape)),
      },
    ],
  }
  return apply(operation, [v, ...Object.values(piece.bind ?? {})], [{ shape: v.shape }], attributes).outputs[0]!
}

/** A tensor filled with one value. */
export function fill(shape: Shape, value: number): Tensor {
  const count = sizeOf(shape)
  const operation: Operation = {
    name: 'fill',
    lower: (node) => [
      {
        kernel: 'elementwise/fill',
        constants: { COUNT: count, VALUE: value },
        bind: { y: node.outputs[0]! },
        groups: linearGroups(count),
      },
    ],
  }
  return apply(operation, [], [{ shape }]).outputs[0]!
}

/** max(x, 0). */
export function relu(x: Tensor): Tensor {
  return elementwise('relu', x)
}

/** x where positive, else slope * x. @throws ShapeError for a negative slope, whose gradient cannot be told from the output. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  requireShape(slope >= 0, `leakyRelu: the slope must not be negative, got ${slope}`)
  return elementwise('leaky_relu', x, {}, { SLOPE: slope })
}

/** x where positive, else alpha (exp x - 1). @throws ShapeError for a negative alpha. */
export function elu(x: Tensor, alpha = 1): Tensor {
  requireShape(alpha >= 0, `elu: alpha must not be negative, got ${alpha}`)
  return elementwise('elu', x, {}, { ALPHA: alpha })
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(x: Tensor): Tensor {
  return elementwise('sigmoid', x)
}

/** Hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return elementwise('tanh', x)
}

/** e^x. */
export function exponential(x: Tensor): Tensor {
  return elementwise('exp', x)
}

/** Natural logarithm; the caller keeps x above zero. */
export function logarithm(x: Tensor): Tensor {
  return elementwise('log', x)
}

/** Square root of x >= 0; gradient 0 at 0. */
export function squareRoot(x: Tensor): Tensor {
  return elementwise('sqrt', x)
}

/** 1 where x is positive, else 0; without a gradient. */
export function step(x: Tensor): Tensor {
  return elementwise('step', x)
}

/** log(1 + e^x). */
export function softplus(x: Tensor): Tensor {
  return elementwise('softplus', x)
}

/** |x|; gradient sign(x), 0 at 0. */
export function absolute(x: Tensor): Tensor {
  return elementwise('absolute', x)
}

/** x limited to [low, high]; gradient 1 within (bounds included), 0 outside. */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  return elementwise('clamp', x, {}, { LOW: low, HIGH: high })
}

/** factor * x + offset. */
export function affine(x: Tensor, factor: number, offset = 0): Tensor {
  return elementwise('affine', x, {}, { FACTOR: factor, OFFSET: offset })
}

/** 1 / sqrt(x + epsilon), for variances (x >= 0). */
export function inverseSqrt(x: Tensor, epsilon: number): Tensor {
  return elementwise('inverse_sqrt', x, {}, { EPSILON: epsilon })
}

/** Shape that both operands broadcast to (numpy's rule). */
function commonShape(name: string, a: Tensor, b: Tensor): number[] {
  const rank = Math.max(a.shape.length, b.shape.length)
  return Array.from({ length: rank }, (_, k) => {
    const p = a.shape[k - rank + a.shape.length] ?? 1
    const q = b.shape[k - rank + b.shape.length] ?? 1
    requireShape(
      p === q || p === 1 || q === 1,
      `${name}: shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} do not broadcast`,
    )
    return Math.max(p, q)
  })
}

function binary(name: string, a: Tensor, b: Tensor): Tensor {
  const shape = commonShape(name, a, b)
  return elementwise(name, broadcastTo(a, shape), { b: broadcastTo(b, shape) })
}

/** a + b, broadcasting as numpy does. */
export function add(a: Tensor, b: Tensor): Tensor {
  return binary('add', a, b)
}

/** a - b, broadcasting. */
export function subtract(a: Tensor, b: Tensor): Tensor {
  return binary('subtract', a, b)
}

/** a * b, broadcasting. */
export function multiply(a: Tensor, b: Tensor): Tensor {
  return binary('multiply', a, b)
}

/** a / b, broadcasting; the caller keeps b away from zero. */
export function divide(a: Tensor, b: Tensor): Tensor {
  return binary('divide', a, b)
}

/** CHANNELS and INNER of a tensor [N, C, ...] whose channels a vector belongs to. */
function channels(x: Tensor, vector: Tensor, name: string): Constants {
  const c = x.shape[1] ?? 1
  requireShape(sizeOf(vector.shape) === c, `${name}: ${c} channels but a vector of ${sizeOf(vector.shape)}`)
  return { CHANNELS: c, INNER: sizeOf(x.shape.slice(2)) }
}

/** x[n, c, ...] * scale[c]. */
export function channelScale(x: Tensor, scale: Tensor): Tensor {
  return elementwise('channel_scale', x, { scale }, channels(x, scale, 'channelScale'))
}

/** x[n, c, ...] + shift[c]. */
export function channelShift(x: Tensor, shift: Tensor): Tensor {
  return elementwise('channel_shift', x, { shift }, channels(x, shift, 'channelShift'))
}

/** x[n, c, ...] * scale[c] + shift[c]: batch norm at inference. */
export function channelAffine(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  return elementwise('channel_affine', x, { scale, shift }, channels(x, scale, 'channelAffine'))
}

/** x where positive, else slope[c] * x; slope has one value or one a channel. */
export function prelu(x: Tensor, slope: Tensor): Tensor {
  const c = x.shape[1] ?? 1
  const vector = sizeOf(slope.shape) === 1 && c !== 1 ? broadcastTo(slope, [c]) : slope
  return elementwise('prelu', x, { slope: vector }, channels(x, vector, 'prelu'))
}
