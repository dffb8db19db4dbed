/** The work of voxplain study relevance: a map of every scan by each method, taken region by region and added up. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Gpu } from '../engine/gpu.ts'
import { type PreparedScan, prepareScan, tensorSpacing } from '../explain/explain.ts'
import type { MethodInput } from '../explain/method.ts'
import type { MethodChoice } from '../explain/methods.ts'
import { atlasOcclusion } from '../explain/perturb/atlas-occlusion.ts'
import { addMap, noMaps } from '../explain/postprocess/group.ts'
import { regionsOfInput } from '../explain/regions/input-regions.ts'
import { regionTable } from '../explain/regions/region-table.ts'
import type { Atlas } from '../io/atlas/atlas.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import type { NiftiVolume } from '../io/nifti.ts'
import { type Grid, sameGrid } from '../io/resample.ts'
import { invertRecipe } from '../model/recipe/recipe.ts'
import { writeMap } from './explain-files.ts'
import { keyOf, networkDigest, recordOf } from './explain-keep.ts'
import { commonFlags, type ExplainCommandOptions, isMask, type MaskPlan, maskPlan } from './explain-options.ts'
import { type Made, openMaskWorker, openWorker, type Worker } from './explain-workers.ts'
import { describeGpu, versions } from './gpu.ts'
import { type LoadedNetwork, withHint } from './network.ts'
import { type ListedScan, personOf } from './scan-list.ts'
import { readerOf, tellAbout } from './scans.ts'
import type { RelevanceOptions } from './study-relevance-options.ts'
import { nothingDone, type RelevanceState, readState, type StoredScan, writeState } from './study-relevance-state.ts'
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

/** Looks for what is done. Reads every scan's bytes, as maps depend on them. */
export async function planWork(task: RelevanceTask): Promise<MethodWork[]> {
  const { scans, loaded, options, target, methods, atlas, grid } = task
  const read = readerOf(
    scans.map(({ path }) => path),
    async () => false,
  )
  const digests: string[] = []
  for (const n of scans.keys()) digests.push((await read(n)).digest)
  requireDistinct(scans, digests)
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

/** Opens a method. @param count maps that it will make */
export async function openRelevanceWorker(
  gpu: Gpu,
  { loaded, options, grid }: RelevanceTask,
  { choice, mask }: RelevanceMethod,
  count: number,
): Promise<Worker> {
  const { network } = loaded
  if (!mask) return openWorker(gpu, network, choice, commonFlags(options as ExplainCommandOptions), count)
  return openMaskWorker(gpu, network, choice, mask, tensorSpacing(network.description.recipe, grid.affine), count)
}

export interface LoadedScan {
  readonly volume: NiftiVolume
  readonly prepared: PreparedScan & Pick<MethodInput, 'regions'>
}

/** @throws InputError for a scan that does not fit */
export async function loadScan(task: RelevanceTask, { choice }: RelevanceMethod, index: number): Promise<LoadedScan> {
  const { loaded, scans, grid, atlas, reporter } = task
  const { path, covariates } = scans[index]!
  const volume = await readVolumeFile(path)
  if (!sameGrid(volume, grid)) {
    throw new InputError(`${path} lies on another grid than ${scans[0]!.path}; bring all scans to one`)
  }
  const prepared = await withHint(loaded, volume, async () => prepareScan(loaded.network, volume, covariates))
  tellAbout(path, prepared, reporter)
  const regions =
    choice.method === atlasOcclusion ? regionsOfInput(loaded.network.description, volume, atlas) : undefined
  return { volume, prepared: { ...prepared, regions } }
}

/** How long results may be in memory only. */
const KEEP_AFTER_MS = 15_000

/**
 * Makes the maps that are missing. A scan that will not do is told in one line and left out.
 * @returns whether any was
 */
export async function runMethod(gpu: Gpu, task: RelevanceTask, work: MethodWork): Promise<boolean> {
  const { scans, reporter, options } = task
  const { method, todo } = work
  if (todo.length === 0) return false
  const worker = await openRelevanceWorker(gpu, task, method, todo.length)
  work.state = { ...work.state, adapter: gpu.name }
  let failed = false
  let kept = performance.now()
  const bar = reporter.progress(method.choice.name)
  try {
    if (options.keepMaps) await mkdir(join(options.out, 'maps'), { recursive: true })
    const size = Math.max(worker.batch, 4)
    for (let from = 0; from < todo.length; from += size) {
      const indices = todo.slice(from, from + size)
      for (const one of await explainChunk(gpu, task, work, worker, indices, (share) =>
        bar.update(from + share * indices.length, todo.length),
      )) {
        if ('error' in one) {
          const { path } = scans[one.index]!
          reporter.warn(one.error.startsWith(path) ? one.error : `${path}: ${method.choice.name}: ${one.error}`)
          failed = true
        } else work.state = withScan(task, work, one)
      }
      if (performance.now() - kept > KEEP_AFTER_MS) {
        await writeState(work.path, work.state)
        kept = performance.now()
      }
    }
  } finally {
    bar.clear()
    worker.destroy()
    if (work.state.scans.length > 0) await writeState(work.path, work.state)
  }
  return failed
}

interface MadeMap {
  readonly index: number
  readonly map: NiftiVolume
  readonly volume: NiftiVolume
  readonly logits: readonly number[]
}

type Outcome = MadeMap | { readonly index: number; readonly error: string }

async function explainChunk(
  gpu: Gpu,
  task: RelevanceTask,
  work: MethodWork,
  worker: Worker,
  indices: readonly number[],
  onProgress: (share: number) => void,
): Promise<Outcome[]> {
  const { scans, loaded, target, options } = task
  const { method, mapKeys } = work
  const outcomes = new Map<number, Outcome>()
  const loadedScans = new Map<number, LoadedScan>()
  for (const index of indices) {
    try {
      const scan = await loadScan(task, method, index)
      const known = await keptMap(task, work, index)
      if (known) outcomes.set(index, { index, volume: scan.volume, ...known })
      else loadedScans.set(index, scan)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      outcomes.set(index, { index, error: error.message })
    }
  }
  const jobs = [...loadedScans].map(([index, { prepared }]) => {
    const { tensor, plain, spacing, regions } = prepared
    const input = { tensor, plain, spacing, regions, target }
    return { input, variant: { suffix: '', settings: method.settings }, file: scans[index]!.path }
  })
  const made = jobs.length > 0 ? await worker.run(jobs, onProgress) : []
  for (const [k, [index, scan]] of [...loadedScans].entries()) {
    const one = made[k]!
    if (one instanceof InputError) {
      outcomes.set(index, { index, error: one.message })
      continue
    }
    const map = invertRecipe(loaded.network.description.recipe, one.attribution.relevance, scan.volume)
    if (options.keepMaps) await keepMap(gpu, task, method, mapKeys[index]!, index, scan, one, map)
    outcomes.set(index, { index, map, volume: scan.volume, logits: one.attribution.logits })
  }
  return indices.map((index) => outcomes.get(index)!)
}

const stemOfMap = ({ options, scans }: RelevanceTask, { choice }: RelevanceMethod, index: number) =>
  join(options.out, 'maps', `${scans[index]!.stem}_desc-${choice.name}_relevance`)

/** A map of --keep-maps that is there, with the network's answer as its record has it. */
async function keptMap(task: RelevanceTask, { method, mapKeys }: MethodWork, index: number) {
  const stem = stemOfMap(task, method, index)
  const record = await recordOf(stem, mapKeys[index]!)
  const [about] = (record?.scans ?? []) as { logits?: Record<string, number>; before: Record<string, number> }[]
  if (!about) return undefined
  const { classes } = task.loaded.network.description.recipe
  const logits = classes.map((name) => about.logits?.[name] ?? Math.log(about.before[name]!))
  return { map: await readVolumeFile(`${stem}.nii.gz`), logits }
}

async function keepMap(
  gpu: Gpu,
  task: RelevanceTask,
  method: RelevanceMethod,
  key: string,
  index: number,
  { volume, prepared }: LoadedScan,
  { attribution, change, summary, details }: Made,
  map: NiftiVolume,
): Promise<void> {
  const { path, covariates } = task.scans[index]!
  await writeMap(
    {
      stem: stemOfMap(task, method, index),
      choice: method.choice,
      key,
      polish: undefined,
      target: attribution.target,
      map,
      background: volume,
      scans: [path],
      covariates: [covariates],
      nonFinite: prepared.nonFinite,
      notes: prepared.notes,
      details,
      change,
      summary,
    },
    { network: task.options.network, loaded: task.loaded, ...describeGpu(gpu) },
  )
}

/** The state with one map more. */
function withScan({ placed, scans }: RelevanceTask, { state, keys }: MethodWork, made: MadeMap): RelevanceState {
  const { index, map, volume, logits } = made
  const { group } = scans[index]!
  const rows = regionTable(map, placed, { scan: volume })
  const scan: StoredScan = {
    key: keys[index]!,
    group,
    logits,
    constant: map.data.every((value) => value === map.data[0]),
    regions: rows.map(({ positive, negative, peak, peakMm, tissueMm3 }) => {
      return { positive, negative, peak, ...(peakMm && { peakMm }), tissueMm3 }
    }),
  }
  const moments = addMap(state.groups.get(group) ?? noMaps(map.data.length), map.data)
  for (let v = 0; v < map.data.length; v++) {
    const value = volume.data[v]!
    if (Number.isFinite(value)) state.scanSum[v]! += value
  }
  return { ...state, scans: [...state.scans, scan], groups: new Map([...state.groups, [group, moments]]) }
}
