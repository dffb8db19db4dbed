/** What a voxplain study relevance is to do: its scans, methods, and what of them is done already. */
import { join } from 'node:path'
import type { MethodChoice } from '../explain/methods.ts'
import { atlasOcclusion } from '../explain/perturb/atlas-occlusion.ts'
import type { Atlas } from '../io/atlas/atlas.ts'
import { InputError } from '../io/errors.ts'
import type { Grid } from '../io/resample.ts'
import { keyOf, networkDigest, recordOf } from './explain-keep.ts'
import { commonFlags, type ExplainCommandOptions, isMask, type MaskPlan, maskPlan } from './explain-options.ts'
import { versions } from './gpu.ts'
import type { LoadedNetwork } from './network.ts'
import { type ListedScan, personOf } from './scan-list.ts'
import { readerOf } from './scans.ts'
import type { RelevanceOptions } from './study-relevance-options.ts'
import { nothingDone, type RelevanceState, readState } from './study-relevance-state.ts'
import type { Reporter } from './terminal.ts'

export interface RelevanceScan extends ListedScan {
  /** Name of its files. */
  readonly stem: string
  readonly group: string
}

export interface RelevanceTask {
  readonly loaded: LoadedNetwork
  readonly scans: readonly RelevanceScan[]
  /** Of all scans. */
  readonly grid: Grid
  /** As it was opened, and on the grid of the scans. */
  readonly atlas: Atlas
  readonly placed: Atlas
  readonly target: number
  readonly methods: readonly RelevanceMethod[]
  readonly options: RelevanceOptions
  readonly reporter: Reporter
  /** Of the networks with random weights, which one this is, from 1; undefined for the study's own network. */
  readonly random?: number
}

export interface RelevanceMethod {
  readonly choice: MethodChoice
  readonly mask?: MaskPlan
  /** All that it is told. */
  readonly settings: object
}

/** @throws InputError for what only voxplain explain does */
export function planMethod(choice: MethodChoice, options: RelevanceOptions): RelevanceMethod {
  if (!isMask(choice)) return { choice, settings: choice.settings }
  const mask = maskPlan(choice, commonFlags(options as ExplainCommandOptions) as ExplainCommandOptions, undefined)
  if (mask.options.fill === 'mean') {
    throw new InputError(
      'mask:fill=mean needs a mean image, which studies of relevance do not take; choose another fill',
    )
  }
  const { batch: _, memoryLimit: __, ...told } = mask.options
  const { suffix: ___, ...lambdas } = mask.variants[0]!
  return { choice, mask, settings: { ...told, ...lambdas } }
}

/** What is there of one method, and what is still to be done. */
export interface MethodWork {
  readonly method: RelevanceMethod
  readonly path: string
  state: RelevanceState
  /** Of each scan. */
  readonly keys: readonly string[]
  readonly mapKeys: readonly string[]
  /** Indices of scans. */
  todo: readonly number[]
}

/** Reads every scan's bytes, as maps depend on them. @throws InputError for a scan that is there twice */
export async function digestsOf({ scans }: Pick<RelevanceTask, 'scans'>): Promise<string[]> {
  const read = readerOf(
    scans.map(({ path }) => path),
    async () => false,
  )
  const digests: string[] = []
  for (const n of scans.keys()) digests.push((await read(n)).digest)
  requireDistinct(scans, digests)
  return digests
}

/** Looks for what is done. @param digests of the scans */
export async function planWork(task: RelevanceTask, digests: readonly string[]): Promise<MethodWork[]> {
  const { scans, loaded, options, target, methods, atlas, grid } = task
  const { precision, seed = 0 } = options
  const voxels = grid.shape[0] * grid.shape[1] * grid.shape[2]
  const base = { voxplain: versions().voxplain, network: networkDigest(loaded.network), precision, seed }
  const work: MethodWork[] = []
  for (const method of methods) {
    const { choice, settings } = method
    const facts = {
      ...base,
      ...(choice.method === atlasOcclusion && { atlas }),
      method: choice.method.name,
      settings,
      target,
    }
    // The same key as voxplain explain's.
    const mapKeys = scans.map(({ covariates }, n) => keyOf({ ...facts, scans: [{ digest: digests[n], covariates }] }))
    const keys = mapKeys.map((key, n) => keyOf({ key, atlas, who: personOf(scans[n]!) }))
    const path = join(options.out, 'parts', `relevance-${keyOf({ ...facts, atlas }).slice(0, 20)}.bin`)
    const wanted = new Map(keys.map((key, n) => [key, scans[n]!.group]))
    const one = { method, path, keys, mapKeys, state: nothingDone(voxels), todo: [...scans.keys()] }
    const state = await readState(path, voxels, wanted)
    if (state) {
      const done = new Set(state.scans.map(({ key }) => key))
      const todo = one.todo.filter((n) => !done.has(keys[n]!))
      const lacking = options.keepMaps && !(await allKept(task, one, done))
      // Maps that were not kept are made anew, and with them the sums.
      if (!lacking) Object.assign(one, { state, todo })
    }
    work.push(one)
  }
  return work
}

async function allKept(task: RelevanceTask, { method, keys, mapKeys }: MethodWork, done: ReadonlySet<string>) {
  for (const [n, key] of keys.entries()) {
    if (done.has(key) && !(await recordOf(stemOfMap(task, method, n), mapKeys[n]!))) return false
  }
  return true
}

/** @throws InputError for two rows with the very same scan: nobody has it of two people */
function requireDistinct(scans: readonly RelevanceScan[], digests: readonly string[]): void {
  const twice = digests.findIndex((digest, n) => digests.indexOf(digest) !== n)
  if (twice < 0) return
  const [one, other] = [scans[digests.indexOf(digests[twice]!)]!, scans[twice]!]
  throw new InputError(`${one.path} and ${other.path} are the same scan: each may be in the cohort once`)
}

/** A method as it is told of, with the network that it explains where that is not the study's own. */
export const nameOfWork = ({ random }: RelevanceTask, { choice }: RelevanceMethod) =>
  random === undefined ? choice.name : `${choice.name}, random weights ${random}`

/** Where --keep-maps puts a map, without its endings. */
export const stemOfMap = ({ options, scans }: RelevanceTask, { choice }: RelevanceMethod, index: number) =>
  join(options.out, 'maps', `${scans[index]!.stem}_desc-${choice.name}_relevance`)
