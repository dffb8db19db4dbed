/**
 * A GPU that is opened again when it is lost: a driver that was reset or updated, a machine that slept, a GPU that another
 * program brought down. What was on it is gone, so work goes in pieces that can be done again from their beginning.
 */
import { GpuError } from './errors.ts'
import { closeGpu, type Gpu, isLost, lostSoon } from './gpu.ts'

export interface Session {
  /** The GPU as it is now; another object after a loss. Outside of `run` only for what it is called and can do. */
  readonly gpu: Gpu
  /** How often it was lost so far. */
  readonly losses: number
  /**
   * Runs a piece of work; when the GPU is lost meanwhile, opens it again and runs the piece from its beginning, a few times.
   * Pieces may overlap. What was made on one GPU is of no use on the next: see `onEach`.
   * @param work calls `kept` when all it has done so far will not have to be done again; losses before that are forgotten
   * @throws GpuError 'lost' when the GPU was lost each time, 'unavailable' when it did not come back; or what `work` throws
   */
  run<T>(work: (gpu: Gpu, kept: () => void) => Promise<T>): Promise<T>
  /** Frees everything on the GPU by opening it anew. */
  reopen(): Promise<void>
  close(): void
}

export interface SessionOptions {
  /** How often in a row a piece of work may lose the GPU. Default 3. */
  losses?: number
  /** Told when the GPU was lost and is back. */
  onLoss?: (what: string) => void
  /** Waits before the GPU is looked for again, in ms; drivers take a moment to come back. */
  pauses?: readonly number[]
}

/** @param open gives a new GPU each time (openGpu). @throws what it throws */
export async function openSession(open: () => Promise<Gpu>, options: SessionOptions = {}): Promise<Session> {
  const { losses: most = 3, onLoss, pauses = [0, 1000, 4000] } = options
  let now = await open()
  let next: Promise<Gpu> = Promise.resolve(now)
  let losses = 0
  const { name } = now

  const openAgain = async (): Promise<Gpu> => {
    closeGpu(now)
    let why: unknown
    for (const pause of pauses) {
      await new Promise((done) => setTimeout(done, pause))
      try {
        const gpu = await open()
        if (gpu.name === name) {
          now = gpu
          return gpu
        }
        closeGpu(gpu)
        why = `there is only ${gpu.name}`
      } catch (error) {
        why = error instanceof Error ? error.message : error
      }
    }
    throw new GpuError('unavailable', `${name} was lost and did not come back: ${why}`)
  }
  let gone: Gpu | undefined
  /** Of pieces that lost the same GPU, the first opens the next one, and all wait for it. */
  const replace = (old: Gpu): Promise<Gpu> => {
    if (old !== now || old === gone) return next
    gone = old
    const reason = isLost(old) ? old.fault!.message : undefined
    if (reason !== undefined) losses++
    next = openAgain()
    next.then(
      () => reason !== undefined && onLoss?.(`${reason}; it was opened again, and work goes on`),
      () => undefined,
    )
    return next
  }

  return {
    get gpu() {
      return now
    },
    get losses() {
      return losses
    },
    async run(work) {
      let times = 0
      const kept = () => {
        times = 0
      }
      for (;;) {
        const gpu = await next
        try {
          const result = await work(gpu, kept)
          // What was computed while it went away is not to be trusted.
          if (!isLost(gpu)) return result
        } catch (error) {
          if (!(await lostSoon(gpu))) throw error
        }
        if (++times > most) {
          throw new GpuError('lost', `${gpu.fault!.message} (${times} times in a row at the same piece of work)`)
        }
        await replace(gpu)
      }
    },
    async reopen() {
      await replace(await next)
    },
    close() {
      closeGpu(now)
    },
  }
}

/** Something made on a GPU when it is first wanted, and made again on the next one. */
export function onEach<T>(make: (gpu: Gpu) => Promise<T>): (gpu: Gpu) => Promise<T> {
  const made = new WeakMap<Gpu, Promise<T>>()
  return (gpu) => {
    let one = made.get(gpu)
    if (!one) {
      one = make(gpu)
      made.set(gpu, one)
    }
    return one
  }
}
