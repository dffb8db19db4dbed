/** Gradient rules of normalisations by a tensor's own statistics; inference batch norm is a channel_affine. */
import { normaliseGradient } from '../ops/norm.ts'
import { sum } from '../ops/reduce.ts'
import { reshape } from '../ops/shape.ts'
import type { Tensor } from '../tensor.ts'
import type { Rules } from './rule.ts'

export const normRules: Rules = {
  normalise: (node, [dy], wanted) => {
    const { dx, sumDy, sumDyXhat, layout } = normaliseGradient(node, dy!)
    const { groups, channels } = layout
    const perChannel = (sums: Tensor, like: Tensor) =>
      reshape(groups === channels ? sums : sum(reshape(sums, [groups / channels, channels]), [0]), like.shape)
    const [, , gamma, beta] = node.inputs
    // Nothing for the statistics: they depend on x alone, and dx accounts for them.
    return [
      wanted[0] ? dx() : undefined,
      undefined,
      wanted[2] ? perChannel(sumDyXhat, gamma!) : undefined,
      wanted[3] ? perChannel(sumDy, beta!) : undefined,
    ]
  },
}
