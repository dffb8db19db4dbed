/** Timing with tinybench: short tasks are repeated within a sample, tasks that are compared take turns. */
import { Bench } from 'tinybench'

export interface Task {
  readonly name: string
  /** Does the work `times` times and waits for its end. It has run before, so that pipelines and memory are there. */
  run(times: number): Promise<void>
}

export interface Timing {
  /** Medians of one execution. The CPU time is that of the process, all threads: what a software adapter computes with. */
  readonly milliseconds: number
  readonly cpuMilliseconds: number
  readonly samples: readonly number[]
}

/** A sample lasts at least so long, so that submitting and waiting do not count. */
const SAMPLE_MS = 40
const MOST_TIMES = 200

/**
 * Times tasks in turns: one sample of each, then the next of each, so that a busy machine slows all of them alike.
 * @param repetitions samples of each; fewer, but at least one, when they would take more than `seconds`.
 */
export async function measure(tasks: readonly Task[], repetitions: number, seconds: number): Promise<Timing[]> {
  const times: number[] = []
  for (const task of tasks) {
    const { milliseconds } = await timed(task, 1)
    times.push(Math.max(1, Math.min(MOST_TIMES, Math.ceil(SAMPLE_MS / milliseconds))))
  }
  const wall: number[][] = tasks.map(() => [])
  const cpu: number[][] = tasks.map(() => [])
  const end = performance.now() + 1000 * seconds
  for (let round = 0; round < repetitions && (round === 0 || performance.now() < end); round++) {
    const bench = new Bench({ iterations: 1, time: 0, warmup: false, retainSamples: true, throws: true })
    for (const [k, task] of tasks.entries()) {
      const sample = async () => {
        const { milliseconds, cpuMilliseconds } = await timed(task, times[k]!)
        cpu[k]!.push(cpuMilliseconds)
        return { overriddenDuration: milliseconds }
      }
      bench.add(`${k}`, sample, { async: true })
    }
    await bench.run()
    for (const [k, { result }] of bench.tasks.entries()) {
      if ('latency' in result) wall[k]!.push(...(result.latency.samples ?? []))
    }
  }
  return tasks.map((_, k) => ({
    milliseconds: median(wall[k]!),
    cpuMilliseconds: median(cpu[k]!),
    samples: wall[k]!,
  }))
}

async function timed(task: Task, times: number): Promise<{ milliseconds: number; cpuMilliseconds: number }> {
  const before = process.cpuUsage()
  const start = performance.now()
  await task.run(times)
  const milliseconds = (performance.now() - start) / times
  const { user, system } = process.cpuUsage(before)
  return { milliseconds, cpuMilliseconds: (user + system) / 1000 / times }
}

export function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
