/**
 * Memory planning: tensors that are never alive together share a buffer. Largest tensors are placed first, each into
 * the buffer that wastes least; close to the lower bound (the largest sum alive at one time) on convolutional networks.
 */

/** A temporary and the first and last step (inclusive) at which it must hold its values. */
export interface Lifetime<T> {
  readonly key: T
  readonly bytes: number
  readonly first: number
  readonly last: number
}

export interface MemoryPlan<T> {
  /** Size of each shared buffer in bytes. */
  readonly buffers: readonly number[]
  /** Which buffer holds each temporary. */
  readonly place: ReadonlyMap<T, number>
}

/** Assigns temporaries to as few bytes of shared buffers as the greedy rule finds. Deterministic. */
export function planMemory<T>(lifetimes: readonly Lifetime<T>[]): MemoryPlan<T> {
  const order = lifetimes.map((life, index) => ({ life, index }))
  order.sort((a, b) => b.life.bytes - a.life.bytes || a.index - b.index)
  const buffers: { bytes: number; held: Lifetime<T>[] }[] = []
  const place = new Map<T, number>()
  for (const { life } of order) {
    // Placed largest first, so every buffer is at least as large as what comes: the smallest free one wastes least.
    let best = -1
    buffers.forEach((buffer, b) => {
      const free = buffer.held.every((other) => life.first > other.last || life.last < other.first)
      if (free && (best < 0 || buffer.bytes < buffers[best]!.bytes)) best = b
    })
    if (best < 0) best = buffers.push({ bytes: life.bytes, held: [] }) - 1
    buffers[best]!.held.push(life)
    place.set(life.key, best)
  }
  return { buffers: buffers.map((b) => b.bytes), place }
}
