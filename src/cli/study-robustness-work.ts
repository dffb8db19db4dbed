/** The work of voxplain study robustness: masks and predictions, each a part that is kept. */
import type { Gpu } from '../engine/gpu.ts'
import { type MaskInput, type MaskOptions, type MaskSettings, optimiseMask } from '../explain/mask.ts'
import { maskSettings } from '../explain/mask-options.ts'
import { type Context, contextName } from '../explain/study/contexts.ts'
import { chooseSetting, type GridCell, type GridChoice } from '../explain/study/mask-grid.ts'
import { regionDensities } from '../explain/study/region-ranking.ts'
import { maskedProbabilities } from '../explain/study/transfer.ts'
import type { Atlas } from '../io/atlas/atlas.ts'
import type { Volume } from '../io/volume.ts'
import { invertRecipe } from '../model/recipe/recipe.ts'
import { maskFlags } from './explain-options.ts'
import type { StudyScans } from './study-cohort.ts'
import type { StudyFolder, StudyNetwork } from './study-networks.ts'
import type { Part, PartName, Parts } from './study-parts.ts'
import type { RobustnessOptions } from './study-robustness-options.ts'
import type { Reporter } from './terminal.ts'

export interface RobustnessTask {
  readonly folder: StudyFolder
  readonly scans: StudyScans
  /** On the grid of the scans. */
  readonly atlas: Atlas
  /** Rows of the patients whom a network's mask is made for, and whom it judges. */
  patients(network: Context): readonly number[]
  readonly target: number
  readonly options: RobustnessOptions
  readonly parts: Parts
  readonly reporter: Reporter
}

/** Where a mask comes from and what it is, as a part has it. */
export interface MadeMask {
  readonly mask: Float32Array
  /** Probability of the class for each patient, as the scan is and masked. */
  readonly before: readonly number[]
  readonly after: readonly number[]
  readonly iterations: number
  readonly converged: boolean
  /** Mean of 1 - m over the patients' tissue. */
  readonly area: number
  /** 1 - m on the scans' grid. */
  readonly relevance: Volume
  readonly densities: Float64Array
}

export interface GridMask extends GridCell {
  readonly made: MadeMask
}

export interface NetworkMask extends Context {
  readonly made: MadeMask
}

export interface RobustnessWork {
  /** The network of the grid and of the random starts. */
  readonly first: StudyNetwork
  /** By lambda1, then by lambda2. */
  readonly grid: readonly GridMask[]
  readonly choice: GridChoice
  readonly settings: MaskSettings
  /** In the order of the folder's networks. */
  readonly masks: readonly NetworkMask[]
  /** The first from ones, the others from random starts. */
  readonly starts: readonly MadeMask[]
  /** prob_CNN, [mask][network]: mean over the network's patients. */
  readonly transfer: readonly (readonly number[])[]
}

/** Options of a mask, but for the lambdas. */
export function maskOptionsOf({ options, scans, target, folder }: RobustnessTask): MaskOptions {
  const { batch, precision, memoryLimit, seed } = options
  const { description } = folder.networks[0]!.network
  return { ...maskFlags(options), batch, precision, memoryLimit, seed, target, spacing: scans.spacing(description) }
}

export function settingsOfMask(task: RobustnessTask, options: MaskOptions): MaskSettings {
  return maskSettings(options, task.folder.classes.length)
}

export async function inputsOf({ scans, patients }: RobustnessTask, one: StudyNetwork): Promise<MaskInput[]> {
  const inputs: MaskInput[] = []
  for (const row of patients(one)) inputs.push(await scans.input(one.network, row))
  return inputs
}

/** Everything that a mask depends on. */
export function maskName(
  task: RobustnessTask,
  one: StudyNetwork,
  inputs: readonly MaskInput[],
  options: MaskOptions,
): PartName {
  return {
    kind: 'mask',
    of: { network: one.digest, inputs, target: task.target, settings: settingsOfMask(task, options) },
  }
}

/** The settings of the grid, by lambda1, then by lambda2. */
export function gridOptions(task: RobustnessTask): MaskOptions[] {
  const { lambda1, lambda2 } = task.options.grid
  const base = maskOptionsOf(task)
  return lambda1.flatMap((first) => lambda2.map((second) => ({ ...base, lambda1: first, lambda2: second })))
}

/** Masks of the chosen setting from random starts; the first is the one from ones. */
export function startOptions({ options }: RobustnessTask, chosen: MaskOptions): MaskOptions[] {
  const others = Array.from({ length: options.starts }, (_, k) => ({
    ...chosen,
    start: options.start,
    seed: options.seed + k + 1,
  }))
  return [chosen, ...others]
}

/** Makes what is not made yet. */
export async function robustnessWork(gpu: Gpu, task: RobustnessTask): Promise<RobustnessWork> {
  const { folder, options, reporter } = task
  const first = folder.networks[0]!
  const settings = gridOptions(task)
  const total = settings.length + folder.networks.length - 1 + options.starts
  let done = 0
  const make = async (one: StudyNetwork, inputs: readonly MaskInput[], mask: MaskOptions) => {
    done++
    const label = `mask ${done}/${total}, ${contextName(one)}`
    return makeMask(gpu, task, one, inputs, mask, label)
  }
  const firstInputs = await inputsOf(task, first)
  const grid: GridMask[] = []
  for (const mask of settings) {
    grid.push(gridMask(task, mask, await make(first, firstInputs, mask)))
  }
  const choice = chooseSetting(grid, options.below)
  if (grid.length > 1) reporter.note(choice.reason)
  const chosen = settings[choice.chosen]!
  const masks: NetworkMask[] = []
  for (const one of folder.networks) {
    const made = one === first ? grid[choice.chosen]!.made : await make(one, await inputsOf(task, one), chosen)
    masks.push({ fold: one.fold, run: one.run, made })
  }
  const starts: MadeMask[] = [grid[choice.chosen]!.made]
  for (const mask of startOptions(task, chosen).slice(1)) starts.push(await make(first, firstInputs, mask))
  const used = settingsOfMask(task, chosen)
  return { first, grid, choice, settings: used, masks, starts, transfer: await transferAll(gpu, task, masks, used) }
}

/** A mask of the grid. */
export function gridMask(task: RobustnessTask, options: MaskOptions, made: MadeMask): GridMask {
  const { lambda1, lambda2 } = settingsOfMask(task, options)
  return { lambda1, lambda2, after: mean(made.after), area: made.area, densities: made.densities, made }
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

async function makeMask(
  gpu: Gpu,
  task: RobustnessTask,
  one: StudyNetwork,
  inputs: readonly MaskInput[],
  options: MaskOptions,
  label: string,
): Promise<MadeMask> {
  const { parts, target, reporter } = task
  const bar = reporter.progress(label)
  const name = maskName(task, one, inputs, options)
  const steps = settingsOfMask(task, options).iterations
  const known = await parts.has(name)
  const part = await parts.ensure(name, inputs.length * steps, async () => {
    const result = await optimiseMask(gpu, one.network, inputs, {
      ...options,
      onProgress: ({ iteration, iterations }) => bar.update(iteration, iterations),
    })
    const { mask, before, after, iterations, converged } = result
    const facts = { before: before.map((p) => p[target]!), after: after.map((p) => p[target]!), iterations, converged }
    return { arrays: new Map([['mask', { shape: one.network.description.input.slice(1), data: mask }]]), facts }
  })
  bar.clear()
  const made = madeMask(task, one, inputs, part)
  if (!known) {
    const { before, after, iterations } = made
    reporter.note(`${label}: P ${mean(before).toFixed(3)} -> ${mean(after).toFixed(3)}, ${iterations} steps`)
  }
  return made
}

/** A mask as a part has it, and what it amounts to on the scans' grid. */
export function madeMask(
  { scans, atlas, options }: RobustnessTask,
  { network }: StudyNetwork,
  inputs: readonly MaskInput[],
  part: Part,
): MadeMask {
  const facts = part.facts as Pick<MadeMask, 'before' | 'after' | 'iterations' | 'converged'>
  const mask = part.arrays.get('mask')!.data
  const away = mask.map((m) => 1 - m)
  const relevance = invertRecipe(network.description.recipe, away, scans.mean)
  const weights = options.weight === 'tissue' ? scans.mean.data : undefined
  return {
    mask,
    ...facts,
    area: areaOf(mask, inputs),
    relevance,
    densities: regionDensities(relevance.data, atlas, weights),
  }
}

/** Mean of 1 - m over the voxels where any of the scans is not 0. */
function areaOf(mask: Float32Array, inputs: readonly MaskInput[]): number {
  let [sum, count] = [0, 0]
  for (let v = 0; v < mask.length; v++) {
    if (!inputs.some(({ tensor, plain }) => (plain ?? tensor)[v] !== 0)) continue
    sum += 1 - mask[v]!
    count++
  }
  return count > 0 ? sum / count : 0
}

/** What a network's judgement of all masks depends on. */
export function transferName(
  task: RobustnessTask,
  one: StudyNetwork,
  inputs: readonly MaskInput[],
  masks: readonly Float32Array[],
  settings: MaskSettings,
): PartName {
  const { fill, within, precision, spacing } = settings
  const of = { network: one.digest, inputs, masks, target: task.target, settings: { fill, within, precision, spacing } }
  return { kind: 'transfer', of }
}

async function transferAll(
  gpu: Gpu,
  task: RobustnessTask,
  all: readonly NetworkMask[],
  settings: MaskSettings,
): Promise<number[][]> {
  const { folder, parts, target, options, reporter } = task
  const masks = all.map(({ made }) => made.mask)
  const byNetwork: number[][] = []
  for (const [n, one] of folder.networks.entries()) {
    const inputs = await inputsOf(task, one)
    const bar = reporter.progress(`all masks on network ${n + 1}/${folder.networks.length}`)
    const { batch, precision, memoryLimit } = options
    const part = await parts.ensure(
      transferName(task, one, inputs, masks, settings),
      inputs.length * masks.length,
      async () => {
        const onProgress = (done: number, total: number) => bar.update(done, total)
        const found = await maskedProbabilities(gpu, one.network, inputs, masks, settings, {
          target,
          batch,
          precision,
          memoryLimit,
          onProgress,
        })
        const data = Float32Array.from(found.flat())
        return { arrays: new Map([['probabilities', { shape: [masks.length, inputs.length], data }]]), facts: {} }
      },
    )
    bar.clear()
    const { data } = part.arrays.get('probabilities')!
    byNetwork.push(masks.map((_, m) => mean(Array.from(data.subarray(m * inputs.length, (m + 1) * inputs.length)))))
  }
  return masks.map((_, m) => byNetwork.map((list) => list[m]!))
}
