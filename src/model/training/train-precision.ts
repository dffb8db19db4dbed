/**
 * Mixed precision (Micikevicius et al. 2018): large activations and gradients are stored as f16, arithmetic, sums,
 * weights and moments stay f32. So that small gradients do not vanish, the loss is scaled on the way back.
 */
import { backward } from '../../engine/backward.ts'
import { gradientRules } from '../../engine/gradients/index.ts'
import { add } from '../../engine/ops/elementwise.ts'
import { type LossScale, saturated } from '../../engine/ops/loss-scale.ts'
import { storageOf, type Tensor } from '../../engine/tensor.ts'

/** Operations before which a gradient is written to memory; elsewhere it rides along inside a kernel, as f32. */
const STORED_BEFORE = new Set(['conv3d', 'conv_transpose3d', 'normalise', 'max_pool3d', 'avg_pool3d', 'matmul'])

/** Gradients of the scaled loss, and how many of the gradients on the way did not fit into f16. */
export function scaledGradients(
  loss: Tensor,
  weights: readonly Tensor[],
  { scale }: LossScale,
): { gradients: Tensor[]; overflow: Tensor } {
  const arrived = new Set<Tensor>()
  const gradients = backward(loss, weights, {
    seed: scale,
    rules: ({ operation }) => {
      const rule = gradientRules[operation.name]
      if (!rule || !STORED_BEFORE.has(operation.name)) return rule
      return (node, arriving, wanted) => {
        for (const gradient of arriving) if (gradient) arrived.add(storageOf(gradient))
        return rule(node, arriving, wanted)
      }
    },
  })
  const flags = [...arrived].map((gradient) => saturated(gradient))
  return { gradients, overflow: flags.reduce((sum, flag) => add(sum, flag)) }
}
