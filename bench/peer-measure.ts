/** Wall and CPU time of sides that take turns, wherever they compute: here, in a browser, in another process. */
import { median } from '../src/engine/cost.ts'

/** Of all executions that were asked for. */
export interface Spent {
  readonly milliseconds: number
  readonly cpuMilliseconds: number
}

/**
 * Does some work `times` times and waits for its end. Work elsewhere says what it has spent, which counts instead of what
 * this process has.
 */
export type Run = (times: number) => Promise<Spent | undefined>

export interface Timing {
  /** Medians of one execution; CPU time is that of all threads. */
  readonly milliseconds: number
  readonly cpuMilliseconds: number
  /** Wall times. */
  readonly samples: readonly number[]
}

/** A sample lasts at least so long, so that submitting and waiting do not count; clocks of CPU time tick in 10 ms. */
const SAMPLE_MS = 100
const MOST_TIMES = 200

/**
 * One sample of each, then the next of each, so that a busy machine slows all of them alike.
 * @param repetitions samples of each; fewer, but at least one, when they would take more than `seconds`.
 */
export async function measureInTurns(runs: readonly Run[], repetitions: number, seconds: number): Promise<Timing[]> {
  const times: number[] = []
  for (const run of runs) {
    const { milliseconds } = await timed(run, 1)
    times.push(Math.max(1, Math.min(MOST_TIMES, Math.ceil(SAMPLE_MS / milliseconds))))
  }
  const samples: Spent[][] = runs.map(() => [])
  const end = performance.now() + 1000 * seconds
  for (let round = 0; round < repetitions && (round === 0 || performance.now() < end); round++) {
    for (const [k, run] of runs.entries()) samples[k]!.push(await timed(run, times[k]!))
  }
  return samples.map((of) => {
    const wall = of.map(({ milliseconds }) => milliseconds)
    return { milliseconds: median(wall), cpuMilliseconds: median(of.map((s) => s.cpuMilliseconds)), samples: wall }
  })
}

/** Of one execution. */
async function timed(run: Run, times: number): Promise<Spent> {
  const before = process.cpuUsage()
  const start = performance.now()
  const spent = await run(times)
  const milliseconds = spent?.milliseconds ?? performance.now() - start
  const { user, system } = process.cpuUsage(before)
  const cpuMilliseconds = spent?.cpuMilliseconds ?? (user + system) / 1000
  return { milliseconds: milliseconds / times, cpuMilliseconds: cpuMilliseconds / times }
}
