/** Feeding a GPU: the next batch is loaded while it works, and the time in which it had nothing to do is measured. */
import { product } from '../layer-rules.ts'
import { loadScans, type Samples } from './train-data.ts'

/** Runs that may be under way before the host waits for the GPU; fewer where their uploads are large. */
const MOST_RUNS = 8
const MOST_BYTES = 256 * 2 ** 20

export interface Batch {
  readonly chosen: readonly number[]
  /** The scans one after the other; overwritten by the next batch. */
  readonly values: Float32Array
}

export interface Feed {
  /** The next batch. */
  next(): Promise<Batch>
  /** Begins to load the batch that next() will give: call it when the one before is under way on the GPU. */
  ahead(): void
}

/**
 * Loads batches in the order given.
 * @param input shape of the network's input, [C, D, H, W]
 * @throws InputError (from next) for a scan that cannot be loaded or has another size
 */
export function makeFeed(samples: Samples, order: Iterator<readonly number[]>, input: readonly number[]): Feed {
  const size = product(input)
  const uploads = new Map<number, Float32Array>()
  let loading: { chosen: readonly number[]; scans: Promise<Float32Array[]> } | undefined
  const ahead = () => {
    if (loading) return
    const { value: chosen, done } = order.next()
    if (done) return
    loading = { chosen, scans: loadScans(samples, chosen, input) }
    // Whoever asks for the batch gets the error; after an early stop nobody does.
    loading.scans.catch(() => undefined)
  }
  return {
    ahead,
    async next() {
      ahead()
      const { chosen, scans } = loading!
      const values = uploads.get(chosen.length) ?? new Float32Array(chosen.length * size)
      uploads.set(chosen.length, values)
      for (const [k, scan] of (await scans).entries()) values.set(scan, k * size)
      loading = undefined
      return { chosen, values }
    },
  }
}

/** Keeps a few runs under way on the GPU, and knows how long there was none. */
export interface Pace {
  /** Waits until another run may be submitted. */
  room(): Promise<void>
  /** A run was submitted. @param done resolves when the GPU has finished it */
  submitted(done: Promise<void>): void
  /** What the GPU has waited since the last run does not count: it was for something else than data. */
  excuse(): void
  /** Milliseconds between runs in which the GPU had nothing to do, as far as the host's thread was free to notice. */
  idle(): number
}

/** @param bytes of the upload of one run */
export function makePace(bytes: number): Pace {
  const most = Math.max(2, Math.min(MOST_RUNS, Math.floor(MOST_BYTES / bytes)))
  const running: Promise<void>[] = []
  let active = 0
  let free = performance.now()
  let idle = 0
  return {
    async room() {
      while (running.length >= most) await running.shift()
    },
    submitted(done) {
      if (active === 0) idle += performance.now() - free
      active++
      const ended = done.finally(() => {
        active--
        free = performance.now()
      })
      ended.catch(() => undefined)
      running.push(ended)
    },
    excuse() {
      free = performance.now()
    },
    idle: () => idle,
  }
}
