/** Samples for training: where they come from, their checks, and the order in which they are looked at. */
import { InputError } from '../../io/errors.ts'
import { classCount, type NetworkDescription } from '../description.ts'
import { product } from '../layer-rules.ts'
import { uniformStream } from '../random.ts'

/** Labelled scans that are loaded when they are needed, so that a cohort may be larger than memory. */
export interface Samples {
  readonly count: number
  /** Class of each scan. */
  readonly labels: readonly number[]
  /** What to call each scan in messages and checkpoints, e.g. its path; default "scan 7". */
  readonly names?: readonly string[]
  /**
   * The network's input of one scan (applyRecipe's tensor, [C, D, H, W]). Called for scans of the next batch while the
   * GPU works on the one before, again in every epoch, and for several scans at once.
   */
  load(index: number): Promise<Float32Array> | Float32Array
}

/** Samples that are in memory. */
export function inMemory(tensors: readonly Float32Array[], labels: readonly number[]): Samples {
  if (tensors.length !== labels.length) {
    throw new InputError(`${tensors.length} scans and ${labels.length} labels; need one for each`)
  }
  return { count: tensors.length, labels, load: (index) => tensors[index]! }
}

/** What a scan is called. */
export function nameOf(samples: Samples, index: number): string {
  return samples.names?.[index] ?? `scan ${index}`
}

/** @throws InputError naming the first sample whose label does not fit the network */
export function checkSamples(samples: Samples, description: NetworkDescription, what: string): void {
  const { count, labels, names } = samples
  const classes = classCount(description)
  if (!(count > 0) || count !== labels.length || (names && names.length !== count)) {
    const given = `${count} scans, ${labels.length} labels${names ? ` and ${names.length} names` : ''}`
    throw new InputError(`${what}: ${given}; need one for each, and at least one`)
  }
  labels.forEach((label, n) => {
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new InputError(`${what}: ${nameOf(samples, n)} has label ${label}, but classes are 0 to ${classes - 1}`)
    }
  })
}

/**
 * Loads some scans.
 * @throws InputError naming the one whose size is not that of the network's input
 */
export async function loadScans(
  samples: Samples,
  chosen: readonly number[],
  input: readonly number[],
): Promise<Float32Array[]> {
  const scans = await Promise.all(chosen.map((index) => samples.load(index)))
  scans.forEach(({ length }, k) => {
    if (length === product(input)) return
    const name = nameOf(samples, chosen[k]!)
    throw new InputError(`${name} has ${length} values, the network takes ${product(input)} ([${input.join(', ')}])`)
  })
  return scans
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

/**
 * As many scans as there are, drawn with replacement so that every class that has scans is equally likely and so is
 * every scan of a class. Depends on the labels, the seed and the epoch alone.
 */
export function balancedDraw(labels: readonly number[], seed: number, epoch: number): number[] {
  const present = [...new Set(labels)].sort((a, b) => a - b)
  const members = present.map((label) => labels.flatMap((own, n) => (own === label ? [n] : [])))
  const next = uniformStream(seed, `balanced epoch ${epoch}`)
  return labels.map(() => {
    const own = members[Math.floor(next() * members.length)]!
    return own[Math.floor(next() * own.length)]!
  })
}

/** What becomes of the scans of an epoch that do not fill a batch. */
export type LastBatch = 'fill' | 'drop' | 'small'

/**
 * Cuts an order into batches of one size. The last, where scans are left over, is filled up from the start of the order
 * ('fill', so that no scan is left out), left out ('drop', unless it is the only one) or smaller ('small').
 */
export function batches(order: readonly number[], size: number, last: LastBatch = 'fill'): number[][] {
  const whole = Math.floor(order.length / size)
  const count = last === 'drop' && whole > 0 ? whole : Math.ceil(order.length / size)
  return Array.from({ length: count }, (_, b) => {
    const own = order.slice(b * size, (b + 1) * size)
    if (last === 'fill') for (let k = 0; own.length < size; k++) own.push(order[k % order.length]!)
    return own
  })
}

/** Weights that make every class count the same: N / (classes * samples of the class), 0 for a class without samples. */
export function balancedClassWeights(labels: readonly number[], classes: number): number[] {
  return Array.from({ length: classes }, (_, k) => {
    const count = labels.filter((label) => label === k).length
    return count > 0 ? labels.length / (classes * count) : 0
  })
}
