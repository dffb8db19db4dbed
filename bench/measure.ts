/** Timing with tinybench: short tasks are repeated within a sample, tasks that are compared take turns. */
import { Bench } from 'tinybench'
import { type Task as TimedTask, timeOnce, timesPerSample } from '../src/cli/timing.ts'
import { median } from '../src/engine/cost.ts'

export { median }

export interface Task extends TimedTask {
  readonly name: string
}

export interface Timing {
  /** Medians of one execution. The CPU time is that of the process, all threads: what a software adapter computes with. */
  readonly milliseconds: number
  readonly cpuMilliseconds: number
  /** Wall and CPU times of each round. */
  readonly samples: readonly number[]
  readonly cpuSamples: readonly number[]
}

/**
 * Times tasks in turns: one sample of each, then the next of each, so that a busy machine slows all of them alike.
 * @param repetitions samples of each; fewer, but at least one, when they would take more than `seconds`.
 */
export async function measure(tasks: readonly Task[], repetitions: number, seconds: number): Promise<Timing[]> {
  const times: number[] = []
  for (const task of tasks) times.push(await timesPerSample(task))
  const wall: number[][] = tasks.map(() => [])
  const cpu: number[][] = tasks.map(() => [])
  const end = performance.now() + 1000 * seconds
  for (let round = 0; round < repetitions && (round === 0 || performance.now() < end); round++) {
    const bench = new Bench({ iterations: 1, time: 0, warmup: false, retainSamples: true, throws: true })
    for (const [k, task] of tasks.entries()) {
      const sample = async () => {
        const { milliseconds, cpuMilliseconds } = await timeOnce(task, times[k]!)
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
    cpuSamples: cpu[k]!,
  }))
}
