/** A tiny training whose data need no files, shared by the tests that break it off and go on. */
import { initialise, posterCnn } from '../../src/model/architectures.ts'
import type { Network } from '../../src/model/description.ts'
import { inMemory, type Samples, type TrainOptions, type TrainResult } from '../../src/model/training/train.ts'
import { values } from './evaluate.ts'

export const SHAPE = [1, 8, 6, 10]
export const VOXELS = 480

/** Noise, and for class 1 a bright corner. */
export function toySamples(count: number, seed: number, signal = 1): Samples {
  const labels = Array.from({ length: count }, (_, n) => n % 2)
  const tensors = labels.map((label, n) =>
    values(VOXELS, seed + n).map((v, i) => 0.5 * v + (label === 1 && i % 10 < 4 ? signal : 0)),
  )
  return inMemory(tensors, labels)
}

export function toyNetwork(options: { dropout?: number } = {}): Network {
  return initialise(posterCnn({ inputShape: SHAPE, channels: [3, 4], dropout: 0.2, ...options }), 5)
}

/** Everything that a resumed training could get wrong: dropout, warm-up, a smaller last batch, the best of four epochs. */
export const RESUMABLE: TrainOptions = {
  epochs: 4,
  batch: 3,
  last: 'small',
  learningRate: 1e-2,
  warmUp: 1.5,
  schedule: { kind: 'step', epochs: 2, factor: 0.5 },
  seed: 3,
}

/** All bits of a result that do not depend on the clock. */
export function bitsOf({ network, last, history, bestBy }: TrainResult): unknown {
  const bits = (one: Network) =>
    [...one.weights].map(([name, { data }]) => [name, [...new Uint32Array(data.slice().buffer)]])
  const lines = history.map(({ epoch, loss, validationLoss, balancedAccuracy, auc, learningRate }) => {
    return [epoch, loss, validationLoss, balancedAccuracy, auc, learningRate]
  })
  const best = Object.entries(bestBy).map(([metric, kept]) => [metric, kept.report.epoch, bits(kept.network)])
  return { network: bits(network), last: bits(last), lines, best }
}
