/** What a scan is compared with: the baseline of integrated gradients, DeepLIFT and their like. */

import { broadcastTo } from '../../engine/ops/broadcast.ts'
import { fill } from '../../engine/ops/elementwise.ts'
import { mean } from '../../engine/ops/reduce.ts'
import { reshape } from '../../engine/ops/shape.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import type { Network } from '../../model/description.ts'
import { product } from '../../model/layer-rules.ts'
import type { Setting } from '../method.ts'

/**
 * 'zero': zeros; 'mean': every channel of a scan filled with the mean of its own values, so that a scan's map does not depend
 * on the scans beside it; or values of the network's input, [C, D, H, W], e.g. another scan or the mean of a cohort.
 */
export type Baseline = 'zero' | 'mean' | Float32Array

export const baselineSetting: Setting<Baseline> = {
  default: 'zero',
  text: 'what a scan is compared with: zero, mean (its own mean value), or the values of a scan [C, D, H, W]',
  read(value, what) {
    if (value === 'zero' || value === 'mean' || value instanceof Float32Array) return value
    throw new InputError(
      `${what} must be "zero", "mean" or the values of a scan as a Float32Array, got ${typeof value}`,
    )
  },
}

/**
 * How many baselines there are in given values: one, unless `several`.
 * @throws InputError for another number of values than the network takes, or one that is not finite
 */
export function countBaselines(network: Network, baseline: Baseline, several = false): number {
  if (typeof baseline === 'string') return 1
  const { input } = network.description
  const count = baseline.length / product(input)
  if (!(several ? Number.isInteger(count) && count > 0 : count === 1)) {
    throw new InputError(
      `the baseline has ${baseline.length} values, but the network takes ${input.join(' x ')}${several ? ', or several of these' : ''}`,
    )
  }
  const bad = baseline.findIndex((v) => !Number.isFinite(v))
  if (bad >= 0) throw new InputError(`the baseline holds ${baseline[bad]} at position ${bad}`)
  return count
}

/**
 * The baseline of each of the scans x [N, C, D, H, W], of the same shape. What is constant is computed once.
 * @param given a leaf [1, C, D, H, W] with the values, where they are given
 */
export function baselineTensor(x: Tensor, baseline: Baseline, given: Tensor | undefined): Tensor {
  if (given) return broadcastTo(given, x.shape)
  if (baseline === 'zero') return fill(x.shape, 0)
  const [n, c] = x.shape as [number, number]
  return broadcastTo(reshape(mean(x, [2, 3, 4]), [n, c, 1, 1, 1]), x.shape)
}

/** The baseline of one scan [C, D, H, W] on the host. */
export function baselineValues(scan: Float32Array, channels: number, baseline: Baseline): Float32Array {
  if (baseline === 'zero') return new Float32Array(scan.length)
  if (baseline !== 'mean') return baseline
  const values = new Float32Array(scan.length)
  const size = scan.length / channels
  for (let c = 0; c < channels; c++) {
    const part = scan.subarray(c * size, (c + 1) * size)
    values.fill(part.reduce((sum, v) => sum + v, 0) / size, c * size, (c + 1) * size)
  }
  return values
}
