/**
 * Which variant of a kernel is fastest depends on the adapter and the shapes, and is best found by trying. Every variant of
 * a choice gives the same bits (see LowerContext.choose), so what is found changes the time a program takes and nothing else.
 */
import { GpuError } from './errors.ts'
import type { Step } from './fuse.ts'
import { type Gpu, release } from './gpu.ts'
import { type CompileOptions, choiceKey, planProgram } from './plan.ts'
import { tuneStore } from './platform.ts'
import type { Program } from './program.ts'
import type { Choice, Tensor } from './tensor.ts'
import { type AloneStep, isolateStep } from './tune-alone.ts'
import { stopwatch } from './tune-time.ts'

export interface TuneOptions extends CompileOptions {
  /** Milliseconds after which nothing new is begun; what is undecided then keeps its preferred variant. Default 10 000. */
  budget?: number
  /** How often each variant is measured; the shortest time counts. Default 5. */
  repetitions?: number
  /** Measure again what is known. Default false. */
  again?: boolean
  /** Called with each choice when it is decided or given up, and how many there are. */
  onProgress?: (choice: TunedChoice, done: number, total: number) => void
}

export interface VariantTime {
  readonly variant: string
  /** Shortest time of the step in milliseconds; undefined where it was not measured. */
  readonly milliseconds: number | undefined
  /** Why it does not compile or run. */
  readonly error?: string
}

export interface TunedChoice {
  readonly choice: Choice
  /** How many nodes of the program it is about. */
  readonly nodes: number
  /** What the program will use. */
  readonly winner: string
  /** `known` from before, `measured` now, `undecided`: the time ran out or no variant works, so the preferred one is used. */
  readonly how: 'known' | 'measured' | 'undecided'
  /** What was measured now. */
  readonly times: readonly VariantTime[]
}

export interface TuneReport {
  readonly choices: readonly TunedChoice[]
  readonly seconds: number
}

/**
 * Measures the variants of a program's nodes, each step by itself, and remembers the fastest in gpu.tuning and in the
 * user's cache. Choices that options.variant decides, that are known, or that have one variant only are not measured.
 * @param outputs the program's, as for planProgram; options.effects too.
 * @throws GpuError 'lost' when the device is lost. A variant that does not compile or run is not chosen, and no error.
 */
export async function tune(gpu: Gpu, outputs: readonly Tensor[], options: TuneOptions = {}): Promise<TuneReport> {
  const start = performance.now()
  const { budget = 10_000, repetitions = 5, again = false, onProgress } = options
  const open = openChoices(planProgram(gpu, outputs, options).steps, options)
  const choices: TunedChoice[] = []
  for (const { choice, nodes } of open) {
    const known = gpu.tuning.get(choiceKey(choice))
    let tuned: TunedChoice
    if (!again && known !== undefined && choice.variants.includes(known)) {
      tuned = { choice, nodes, winner: known, how: 'known', times: [] }
    } else {
      const alone = isolateStep(gpu, outputs, options, choice)
      const { times, complete } = await race(gpu, alone, choice, start + budget, repetitions)
      const winner = complete ? fastest(times) : undefined
      if (winner !== undefined) gpu.tuning.set(choiceKey(choice), winner)
      const how = winner === undefined ? 'undecided' : 'measured'
      tuned = { choice, nodes, winner: winner ?? choice.preferred, how, times }
    }
    choices.push(tuned)
    onProgress?.(tuned, choices.length, open.length)
  }
  if (choices.some((c) => c.how === 'measured')) {
    await (await tuneStore()).save(gpu.tunedAt, Object.fromEntries(gpu.tuning))
  }
  return { choices, seconds: (performance.now() - start) / 1000 }
}

interface OpenChoice {
  readonly choice: Choice
  /** Multiply-adds x 2 of one of its steps. */
  readonly flops: number
  nodes: number
}

/** The different choices of a program, those with most work first: should the time run out, they are done. */
function openChoices(steps: readonly Step[], { variant }: CompileOptions): OpenChoice[] {
  const found = new Map<string, OpenChoice>()
  for (const step of steps) {
    for (const choice of step.choices) {
      if (choice.variants.length < 2 || choice.variants.includes(variant?.(choice) ?? '')) continue
      const same = found.get(choiceKey(choice))
      if (same) same.nodes++
      else found.set(choiceKey(choice), { choice, flops: flopsOf(step), nodes: 1 })
    }
  }
  return [...found.values()].sort((a, b) => b.flops - a.flops)
}

function flopsOf({ dispatches }: Step): number {
  return dispatches.reduce((sum, d) => sum + (d.flops ?? 0), 0)
}

/** Times of a choice's variants, in turns, so that a machine that slows down slows all of them. */
async function race(gpu: Gpu, alone: AloneStep | undefined, choice: Choice, deadline: number, repetitions: number) {
  const order = [choice.preferred, ...choice.variants.filter((v) => v !== choice.preferred)]
  const runners: Runner[] = []
  const late = () => performance.now() > deadline
  try {
    for (const variant of order) {
      if (late() || !alone) break
      runners.push(await startRunner(gpu, variant, () => alone.compile(variant)))
    }
    const complete = runners.length === order.length
    for (let k = 1; k < repetitions && complete && !late(); k++) {
      const best = Math.min(...runners.map((r) => r.best))
      // A variant that is twice as slow will not win, whatever the noise.
      const racing = runners.filter((r) => r.time && r.best <= 2 * best)
      if (racing.length < 2) break
      for (const runner of racing) runner.best = Math.min(runner.best, await runner.time!())
    }
    const times = runners.map(
      ({ variant, best, error }): VariantTime => ({ variant, milliseconds: finite(best), ...(error && { error }) }),
    )
    return { times, complete }
  } finally {
    for (const { program } of runners) program?.destroy()
    release(gpu, alone?.operands.values() ?? [])
  }
}

interface Runner {
  readonly variant: string
  readonly program?: Program
  readonly time?: () => Promise<number>
  readonly error?: string
  /** Shortest time so far. */
  best: number
}

/** Compiles a variant, and measures it once. */
async function startRunner(gpu: Gpu, variant: string, make: () => Promise<Program>): Promise<Runner> {
  let program: Program | undefined
  try {
    program = await make()
    const time = await stopwatch(gpu, program)
    return { variant, program, time, best: await time() }
  } catch (error) {
    if (error instanceof GpuError && error.kind === 'lost') throw error
    // Whatever else the device has to say about it is said now, and not during the next one.
    await program?.done().catch(() => undefined)
    program?.destroy()
    return { variant, error: error instanceof Error ? error.message : String(error), best: Number.POSITIVE_INFINITY }
  }
}

function fastest(times: readonly VariantTime[]): string | undefined {
  const best = Math.min(...times.map((t) => t.milliseconds ?? Number.POSITIVE_INFINITY))
  return times.find((t) => t.milliseconds === best)?.variant
}

function finite(milliseconds: number): number | undefined {
  return Number.isFinite(milliseconds) ? milliseconds : undefined
}
