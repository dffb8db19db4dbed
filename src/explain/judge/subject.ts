/** What a judge needs to know of a scan before any map of it: its tissue, its replacement, the network's answers. */
import { InputError } from '../../io/errors.ts'
import { argmax, softmaxOf } from '../../model/evaluation/metrics.ts'
import type { MethodInput } from '../method.ts'
import { patches, randomSubsets } from './groups.ts'
import type { JudgeSettings } from './options.ts'
import type { Grouping, Prober } from './prober.ts'
import { shuffled } from './ranking.ts'
import { truthMask } from './truth.ts'

/** A scan to judge maps of. */
export interface JudgedInput extends MethodInput {
  /** What is truly of interest, above 0, like the tensor; without it, and where it is 0, measures of truth are undefined. */
  readonly truth?: Float32Array
}

export interface Subject {
  readonly scan: JudgedInput
  readonly target: number
  readonly probability: number
  /** Logit of the target. */
  readonly whole: number
  /** The same when everything is replaced. */
  readonly empty: number
  /** Voxels that are replaced and ranked, in random order. */
  readonly voxels: Uint32Array
  /** All voxels, in random order. */
  readonly mixed: Uint32Array
  readonly fill: Float32Array
  readonly cubes: Grouping
  readonly inside: Uint8Array | undefined
  /** Voxels that are ranked, and those of the true region. */
  readonly compared: Uint32Array
  /** Random sets of cubes, and how much the target's logit drops without each; made at the first call. */
  subsets(): Promise<{ sets: Uint8Array[]; drops: number[] }>
}

/**
 * Looks at a scan.
 * @param shape [C, D, H, W]. @param fill what replaces its voxels
 * @throws InputError for a scan without tissue
 */
export async function lookAt(
  prober: Prober,
  shape: readonly number[],
  scan: JudgedInput,
  fill: Float32Array,
  settings: JudgeSettings,
): Promise<Subject> {
  const { seed, share, runs } = settings
  const { tensor, plain = tensor, truth } = scan
  const every = Uint32Array.from(tensor, (_, i) => i)
  const some = settings.within === 'volume' ? every : every.filter((i) => plain[i] !== 0)
  if (some.length === 0) throw new InputError('the scan is 0 everywhere: there is nothing to replace')
  const cubes = patches(shape, some, settings.patch)
  const everything = { of: new Uint32Array(tensor.length).fill(1), count: 1 }
  for (const i of some) everything.of[i] = 0
  const [whole, empty] = await prober.probe(tensor, fill, everything, 2, (copy) => copy === 1)
  const target = scan.target ?? argmax(whole!)
  const inside = truth && truthMask(truth, settings.threshold)
  let made: ReturnType<Subject['subsets']> | undefined
  const drawSubsets = async () => {
    const sets = randomSubsets(cubes.count, Math.max(1, Math.round(share * cubes.count)), runs, seed)
    const logits = await prober.probe(tensor, fill, cubes, runs, (run, cube) => sets[run]![cube] === 1)
    return { sets, drops: logits.map((row) => whole![target]! - row[target]!) }
  }
  return {
    scan,
    target,
    probability: softmaxOf(whole!)[target]!,
    whole: whole![target]!,
    empty: empty![target]!,
    voxels: shuffled(some, seed),
    mixed: shuffled(every, seed),
    fill,
    cubes,
    inside,
    compared: inside ? every.filter((i) => plain[i] !== 0 || inside[i] === 1) : every,
    subsets() {
      made ??= drawSubsets()
      return made
    },
  }
}
