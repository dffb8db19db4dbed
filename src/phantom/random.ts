/**
 * Counter-based random numbers: a value is a pure function of (seed, stream, counter), so no draw depends on how many
 * others were made before it, and every engine gives the same bits (integer arithmetic only).
 */

const SCALE = 2 ** -32

/** Words of the last `pcg3d` call; a shared buffer, because a volume of noise calls it a million times. */
const word = new Uint32Array(3)

/** pcg3d of Jarzynski & Olano, "Hash Functions for GPU Rendering" (JCGT 9(3), 2020): three words to three words. */
function pcg3d(a: number, b: number, c: number): void {
  let x = (Math.imul(a, 1664525) + 1013904223) | 0
  let y = (Math.imul(b, 1664525) + 1013904223) | 0
  let z = (Math.imul(c, 1664525) + 1013904223) | 0
  x = (x + Math.imul(y, z)) | 0
  y = (y + Math.imul(z, x)) | 0
  z = (z + Math.imul(x, y)) | 0
  x ^= x >>> 16
  y ^= y >>> 16
  z ^= z >>> 16
  x = (x + Math.imul(y, z)) | 0
  y = (y + Math.imul(z, x)) | 0
  z = (z + Math.imul(x, y)) | 0
  word[0] = x
  word[1] = y
  word[2] = z
}

/** Nearly normal (Irwin-Hall of six 16-bit uniforms), mean 0, variance 1, from the last words. Never beyond +-4.25. */
function normalFromWords(): number {
  let sum = 0
  for (let i = 0; i < 3; i++) sum += (word[i]! & 0xffff) + (word[i]! >>> 16)
  // Six uniforms on 0..65535: mean 3 * 65535, variance 6 * (65536^2 - 1) / 12.
  return (sum - 196605) / 46340.95
}

export interface RandomStream {
  /** Uniform in [0, 1). */
  uniform(): number
  /** Nearly normal: Irwin-Hall of order six, mean 0, variance 1, bounded by +-4.25. */
  normal(): number
}

/** One 32-bit seed for a named purpose of one subject, so that purposes never share draws. */
export function deriveSeed(seed: number, subject: number, purpose: number): number {
  pcg3d(seed, subject, purpose)
  return word[0]! ^ word[2]!
}

/** Independent draws for (seed, stream): the n-th draw does not depend on the kind of the earlier ones. */
export function randomStream(seed: number, stream = 0): RandomStream {
  let counter = 0
  return {
    uniform() {
      pcg3d(seed, stream, counter++)
      return word[0]! * SCALE
    },
    normal() {
      pcg3d(seed, stream, counter++)
      return normalFromWords()
    },
  }
}

/** `length` nearly normal values (mean 0, variance 1); value i depends on (seed, i) only. */
export function normalField(seed: number, length: number): Float32Array {
  const out = new Float32Array(length)
  for (let i = 0; i < length; i++) {
    pcg3d(seed, i, 0x9e3779b9)
    out[i] = normalFromWords()
  }
  return out
}
