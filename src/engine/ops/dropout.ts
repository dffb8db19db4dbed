/** Dropout whose random numbers are a function of a seed on the GPU. Only training needs it. */
import '../shaders-train.gen.ts'
import { requireShape } from '../errors.ts'
import { apply, formatShape, type Node, type Operation, parameter, sizeOf, type Tensor } from '../tensor.ts'
import { applyPiece } from './elementwise.ts'

export interface DropoutOptions {
  /** Probability that an element is dropped, in [0, 1). */
  readonly rate: number
  /** u32 leaf [2] = [seed, step]; see dropoutSeed and advance. */
  readonly seed: Tensor
  /** Tells apart the dropouts that share a seed: give each layer its own number, or they drop the same elements. Default 0. */
  readonly stream?: number
}

function requireSeed(name: string, seed: Tensor): void {
  requireShape(
    seed.leaf !== undefined && seed.dtype === 'u32' && sizeOf(seed.shape) === 2,
    `${name}: seed must be a u32 leaf of two values [seed, step], got ${seed.dtype} ${formatShape(seed.shape)}`,
  )
}

/** A seed for dropout that lives on the GPU: [seed, step], step 0. */
export function dropoutSeed(seed: number): Tensor {
  return parameter([2], Uint32Array.of(seed, 0), 'dropout seed')
}

/**
 * Inverted dropout (training): each element of x is 0 with probability `rate`, else x / (1 - rate). The same seed, step
 * and stream drop the same elements in every run, program and device. The gradient draws the same numbers again
 * instead of keeping a mask, so the step must not change between forward and backward.
 * @throws ShapeError for a rate outside [0, 1) or a seed that is not a u32 leaf [2].
 */
export function dropout(x: Tensor, options: DropoutOptions): Tensor {
  const { rate, seed, stream = 0 } = options
  requireShape(rate >= 0 && rate < 1, `dropout: the rate must be in [0, 1), got ${rate}`)
  requireShape(
    Number.isInteger(stream) && stream >= 0 && stream < 2 ** 32,
    `dropout: the stream must be an integer in [0, 2^32), got ${stream}`,
  )
  requireSeed('dropout', seed)
  if (rate === 0) return x
  const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1)
  const constants = { THRESHOLD: threshold, SCALE: 1 / (1 - rate), STREAM: stream }
  // Volatile: must not be folded into a frozen program, whose seed may still advance.
  const attributes = { rate, stream, volatile: true }
  return applyPiece('dropout', { source: 'dropout/dropout', constants, bind: { seed } }, x, attributes, (_, [dy]) => [
    dropout(dy!, options),
  ])
}

/**
 * The effect that increases the step of a seed by one: name it in compile's `effects`. Effects run in the order in which
 * nodes were made, so make it after backward, or the gradient would draw the next step's numbers.
 */
export function advance(seed: Tensor): Node {
  requireSeed('advance', seed)
  const operation: Operation = {
    name: 'advance',
    effect: true,
    lower: () => [{ kernel: 'dropout/advance', bind: { seed }, groups: [1, 1, 1] }],
  }
  return apply(operation, [seed], [])
}
