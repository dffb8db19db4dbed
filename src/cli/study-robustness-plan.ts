/** What a robustness study has left to do: parts, GPU memory, and an estimated time. */
import { type Gpu, megabytes } from '../engine/gpu.ts'
import { type MaskInput, type MaskOptions, optimiseMask, planMask } from '../explain/mask.ts'
import { chooseSetting } from '../explain/study/mask-grid.ts'
import { duration } from './progress.ts'
import type { PartTime } from './study-parts.ts'
import {
  type GridMask,
  gridMask,
  gridOptions,
  inputsOf,
  madeMask,
  maskName,
  type RobustnessTask,
  settingsOfMask,
  startOptions,
} from './study-robustness-work.ts'

export interface PlannedWork {
  readonly what: string
  readonly parts: number
  readonly done: number
  /** Scans times steps at most (masks), or scans classified. */
  readonly work: number
}

export interface RobustnessPlan {
  readonly works: readonly PlannedWork[]
  readonly gpuBytes: number
  readonly seconds: number
  /** What the estimate is made from. */
  readonly from: string
}

/** Steps that are measured where nothing was timed before. */
const MEASURED = 4
/** A classification is about a third of a mask's step, which goes through the network three times. */
const CLASSIFYING = 1 / 3

/** @throws GpuError when the work needs more GPU memory than is allowed */
export async function planRobustness(gpu: Gpu, task: RobustnessTask): Promise<RobustnessPlan> {
  const { folder, options, parts, patients } = task
  const first = folder.networks[0]!
  const inputs = await inputsOf(task, first)
  const grid = gridOptions(task)
  const { iterations } = settingsOfMask(task, grid[0]!)
  const isDone = (one: MaskOptions) => parts.has(maskName(task, first, inputs, one))
  const gridDone = (await Promise.all(grid.map(isDone))).filter(Boolean).length
  const chosen = await chosenSetting(task, grid, inputs)
  let [networksDone, startsDone, networkWork] = [0, 0, 0]
  for (const one of folder.networks.slice(1)) {
    const done = chosen !== undefined && (await parts.has(maskName(task, one, await inputsOf(task, one), chosen)))
    if (done) networksDone++
    else networkWork += patients(one).length * iterations
  }
  if (chosen) {
    for (const one of startOptions(task, chosen).slice(1)) if (await isDone(one)) startsDone++
  }
  const { networks } = folder
  const classified = networks.reduce((sum, one) => sum + networks.length * patients(one).length, 0)
  const each = inputs.length * iterations
  const works: PlannedWork[] = [
    { what: 'masks of the grid of lambdas', parts: grid.length, done: gridDone, work: (grid.length - gridDone) * each },
    { what: 'masks of the other networks', parts: networks.length - 1, done: networksDone, work: networkWork },
    {
      what: 'masks from random starts',
      parts: options.starts,
      done: startsDone,
      work: (options.starts - startsDone) * each,
    },
    { what: 'masks on all networks (prob_CNN)', parts: networks.length, done: 0, work: classified },
  ]
  const scans = Math.max(...networks.map((one) => patients(one).length))
  const gpuBytes = planMask(gpu, first.network, grid[0]!, scans).total
  const { perScan, from } = await paceOf(gpu, task, grid[0]!, await parts.times())
  const masks = works.slice(0, -1).reduce((sum, { work }) => sum + work, 0)
  return { works, gpuBytes, seconds: perScan * (masks + CLASSIFYING * classified), from }
}

/** The setting that a finished grid leads to. */
async function chosenSetting(
  task: RobustnessTask,
  grid: readonly MaskOptions[],
  inputs: readonly MaskInput[],
): Promise<MaskOptions | undefined> {
  const first = task.folder.networks[0]!
  const cells: GridMask[] = []
  for (const options of grid) {
    const part = await task.parts.find(maskName(task, first, inputs, options))
    if (!part) return undefined
    cells.push(gridMask(task, options, madeMask(task, first, inputs, part)))
  }
  return grid[chooseSetting(cells, task.options.below).chosen]
}

/** Seconds of a step for one scan: from earlier parts, else measured. */
async function paceOf(
  gpu: Gpu,
  task: RobustnessTask,
  options: MaskOptions,
  times: readonly PartTime[],
): Promise<{ perScan: number; from: string }> {
  const masks = times.filter(({ kind }) => kind === 'mask')
  if (masks.length > 0) {
    const work = masks.reduce((sum, one) => sum + one.work, 0)
    const seconds = masks.reduce((sum, one) => sum + one.seconds, 0)
    return { perScan: seconds / work, from: `${masks.length} masks that were made before` }
  }
  const first = task.folder.networks[0]!
  const inputs = await inputsOf(task, first)
  const seen: { step: number; at: number }[] = []
  const onProgress = ({ iteration }: { iteration: number }) => seen.push({ step: iteration, at: performance.now() })
  await optimiseMask(gpu, first.network, inputs, { ...options, iterations: MEASURED, tolerance: 0, onProgress })
  const [from, to] = [seen[0]!, seen.at(-1)!]
  const perStep = to.step > from.step ? (to.at - from.at) / (to.step - from.step) : 0
  return { perScan: perStep / 1000 / inputs.length, from: `${MEASURED} steps that were measured now` }
}

/** The plan as rows of a printed table, head first. */
export function planRows({ works }: RobustnessPlan): string[][] {
  return [
    ['work', 'parts', 'done', 'scans x steps'],
    ...works.map(({ what, parts, done, work }) => [what, String(parts), String(done), String(work)]),
  ]
}

export function planSentence({ gpuBytes, seconds, from }: RobustnessPlan): string {
  return `GPU memory ${megabytes(gpuBytes)}; about ${duration(seconds)}, judged by ${from}`
}
