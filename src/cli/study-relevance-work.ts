/** The work of voxplain study relevance: a map of every scan by each method, taken region by region and added up. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Gpu } from '../engine/gpu.ts'
import { onEach, type Session } from '../engine/session.ts'
import { type PreparedScan, prepareScan, tensorSpacing } from '../explain/explain.ts'
import type { MethodInput } from '../explain/method.ts'
import { atlasOcclusion } from '../explain/perturb/atlas-occlusion.ts'
import { addMap, noMaps } from '../explain/postprocess/group.ts'
import { regionsOfInput } from '../explain/regions/input-regions.ts'
import { regionTable } from '../explain/regions/region-table.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import type { NiftiVolume } from '../io/nifti.ts'
import { sameGrid } from '../io/resample.ts'
import { invertRecipe } from '../model/recipe/recipe.ts'
import { writeMap } from './explain-files.ts'
import { recordOf } from './explain-keep.ts'
import { commonFlags, type ExplainCommandOptions } from './explain-options.ts'
import { type Made, openMaskWorker, openWorker, type Worker } from './explain-workers.ts'
import { describeGpu } from './gpu.ts'
import { withHint } from './network.ts'
import { tellAbout } from './scans.ts'
import {
  type MethodWork,
  nameOfWork,
  type RelevanceMethod,
  type RelevanceTask,
  stemOfMap,
} from './study-relevance-plan.ts'
import { type RelevanceState, type StoredScan, writeState } from './study-relevance-state.ts'

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
  const { loaded, scans, grid, atlas, reporter, random } = task
  const { path, covariates } = scans[index]!
  const volume = await readVolumeFile(path)
  if (!sameGrid(volume, grid)) {
    throw new InputError(`${path} lies on another grid than ${scans[0]!.path}; bring all scans to one`)
  }
  const prepared = await withHint(loaded, volume, async () => prepareScan(loaded.network, volume, covariates))
  // Once is enough: what there is to say is of the scan.
  if (random === undefined) tellAbout(path, prepared, reporter)
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
export async function runMethod(session: Session, task: RelevanceTask, work: MethodWork): Promise<boolean> {
  const { scans, reporter, options } = task
  const { method, todo } = work
  if (todo.length === 0) return false
  const workerOn = onEach((gpu) => openRelevanceWorker(gpu, task, method, todo.length))
  let worker = await session.run(workerOn)
  work.state = { ...work.state, adapter: session.gpu.name }
  let failed = false
  let kept = performance.now()
  const bar = reporter.progress(nameOfWork(task, method))
  try {
    if (options.keepMaps) await mkdir(join(options.out, 'maps'), { recursive: true })
    const size = Math.max(worker.batch, 4)
    for (let from = 0; from < todo.length; from += size) {
      const indices = todo.slice(from, from + size)
      const onProgress = (share: number) => bar.update(from + share * indices.length, todo.length)
      const outcomes = await session.run(async (gpu) => {
        worker = await workerOn(gpu)
        return explainChunk(gpu, task, work, worker, indices, onProgress)
      })
      for (const one of outcomes) {
        if ('error' in one) {
          const { path } = scans[one.index]!
          reporter.warn(one.error.startsWith(path) ? one.error : `${path}: ${nameOfWork(task, method)}: ${one.error}`)
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
