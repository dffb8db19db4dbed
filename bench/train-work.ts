/** A training step that is compared: the network, its scans, and the settings that all libraries have. */
import { conv5Fc3, initialise, smallCnn } from '../src/model/architectures.ts'
import type { Network } from '../src/model/description.ts'
import type { Size } from './layers.ts'
import { values } from './values.ts'

export interface TrainWork {
  readonly network: 'small_cnn' | 'conv5_fc3'
  readonly size: Size
  readonly batch: number
}

/** Adam without weight decay, which TensorFlow.js does not have; no dropout, because each library draws its own. */
export const TRAINING = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, steps: 4 } as const

/** Losses of the first steps: a gradient near 0 may take another sign, and Adam makes a whole step of that. */
export const SAME_LOSSES = 2e-3

export function trainName({ network, size, batch }: TrainWork): string {
  return `${network} @${size.join('x')}, batch ${batch}`
}

export function trainNetwork({ network, size }: TrainWork): Network {
  const options = { inputShape: [1, ...size], dropout: 0 }
  return initialise(network === 'small_cnn' ? smallCnn(options) : conv5Fc3(options), 1)
}

/** The one batch that every step sees: noise, brighter in one half where the label is 1. */
export function trainBatch({ size, batch }: TrainWork): { scans: Float32Array; labels: Uint32Array } {
  const voxels = size[0] * size[1] * size[2]
  const labels = Uint32Array.from({ length: batch }, (_, n) => n % 2)
  const scans = values(batch * voxels, 8).map((v, i) => {
    const bright = labels[Math.floor(i / voxels)]! === 1 && i % voxels < voxels / 2
    return 0.5 + 0.4 * v + (bright ? 0.1 : 0)
  })
  return { scans, labels }
}
