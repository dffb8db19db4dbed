/** The work of voxplain explain: scans through the GPU, maps into files, failures told one by one. */
import { basename, join } from 'node:path'
import { GpuError } from '../engine/errors.ts'
import type { Gpu } from '../engine/gpu.ts'
import type { MemoryReport } from '../engine/plan.ts'
import { type Explanation, explanationOf, type PreparedScan, prepareScan } from '../explain/explain.ts'
import {
  type Lambdas,
  type MaskOptions,
  type MaskProgress,
  optimiseMask,
  optimiseMasks,
  planMask,
  planMasks,
} from '../explain/mask.ts'
import { InputError } from '../io/errors.ts'
import type { NiftiVolume } from '../io/nifti.ts'
import { explanationFiles } from './explain-files.ts'
import { describeGpu, describeMemory } from './gpu.ts'
import { type LoadedNetwork, withHint } from './network.ts'
import { writeTogether } from './outputs.ts'
import type { Progress } from './progress.ts'
import { forEachScan, type Outcome, readerOf, tellAbout } from './scans.ts'
import type { Reporter } from './terminal.ts'

/** One pair of lambdas, and what its files are called beside those of the others; empty where it is the only one. */
export interface Setting extends Lambdas {
  readonly suffix: string
}

export interface Task {
  readonly gpu: Gpu
  /** File of the network. */
  readonly path: string
  readonly loaded: LoadedNetwork
  readonly method: 'mask'
  /** File of the mean image. */
  readonly reference?: string
  readonly mask: MaskOptions
  readonly settings: readonly Setting[]
  readonly scans: readonly string[]
  /** Names of the files to be written, one a scan. */
  readonly stems: readonly string[]
  readonly out: string
  readonly reporter: Reporter
}

/** Files of one map, and their record. */
export interface Written {
  readonly files: readonly string[]
  readonly report: object
}

/**
 * A mask for every scan and setting. Reading the next scans and writing the last maps goes on beside the GPU's work, and no
 * more than a few scans are in memory.
 */
export async function explainEach(task: Task): Promise<Outcome<Written>[]> {
  const { gpu, loaded, mask, settings, scans, stems, reporter } = task
  const { network } = loaded
  const outcomes: Outcome<Written>[][] = scans.map(() => [])
  const fail = (index: number, error: string) => {
    const scan = scans[index]!
    reporter.warn(error.startsWith(scan) ? error : `${scan}: ${error}`)
    outcomes[index]!.push({ scan, error })
  }
  /** Indices of the scans that could be used, in order. */
  const usable: number[] = []
  async function* prepared() {
    const read = readerOf(scans)
    for (const index of scans.keys()) {
      try {
        const volume = await read(index)
        const scan = await withHint(loaded, volume, async () => prepareScan(network, volume))
        usable.push(index)
        yield { ...scan, volume, index }
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        fail(index, error.message)
      }
    }
  }
  const label = ({ first, count }: MaskProgress) => {
    const [from, to] = [first, first + count - 1].map((k) => usable[Math.floor(k / settings.length)]!) as [
      number,
      number,
    ]
    if (to > from) return `${from + 1} to ${to + 1}/${scans.length}`
    return `${scans.length > 1 ? `${from + 1}/${scans.length} ` : ''}${basename(scans[from]!)}`
  }
  try {
    const source = prepared()
    const head = await source.next()
    if (head.done) return outcomes.flat()
    const spaced = { ...mask, spacing: head.value.spacing }
    const plan = planMasks(gpu, network, spaced, scans.length * settings.length)
    tellPlan(task, plan, plan.batch)
    async function* inputs() {
      yield head.value!
      yield* source
    }
    const options = { ...mask, lambdas: settings, batch: plan.batch, onProgress: showProgress(reporter, label) }
    for await (const outcome of optimiseMasks(gpu, network, inputs(), options)) {
      const { scan } = outcome
      const setting = settings.find((one) => one === outcome.lambdas)!
      if ('error' in outcome) {
        fail(scan.index, outcome.error.message)
        continue
      }
      const file = scans[scan.index]!
      if (setting === settings[0]) tellAbout(file, scan, reporter)
      const explanation = explanationOf(network, scan.volume, [scan], outcome.result)
      const stem = stems[scan.index]! + setting.suffix
      try {
        const result = await write(task, scan.volume, explanation, { scans: [file], failed: [] }, stem)
        outcomes[scan.index]!.push({ scan: file, result })
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        fail(scan.index, error.message)
      }
    }
  } catch (error) {
    if (!(error instanceof GpuError)) throw error
    const left = [...scans.keys()].filter((index) => outcomes[index]!.length === 0)
    fail(left[0] ?? scans.length - 1, `${error.message}${left.length > 1 ? `; ${left.length - 1} more not tried` : ''}`)
    for (const index of left.slice(1)) {
      outcomes[index]!.push({ scan: scans[index]!, error: 'not tried: the GPU failed before' })
    }
  }
  return outcomes.flat()
}

/** One mask for all scans that can be used; the others are told of, and named in the result. */
export async function explainTogether(task: Task): Promise<Outcome<Written>[]> {
  const { gpu, loaded, mask, settings, scans, stems, reporter } = task
  const { network } = loaded
  let background: NiftiVolume | undefined
  // Every step needs every scan: all of them stay in memory as the network sees them.
  const prepared = await forEachScan(scans, reporter, (volume, file) =>
    withHint(loaded, volume, async () => {
      const scan = prepareScan(network, volume)
      tellAbout(file, scan, reporter)
      background ??= volume
      return scan
    }),
  )
  const usable = prepared.flatMap((outcome) => ('result' in outcome ? [outcome] : []))
  const failed = prepared.flatMap((outcome) => ('error' in outcome ? [outcome] : []))
  if (!background) return failed
  const inputs: PreparedScan[] = usable.map(({ result }) => result)
  const tensors = inputs.map(({ tensor }) => tensor)
  const used = usable.map(({ scan }) => scan)
  const spaced = { ...mask, spacing: inputs[0]!.spacing }
  tellPlan(task, planMask(gpu, network, spaced, tensors.length))
  const outcomes: Outcome<Written>[] = []
  for (const { suffix, ...lambdas } of settings) {
    const onProgress = showProgress(reporter, () => `group of ${tensors.length}`)
    const result = await optimiseMask(gpu, network, tensors, { ...spaced, ...lambdas, onProgress })
    const explanation = explanationOf(network, background, inputs, result)
    const stem = stems[0]! + suffix
    const written = await write(task, background, explanation, { scans: used, failed }, stem)
    outcomes.push({ scan: 'group', result: written })
  }
  return [...outcomes, ...failed]
}

/** Says what the GPU will hold, before it does. */
function tellPlan({ gpu, reporter }: Task, plan: MemoryReport, batch = 1): void {
  const many = batch > 1 ? `, ${batch} maps at a time` : ''
  reporter.note(`${describeMemory(plan)} on ${gpu.name}${many}`)
}

/** A progress bar; a new one whenever other masks are at work. */
function showProgress(reporter: Reporter, label: (progress: MaskProgress) => string): MaskOptions['onProgress'] {
  let bar: Progress | undefined
  let first = -1
  return (progress) => {
    const { iteration, iterations, total, score } = progress
    if (!bar || first !== progress.first) bar = reporter.progress(label(progress))
    first = progress.first
    bar.update(iteration, iterations, `loss ${total.toFixed(4)} score ${score.toFixed(4)}`)
  }
}

async function write(
  { gpu, path, loaded, method, reference, out, reporter }: Task,
  background: NiftiVolume,
  explanation: Explanation<NiftiVolume>,
  sources: { scans: readonly string[]; failed: readonly { scan: string; error: string }[] },
  stem: string,
): Promise<Written> {
  const about = { network: path, loaded, method, reference, ...sources, ...describeGpu(gpu) }
  const { files, report, summary } = await explanationFiles(background, explanation, about, join(out, stem))
  await writeTogether(files)
  reporter.print(`${files[0]!.path}: ${summary}`)
  return { files: files.map((file) => file.path), report }
}
