/** Methods made ready for one network: compiled once, run for group after group of scans. */
import { GpuError } from '../engine/errors.ts'
import type { Gpu } from '../engine/gpu.ts'
import type { MemoryReport } from '../engine/plan.ts'
import { busyBatch, MODEST_BYTES } from '../explain/batch.ts'
import { type MaskResult, planMasks } from '../explain/mask.ts'
import { maskAttribution, openMasks } from '../explain/mask-method.ts'
import type { Attribution, Explainer, Method, MethodInput } from '../explain/method.ts'
import type { MethodChoice } from '../explain/methods.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import { describeValue } from './explain-list.ts'
import type { CommonFlags, MaskPlan } from './explain-options.ts'

/** One of several maps that a method makes of a scan and class. */
export interface Variant {
  /** Between the scan's name and the rest; empty where there is only one. */
  readonly suffix: string
  /** All that it is told, for the record and its key. */
  readonly settings: object
}

export interface WorkerJob {
  readonly input: MethodInput
  readonly variant: Variant
}

/** What came of a job. */
export interface Made {
  readonly attribution: Attribution
  readonly change: string
  readonly summary: string
  readonly details: Readonly<Record<string, unknown>>
}

/** @param detail how it stands, in a few words */
export type OnProgress = (share: number, detail?: string) => void

export interface Worker {
  readonly choice: MethodChoice
  readonly memory: MemoryReport
  /** Maps that are made at a time. */
  readonly batch: number
  /** @param files the scan of each job, for the record. An error is that job's own. */
  run(jobs: readonly (WorkerJob & { file: string })[], onProgress: OnProgress): Promise<(Made | InputError)[]>
  destroy(): void
}

/** Opens a method: something that is not a mask. @param count jobs that will come */
export async function openWorker(
  gpu: Gpu,
  network: Network,
  choice: MethodChoice,
  flags: CommonFlags,
  count: number,
): Promise<Worker> {
  const explainer = await makeThatFits(gpu, network, choice, flags, count)
  const { classes } = network.description.recipe
  const toMade = (attribution: Attribution, file: string, seconds: number): Made => {
    const { relevance, target, probabilities, logits, facts } = attribution
    const range = statisticsOf(relevance)
    if (!Number.isFinite(range.sum)) throw new InputError(`the relevance is not finite (its sum is ${range.sum})`)
    const name = classes[target]!
    return {
      attribution,
      change: `P(${name}) ${probabilities[target]!.toFixed(4)}`,
      summary: `relevance from ${short(range.min)} to ${short(range.max)}, sum ${short(range.sum)}, ${seconds.toFixed(1)} s`,
      details: {
        title: choice.method.title,
        source: choice.method.source,
        signed: choice.method.signed,
        options: describeSettings(choice.settings),
        probability: { before: probabilities[target]! },
        scans: [{ scan: file, before: byClass(classes, probabilities), logits: byClass(classes, logits) }],
        relevance: range,
        facts,
        gpuBytes: explainer.memory.total,
        seconds,
      },
    }
  }
  const alone = async (job: WorkerJob & { file: string }, onProgress: OnProgress): Promise<Made | InputError> => {
    try {
      const began = performance.now()
      const [found] = await explainer.explain([job.input], { onProgress })
      return toMade(found!, job.file, (performance.now() - began) / 1000)
    } catch (error) {
      if (error instanceof InputError) return error
      throw error
    }
  }
  return {
    choice,
    memory: explainer.memory,
    batch: explainer.batch,
    async run(jobs, onProgress) {
      const inputs = jobs.map(({ input }) => input)
      try {
        const began = performance.now()
        const found = await explainer.explain(inputs, { onProgress })
        const seconds = (performance.now() - began) / 1000 / jobs.length
        return found.map((attribution, k) => toMade(attribution, jobs[k]!.file, seconds))
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        if (jobs.length === 1) return [error]
        // One of them will not do: the others shall not suffer from it.
        const outcomes: (Made | InputError)[] = []
        for (const job of jobs) outcomes.push(await alone(job, onProgress))
        return outcomes
      }
    },
    destroy: () => explainer.destroy(),
  }
}

/** Compiles with as large a batch as keeps the adapter busy and fits. */
async function makeThatFits(
  gpu: Gpu,
  network: Network,
  { method, settings }: MethodChoice,
  flags: CommonFlags,
  count: number,
): Promise<Explainer> {
  const make = (batch: number, memoryLimit: number | undefined) =>
    (method as Method).make(gpu, network, settings, { ...flags, batch, memoryLimit })
  if (flags.batch !== undefined) return make(Math.min(flags.batch, count), flags.memoryLimit)
  for (let batch = busyBatch(gpu, network, count); batch > 1; batch >>= 1) {
    try {
      return await make(batch, Math.min(flags.memoryLimit ?? MODEST_BYTES, MODEST_BYTES))
    } catch (error) {
      if (!(error instanceof GpuError && error.kind === 'limit')) throw error
    }
  }
  return make(1, flags.memoryLimit)
}

/** Opens a mask; its variants are jobs like any other, all in one program. @param count jobs that will come */
export function openMaskWorker(
  gpu: Gpu,
  network: Network,
  choice: MethodChoice,
  { options, reference }: MaskPlan,
  spacing: MethodInput['spacing'],
  count: number,
): Worker {
  const plan = planMasks(gpu, network, { ...options, spacing }, count)
  let detail = ''
  const explainer = openMasks(
    gpu,
    network,
    {
      ...options,
      batch: plan.batch,
      onProgress({ total, score }) {
        detail = `loss ${total.toFixed(4)} score ${score.toFixed(4)}`
      },
    },
    plan,
  )
  const { classes } = network.description.recipe
  return {
    choice,
    memory: plan,
    batch: plan.batch,
    async run(jobs, onProgress) {
      const entries = jobs.map(({ input, variant }) => ({ scan: input, lambdas: lambdasOf(variant) }))
      const outcomes = await explainer.outcomes(entries, { onProgress: (share) => onProgress(share, detail) })
      return outcomes.map((outcome, k) => {
        if ('error' in outcome) return outcome.error
        const attribution = maskAttribution(outcome.result)
        return { attribution, ...maskDetails(outcome.result, [jobs[k]!.file], classes, reference) }
      })
    },
    destroy: () => explainer.destroy(),
  }
}

const lambdasOf = ({ settings }: Variant) => settings as { lambda1: number; lambda2: number }

/** What there is to say about a mask, of one scan or of a group. */
export function maskDetails(
  result: MaskResult,
  files: readonly string[],
  classes: readonly string[],
  reference: string | undefined,
): Omit<Made, 'attribution'> {
  const name = classes[result.target]!
  const mean = (all: readonly ArrayLike<number>[]) => all.reduce((sum, p) => sum + p[result.target]!, 0) / all.length
  const score = { before: mean(result.before), after: mean(result.after) }
  const steps = `${result.iterations} steps${result.converged ? '' : ' (not converged)'}`
  return {
    change: `P(${name}) ${score.before.toFixed(4)} -> ${score.after.toFixed(4)}`,
    summary: `${(100 * result.masked).toFixed(2)} % masked, ${steps}, ${result.seconds.toFixed(1)} s`,
    details: {
      options: { ...result.settings, reference: reference ?? null },
      probability: score,
      scans: files.map((scan, k) => ({
        scan,
        before: byClass(classes, result.before[k]!),
        after: byClass(classes, result.after[k]!),
      })),
      masked: result.masked,
      iterations: result.iterations,
      converged: result.converged,
      trace: result.trace,
      gpuBytes: result.gpuBytes,
      seconds: result.seconds,
    },
  }
}

const byClass = (classes: readonly string[], values: ArrayLike<number>) =>
  Object.fromEntries(classes.map((name, k) => [name, values[k]]))

const short = (value: number) => String(Number(value.toPrecision(3)))

/** In float64. */
function statisticsOf(values: Float32Array) {
  let [min, max, sum, positive] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0]
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    if (value > 0) positive += value
  }
  return { min, max, sum, positive }
}

/** Settings as the record has them: long lists of numbers by their length alone. */
function describeSettings(settings: object): object {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, ArrayBuffer.isView(value) ? describeValue(value) : value]),
  )
}
