/**
 * The workers of all methods: each made ready when it is first wanted, made again when the GPU was lost, and with fewer maps
 * at a time when the GPU has no room.
 */
import { GpuError } from '../engine/errors.ts'
import type { Gpu } from '../engine/gpu.ts'
import { busyBatch } from '../explain/batch.ts'
import type { InputError } from '../io/errors.ts'
import { mapsOf, type Task } from './explain-task.ts'
import {
  type Made,
  type OnProgress,
  openMaskWorker,
  openWorker,
  type Worker,
  type WorkerJob,
} from './explain-workers.ts'
import { describeMemory } from './gpu.ts'

export type CrewJob = WorkerJob & { readonly file: string }

export interface Crew {
  /**
   * Makes maps by method m. An error among them is that map's own.
   * @throws GpuError when the GPU was lost too often, or has no room for one map
   */
  run(m: number, jobs: readonly CrewJob[], onProgress: OnProgress): Promise<(Made | InputError)[]>
  destroy(): void
}

export function makeCrew(task: Task): Crew {
  const { session, methods, reporter } = task
  const workers: (Worker | undefined)[] = []
  /** What they were made on. */
  let home: Gpu | undefined
  /** Maps at a time of a method that did not fit with more. */
  const most: (number | undefined)[] = []
  /** Whether workers have the GPU to themselves, because not even small ones fit beside each other. */
  let alone = false
  const dismiss = () => {
    for (const worker of workers) worker?.destroy()
    workers.length = 0
  }
  const workerOf = async (gpu: Gpu, m: number, first: CrewJob): Promise<Worker> => {
    if (gpu !== home || (alone && !workers[m])) dismiss()
    home = gpu
    workers[m] ??= await openOne(task, gpu, m, first, workers, most[m])
    return workers[m]
  }
  /** After running out of memory. @throws the error where nothing can be done about it */
  const makeRoom = async (m: number, error: GpuError) => {
    const { name } = methods[m]!.choice
    const { flags, about, scans } = task
    const tried =
      workers[m]?.batch ?? most[m] ?? flags.batch ?? busyBatch(session.gpu, about.loaded.network, scans.length)
    const crowded = workers.some((worker, k) => worker && k !== m)
    if (tried === 1 && !crowded) {
      const advice = 'close other programs that use the GPU, or take a smaller network or another method'
      throw new GpuError('out-of-memory', `${name}: ${error.message}, for one map at a time; ${advice}`)
    }
    if (tried > 1) most[m] = tried >> 1
    else alone = true
    const instead = tried > 1 ? `with ${most[m]} maps at a time instead of ${tried}` : 'without other methods ready'
    reporter.warn(`${name}: ${error.message}; trying ${instead}`)
    dismiss()
    // What is left over of the attempt, and what the GPU may still report of it, goes as well.
    await session.reopen()
  }
  return {
    async run(m, jobs, onProgress) {
      for (;;) {
        try {
          return await session.run(async (gpu) => (await workerOf(gpu, m, jobs[0]!)).run(jobs, onProgress))
        } catch (error) {
          if (!(error instanceof GpuError && error.kind === 'out-of-memory')) throw error
          await makeRoom(m, error)
        }
      }
    },
    destroy: dismiss,
  }
}

/**
 * Makes a method ready.
 * @param opened those that are ready already, which hold memory at the same time. @param most maps at a time
 */
async function openOne(
  task: Task,
  gpu: Gpu,
  m: number,
  { input }: CrewJob,
  opened: readonly (Worker | undefined)[],
  most: number | undefined,
): Promise<Worker> {
  const { about, methods, scans, reporter } = task
  const { network } = about.loaded
  const { choice, mask } = methods[m]!
  const count = scans.length * mapsOf(task, m)
  const flags = { ...task.flags, ...(most !== undefined && { batch: most }) }
  // Programs have memory of their own, but share the weights.
  const used = opened.reduce((sum, worker) => sum + (worker ? worker.memory.temporaries + worker.memory.fixed : 0), 0)
  const memoryLimit = flags.memoryLimit === undefined ? undefined : Math.max(0, flags.memoryLimit - used)
  const own = mask && { ...mask.options, memoryLimit, ...(most !== undefined && { batch: most }) }
  const worker = mask
    ? openMaskWorker(gpu, network, choice, { ...mask, options: own! }, input.spacing, count)
    : await openWorker(gpu, network, choice, { ...flags, memoryLimit }, count)
  const many = worker.batch > 1 ? `, ${worker.batch} maps at a time` : ''
  const who = methods.length > 1 ? `${choice.name}: ` : ''
  reporter.note(`${who}${describeMemory(worker.memory)} on ${gpu.name}${many}`)
  return worker
}
