/**
 * The space of a random search, and the network and training that a trial draws from it: ClinicaDL's random search
 * (blocks of convolutions whose width doubles up to a limit, dense layers that narrow geometrically) with the LeakyReLU
 * of the poster's family (Thibeau-Sutre et al. 2020).
 */
import { InputError } from '../../io/errors.ts'
import { type ArchitectureOptions, posterCnn } from '../architectures.ts'
import { classCount, layerShapes, type NetworkDescription } from '../description.ts'
import { integerFrom, numberWithin, oneOf, type Reader, readObject } from '../formats/read-json.ts'
import { uniformStream } from '../random.ts'
import { type Distribution, distributionOf, draw } from './distribution.ts'

export type Norm = 'batch' | 'instance' | 'none'
export type Reduction = 'pool' | 'padded-pool' | 'stride'

/** What is drawn, each by itself. */
export interface SearchSpace {
  /** Convolutional blocks; each halves the volume. */
  readonly blocks: Distribution
  /** Channels of the first block; every further one has twice as many, up to `widthLimit`. */
  readonly firstWidth: Distribution
  readonly widthLimit: Distribution
  /** Convolutions of a block, drawn for each block. */
  readonly convolutions: Distribution
  readonly reduction: Distribution<Reduction>
  readonly norm: Distribution<Norm>
  /** Of the LeakyReLU; 0 makes it a ReLU. */
  readonly slope: Distribution
  readonly dropout: Distribution
  /** Dense layers, the last included; widths fall geometrically from what the last block gives to the classes. */
  readonly denseLayers: Distribution
  readonly learningRate: Distribution
  readonly weightDecay: Distribution
  /** Scans a step. */
  readonly batch: Distribution
}

/** What one trial drew. */
export interface TrialChoice {
  readonly blocks: number
  readonly firstWidth: number
  readonly widthLimit: number
  /** One a block. */
  readonly convolutions: readonly number[]
  readonly reduction: Reduction
  readonly norm: Norm
  readonly slope: number
  readonly dropout: number
  readonly denseLayers: number
  readonly learningRate: number
  readonly weightDecay: number
  readonly batch: number
}

/** Taken where a space says nothing. */
export const defaultSpace: SearchSpace = {
  blocks: { randint: [3, 5] },
  firstWidth: { choice: [4, 8, 16, 32] },
  widthLimit: 128,
  convolutions: { randint: [1, 2] },
  reduction: { choice: ['pool', 'padded-pool', 'stride'] },
  norm: { choice: ['batch', 'instance', 'none'] },
  slope: 0.01,
  dropout: { uniform: [0, 0.9] },
  denseLayers: { randint: [1, 3] },
  learningRate: { exponent: [3, 5] },
  weightDecay: { exponent: [2, 5] },
  batch: 8,
}

const READERS: { readonly [K in keyof SearchSpace]: Reader<SearchSpace[K]> } = {
  blocks: distributionOf(whole(1, 10)),
  firstWidth: distributionOf(whole(1, 4096)),
  widthLimit: distributionOf(whole(1, 4096)),
  convolutions: distributionOf(whole(1, 10)),
  reduction: distributionOf(oneOf('pool', 'padded-pool', 'stride')),
  norm: distributionOf(oneOf('batch', 'instance', 'none')),
  slope: distributionOf(numberWithin(0, 1)),
  dropout: distributionOf(numberWithin(0, 0.99)),
  denseLayers: distributionOf(whole(1, 10)),
  learningRate: distributionOf(numberWithin(0, 10)),
  weightDecay: distributionOf(numberWithin(0, 10)),
  batch: distributionOf(whole(1, 1024)),
}

function whole(low: number, high: number): Reader<number> {
  return (value, what) => numberWithin(low, high)(integerFrom(low)(value, what), what)
}

/**
 * A space from JSON; what it leaves out is that of `defaultSpace`.
 * @param source what to call it in messages
 * @throws InputError naming the source, and the field that is unknown or wrong
 */
export function readSpace(text: string, source = 'the space'): SearchSpace {
  try {
    const json = readObject(JSON.parse(text), 'it')
    const unknown = Object.keys(json).find((key) => !Object.hasOwn(READERS, key))
    if (unknown) throw new InputError(`"${unknown}" is none of ${Object.keys(READERS).join(', ')}`)
    const space: Record<string, unknown> = { ...defaultSpace }
    for (const [key, value] of Object.entries(json)) {
      const own = READERS[key as keyof SearchSpace](value, key)
      requireWhole(key, own)
      space[key] = own
    }
    return space as unknown as SearchSpace
  } catch (error) {
    if (error instanceof InputError || error instanceof SyntaxError) {
      throw new InputError(`${source} is no search space: ${error.message}`)
    }
    throw error
  }
}

const WHOLE = ['blocks', 'firstWidth', 'widthLimit', 'convolutions', 'denseLayers', 'batch']

function requireWhole(key: string, from: unknown): void {
  if (!WHOLE.includes(key) || typeof from !== 'object' || 'choice' in from! || 'randint' in from!) return
  throw new InputError(`${key} counts something; draw it by choice or randint`)
}

/** What trial `trial` draws: a function of space, seed and trial alone, each value with random numbers of its own. */
export function drawTrial(space: SearchSpace, seed: number, trial: number): TrialChoice {
  const stream = (what: string) => uniformStream(seed, `trial ${trial} ${what}`)
  const of = <K extends keyof SearchSpace>(key: K) => draw(space[key] as Distribution, stream(key))
  const word = <V extends string>(key: keyof SearchSpace) => draw(space[key] as Distribution<V>, stream(key))
  const blocks = of('blocks')
  const next = stream('convolutions')
  return {
    blocks,
    firstWidth: of('firstWidth'),
    widthLimit: of('widthLimit'),
    convolutions: Array.from({ length: blocks }, () => draw(space.convolutions, next)),
    reduction: word<Reduction>('reduction'),
    norm: word<Norm>('norm'),
    slope: of('slope'),
    dropout: of('dropout'),
    denseLayers: of('denseLayers'),
    learningRate: of('learningRate'),
    weightDecay: of('weightDecay'),
    batch: of('batch'),
  }
}

/** A trial's seed for its initial weights, and for its training. */
export function trialSeed(seed: number, trial: number): number {
  return Math.floor(uniformStream(seed, `trial ${trial} seed`)() * 2 ** 32)
}

/**
 * The network of a trial.
 * @throws InputError for an input that is too small for its blocks
 */
export function trialNetwork(choice: TrialChoice, options: ArchitectureOptions): NetworkDescription {
  const { firstWidth, widthLimit, convolutions, reduction, norm, slope, dropout, denseLayers } = choice
  const channels = convolutions.map((_, b) => Math.min(widthLimit, firstWidth * 2 ** b))
  const family = { ...options, channels, convolutions, reduction, norm, slope, dropout }
  const plain = posterCnn(family)
  const flat = layerShapes(plain).find(({ layer }) => layer.type === 'flatten')!.shape[0]!
  const classes = classCount(plain)
  // ClinicaDL's: each dense layer narrows by one ratio, from the flattened volume to the classes.
  const hidden = Array.from({ length: denseLayers - 1 }, (_, k) =>
    Math.max(classes, Math.round(flat * (classes / flat) ** ((k + 1) / denseLayers))),
  )
  return posterCnn({ ...family, hidden })
}
