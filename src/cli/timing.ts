/** Wall and CPU time of work on the GPU, in turns. */
import { median } from '../engine/cost.ts'

export interface Task {
  /** Does the work `times` times and waits for its end. It has run before, so that pipelines and memory are there. */
  run(times: number): Promise<void>
}

export interface Timing {
  /** Medians of one execution. The CPU time is that of the process, all threads: what a software adapter computes with. */
  readonly milliseconds: number
  readonly cpuMilliseconds: number
  /** Wall times. */
  readonly samples: readonly number[]
}

export interface TimingOptions {
  /** Samples of each task at most. */
  readonly repetitions: number
  /** No further samples after so long, but at least one. */
  readonly seconds: number
}

/** A sample lasts at least so long, so that submitting and waiting do not count. */
const SAMPLE_MS = 40
const MOST_TIMES = 200

/** Times one sample. */
export async function timeOnce(task: Task, times: number): Promise<{ milliseconds: number; cpuMilliseconds: number }> {
  const before = process.cpuUsage()
  const start = performance.now()
  await task.run(times)
  const milliseconds = (performance.now() - start) / times
  const { user, system } = process.cpuUsage(before)
  return { milliseconds, cpuMilliseconds: (user + system) / 1000 / times }
}

/** How often a task is repeated within a sample. */
export async function timesPerSample(task: Task): Promise<number> {
  const { milliseconds } = await timeOnce(task, 1)
  return Math.max(1, Math.min(MOST_TIMES, Math.ceil(SAMPLE_MS / milliseconds)))
}

/** Times tasks in turns: one sample of each, then the next of each, so that a busy machine slows all of them alike. */
export async function timeInTurns(tasks: readonly Task[], { repetitions, seconds }: TimingOptions): Promise<Timing[]> {
  const repeated: { task: Task; times: number; wall: number[]; cpu: number[] }[] = []
  for (const task of tasks) repeated.push({ task, times: await timesPerSample(task), wall: [], cpu: [] })
  const end = performance.now() + 1000 * seconds
  for (let round = 0; round < repetitions && (round === 0 || performance.now() < end); round++) {
    for (const { task, times, wall, cpu } of repeated) {
      const { milliseconds, cpuMilliseconds } = await timeOnce(task, times)
      wall.push(milliseconds)
      cpu.push(cpuMilliseconds)
    }
  }
  return repeated.map(({ wall, cpu }) => ({ milliseconds: median(wall), cpuMilliseconds: median(cpu), samples: wall }))
}
