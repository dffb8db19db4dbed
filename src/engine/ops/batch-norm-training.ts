/** Batch norm by the statistics of the batch, and the running ones it leaves behind. Only training needs it. */
import '../shaders-train.gen.ts'
import { requireShape } from '../errors.ts'
import { apply, type Node, type Operation, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'
import { normalise, requireChannels } from './norm.ts'

/**
 * Batch normalisation in training: by the mean and (biased) variance of each channel over the batch and the volume.
 * Differentiable in x, gamma and beta. `update` is the effect that moves the running statistics as PyTorch does:
 * running = (1 - momentum) running + momentum * batch, with the unbiased variance; its uniform `momentum` can be changed.
 * @param x [N, C, ...]; gamma (default 1), beta (default 0) [C]; runningMean, runningVariance: parameters [C].
 * @param options.epsilon default 1e-5. @param options.momentum default 0.1.
 * @throws ShapeError when a channel has only one value.
 */
export function batchNormTraining(
  x: Tensor,
  options: {
    gamma?: Tensor
    beta?: Tensor
    runningMean: Tensor
    runningVariance: Tensor
    epsilon?: number
    momentum?: number
  },
): { y: Tensor; update: Node } {
  const { gamma, beta, runningMean, runningVariance, epsilon = 1e-5, momentum = 0.1 } = options
  const channels = requireChannels('batchNormTraining', x, { gamma, beta, runningMean, runningVariance })
  requireShape(
    runningMean !== runningVariance,
    'batchNormTraining: runningMean and runningVariance must be two tensors',
  )
  const layout = { outer: x.shape[0]!, groups: channels, inner: sizeOf(x.shape.slice(2)), channels }
  const { y, statistics } = normalise('batchNormTraining', x, layout, { gamma, beta, epsilon })
  const total = layout.outer * layout.inner
  const operation: Operation = {
    name: 'update_running_statistics',
    effect: true,
    lower: () => [
      {
        kernel: 'norm/running',
        constants: { CHANNELS: channels, UNBIASED: total / (total - 1) },
        uniforms: { momentum },
        bind: { statistics, mean: runningMean, variance: runningVariance },
        groups: linearGroups(channels, 64),
      },
    ],
  }
  return { y, update: apply(operation, [statistics, runningMean, runningVariance], []) }
}
