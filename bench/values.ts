/** Deterministic values in [-1, 1), well spread; the same everywhere. */
export function values(count: number, seed = 1): Float32Array {
  const list = new Float32Array(count)
  let state = (seed * 2654435761) >>> 0
  for (let k = 0; k < count; k++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    list[k] = (state >>> 8) / 2 ** 23 - 1
  }
  return list
}
