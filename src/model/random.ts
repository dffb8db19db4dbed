/** Deterministic random numbers from a seed and a name, the same on every machine. */

/** FNV-1a hash of a text, mixed with a seed. */
function hash(seed: number, text: string): number {
  let h = (2166136261 ^ seed) >>> 0
  for (let k = 0; k < text.length; k++) h = Math.imul(h ^ text.charCodeAt(k), 16777619) >>> 0
  return h
}

/**
 * A stream of uniform numbers in [0, 1) with 32 random bits each (splitmix32, after Steele et al. 2014).
 * Streams of different names are independent, so that what one layer draws does not depend on the others.
 */
export function uniformStream(seed: number, name: string): () => number {
  let state = hash(seed >>> 0, name)
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32
  }
}
