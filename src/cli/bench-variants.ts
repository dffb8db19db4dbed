/** Every way that the engine has to compute something: results compared first, then timed in turns. */
import { type CompileOptions, compile } from '../engine/compile.ts'
import type { Gpu } from '../engine/gpu.ts'
import { planProgram } from '../engine/plan.ts'
import type { Program } from '../engine/program.ts'
import type { Choice, Tensor } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import { type Timing, type TimingOptions, timeInTurns } from './timing.ts'

/** Results that differ by more than this part of the largest value are wrong. */
export const TOLERANCE = 1e-4

/** What is computed, and from what. */
export interface Work {
  readonly name: string
  readonly output: Tensor
  /** Values of the program's inputs. */
  readonly inputs: ReadonlyMap<Tensor, Float32Array>
  readonly options?: CompileOptions
  /** What the output should be. Without it variants are only compared with the preferred one. */
  readonly expected?: ArrayLike<number>
  /** What GFLOP/s are counted by, whatever a variant does besides. Default: what its kernels say. */
  readonly flops?: number
}

export interface VariantRow {
  readonly pass: string
  readonly variant: string
  /** What the engine takes on this adapter unless told otherwise. */
  readonly preferred: boolean
  /** Largest difference to the preferred variant's result, as a part of the largest value. */
  readonly difference: number
  /** The same to the expected result. */
  readonly error: number | undefined
  /** False where a difference is above TOLERANCE: such a variant is not timed. */
  readonly right: boolean
  readonly timing: Timing | undefined
  readonly gflops: number | undefined
  readonly gigabytesPerSecond: number | undefined
  /** Absent where no kernel says. */
  readonly flops: number | undefined
  /** Of all operands of all kernels, each once a kernel. */
  readonly bytes: number
  readonly kernels: readonly string[]
}

/** Names of variants, `all`, or `preferred`. */
export type Wanted = 'all' | 'preferred' | readonly string[]

interface Way {
  readonly name: string
  readonly preferred: boolean
  readonly variant: CompileOptions['variant']
}

/**
 * Compares and times variants of several works.
 * @throws InputError where a wanted variant is in none of them, with the names there are
 */
export async function benchVariants(
  gpu: Gpu,
  works: readonly Work[],
  wanted: Wanted,
  timing: TimingOptions,
): Promise<VariantRow[]> {
  const ways = works.map((work) => waysOf(gpu, work))
  requireKnown(wanted, new Set(ways.flat().map(({ name }) => name)))
  const rows: VariantRow[] = []
  for (const [k, work] of works.entries()) rows.push(...(await benchWork(gpu, work, ways[k]!, wanted, timing)))
  return rows
}

/** The preferred way first, then one for each variant that anything in the program offers besides. */
function waysOf(gpu: Gpu, { output, options }: Work): Way[] {
  const questions = planProgram(gpu, [output], options).steps.flatMap(({ choices }) => choices)
  const topics = new Set(questions.map(({ name }) => name))
  const favourites = new Set(questions.map(({ preferred }) => preferred))
  const single = topics.size === 1 && favourites.size === 1 ? questions[0]!.preferred : undefined
  const ways = new Map<string, Way>()
  for (const { name, variants } of questions) {
    for (const variant of variants) {
      const label = topics.size === 1 ? variant : `${name}:${variant}`
      const choose = (choice: Choice) => (choice.name === name ? variant : undefined)
      if (variant !== single) ways.set(label, { name: label, preferred: false, variant: choose })
    }
  }
  const usual = single ?? (questions.length === 0 ? 'only' : 'preferred')
  return [{ name: usual, preferred: true, variant: undefined }, ...ways.values()]
}

function requireKnown(wanted: Wanted, known: ReadonlySet<string>): void {
  if (typeof wanted === 'string') return
  const wrong = wanted.find((name) => !known.has(name))
  if (wrong !== undefined)
    throw new InputError(
      `no variant is called "${wrong}" here; known: ${[...known].map((name) => `"${name}"`).join(', ')}`,
    )
}

async function benchWork(
  gpu: Gpu,
  work: Work,
  ways: readonly Way[],
  wanted: Wanted,
  timing: TimingOptions,
): Promise<VariantRow[]> {
  const shown = ({ name, preferred }: Way) =>
    wanted === 'all' || (wanted === 'preferred' ? preferred : wanted.includes(name))
  const tried = ways.filter((way) => way.preferred || shown(way))
  if (!tried.some(shown)) return []
  const programs: Program[] = []
  try {
    const results: Float32Array[] = []
    for (const { variant } of tried) {
      const program = await compile(gpu, { y: work.output }, { ...work.options, variant })
      programs.push(program)
      for (const t of program.inputs) program.write(t, work.inputs.get(t)!)
      program.run()
      results.push(await program.read(work.output))
    }
    const rows = tried.map((way, k) => ({
      way,
      program: programs[k]!,
      ...judge(results[k]!, results[0]!, work.expected),
    }))
    const kept = rows.filter(({ way }) => shown(way))
    const timed = kept.filter(({ right }) => right)
    const tasks = timed.map(({ program }) => ({
      run: (times: number) => {
        program.run(times)
        return program.done()
      },
    }))
    const timings = await timeInTurns(tasks, timing)
    return kept.map(({ way, program, ...judged }) => ({
      pass: work.name,
      variant: way.name,
      preferred: way.preferred,
      ...judged,
      ...speed(program, work.flops, timings[timed.findIndex((row) => row.program === program)]),
    }))
  } finally {
    for (const program of programs) program.destroy()
  }
}

function judge(result: Float32Array, preferred: Float32Array, expected: Work['expected']) {
  const difference = relativeDifference(result, preferred)
  const error = expected && relativeDifference(result, expected)
  return { difference, error, right: Math.max(difference, error ?? 0) <= TOLERANCE }
}

/** Largest difference as a part of the largest expected value; infinite where a value is not a number. */
function relativeDifference(values: Float32Array, expected: ArrayLike<number>): number {
  let [largest, difference] = [0, 0]
  for (let k = 0; k < values.length; k++) {
    const off = Math.abs(values[k]! - expected[k]!)
    if (!Number.isFinite(off)) return Number.POSITIVE_INFINITY
    difference = Math.max(difference, off)
    largest = Math.max(largest, Math.abs(expected[k]!))
  }
  return difference === 0 ? 0 : difference / largest
}

function speed({ launches }: Program, counted: number | undefined, timing: Timing | undefined) {
  const known = launches.map(({ dispatch }) => dispatch.flops).filter((flops) => flops !== undefined)
  const flops = counted ?? (known.length > 0 ? known.reduce((a, b) => a + b, 0) : undefined)
  const bytes = launches.reduce((sum, launch) => sum + launch.bytes, 0)
  const perSecond = timing && 1e6 * timing.milliseconds
  return {
    timing,
    gflops: flops === undefined || perSecond === undefined ? undefined : flops / perSecond,
    gigabytesPerSecond: perSecond === undefined ? undefined : bytes / perSecond,
    flops,
    bytes,
    kernels: launches.map(({ kernel }) => kernel),
  }
}
