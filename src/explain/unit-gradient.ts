/** Gradients in programs that store them as f16. */
import { backward } from '../engine/backward.ts'
import { absolute, affine, channelScale, divide, fill } from '../engine/ops/elementwise.ts'
import { sum } from '../engine/ops/reduce.ts'
import { reshape } from '../engine/ops/shape.ts'
import { sizeOf, type Tensor } from '../engine/tensor.ts'

/**
 * What the gradient at the logits is scaled to, in the sum of its absolute values: f16 ends at 6e-8 and 65504, and the
 * gradients of single voxels are small.
 */
const UNIT = 2 ** 6

/**
 * A linear function of the gradient of scores with respect to x, for f16 storage. The probability of a class that the
 * network is sure of has a gradient smaller than any f16; so what walks back from the logits is scaled to one size for
 * every sample, and the result is scaled back, in f32.
 * @param score [N], computed from logits alone
 * @param logits [N, classes]
 * @param x [N, ...]
 * @param linear what is made of the gradient: [N, ...] from x's shape
 */
export function unitGradient(score: Tensor, logits: Tensor, x: Tensor, linear: (dx: Tensor) => Tensor): Tensor {
  const n = score.shape[0]!
  const [slope] = backward(score, [logits], { seed: fill(score.shape, 1) })
  // Plus a little, so that a gradient of zero stays one.
  const size = affine(sum(absolute(slope!), [1]), 1 / UNIT, 1e-30)
  const [dx] = backward(logits, [x], { seed: divide(slope!, reshape(size, [n, 1])) })
  const scaled = linear(dx!)
  const rows = reshape(scaled, [1, n, sizeOf(scaled.shape) / n])
  return reshape(channelScale(rows, reshape(size, [n])), scaled.shape)
}
