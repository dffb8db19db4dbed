/** Samples for training: their checks, their shuffled order, their batches. */
import { InputError } from '../io/errors.ts'
import { classCount, type NetworkDescription } from './description.ts'
import { product } from './layer-rules.ts'
import { uniformStream } from './random.ts'

/** Network inputs (applyRecipe's tensors, [C, D, H, W] each) and the class of each. */
export interface Samples {
  readonly tensors: readonly Float32Array[]
  readonly labels: readonly number[]
}

/** @throws InputError naming the first sample that does not fit the network */
export function checkSamples({ tensors, labels }: Samples, description: NetworkDescription, what: string): void {
  const size = product(description.input)
  const classes = classCount(description)
  if (tensors.length === 0 || tensors.length !== labels.length) {
    throw new InputError(
      `${what}: ${tensors.length} scans and ${labels.length} labels; need one for each, and at least one`,
    )
  }
  tensors.forEach((tensor, n) => {
    if (tensor.length !== size) {
      const shape = description.input.join(', ')
      throw new InputError(`${what}: scan ${n} has ${tensor.length} values, the network takes ${size} ([${shape}])`)
    }
    const label = labels[n]!
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new InputError(`${what}: scan ${n} has label ${label}, but classes are 0 to ${classes - 1}`)
    }
  })
}

/** 0 to count - 1 in a random order that depends on the seed and the epoch alone (Fisher-Yates). */
export function shuffled(count: number, seed: number, epoch: number): number[] {
  const order = Array.from({ length: count }, (_, k) => k)
  const next = uniformStream(seed, `epoch ${epoch}`)
  for (let k = count - 1; k > 0; k--) {
    const other = Math.floor(next() * (k + 1))
    ;[order[k], order[other]] = [order[other]!, order[k]!]
  }
  return order
}

/** Cuts an order into batches of one size; the last is filled up from the start of the order, so that no scan is left out. */
export function batches(order: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(order.length / size) }, (_, b) =>
    Array.from({ length: size }, (_, k) => order[(b * size + k) % order.length]!),
  )
}

/** Weights that make every class count the same: N / (classes * samples of the class), 0 for a class without samples. */
export function balancedClassWeights(labels: readonly number[], classes: number): number[] {
  return Array.from({ length: classes }, (_, k) => {
    const count = labels.filter((label) => label === k).length
    return count > 0 ? labels.length / (classes * count) : 0
  })
}
