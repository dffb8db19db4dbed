/** Orders of voxels by their values, fast enough for millions of them, and the correlation of ranks. */
import { uniformStream } from '../../model/random.ts'

/**
 * Indices in random order: where equal values follow each other, none of them goes first because of its place.
 * @param seed the same seed gives the same order everywhere
 */
export function shuffled(indices: Uint32Array, seed: number): Uint32Array {
  const next = uniformStream(seed, 'ties')
  const mixed = indices.slice()
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(next() * (last + 1))
    const held = mixed[last]!
    mixed[last] = mixed[other]!
    mixed[other] = held
  }
  return mixed
}

/**
 * Indices sorted by their values, largest first; equal values keep the order that the indices come in.
 * @param values finite. @param among indices into them
 */
export function descending(values: Float32Array, among: Uint32Array): Uint32Array {
  const keys = new Uint32Array(among.length)
  const number = new Float32Array(1)
  const bits = new Uint32Array(number.buffer)
  for (let n = 0; n < among.length; n++) {
    // Adding zero makes -0 the same as 0. The bits of positive floats are in order, those of negative ones in reverse.
    number[0] = values[among[n]!]! + 0
    keys[n] = bits[0]! >>> 31 ? bits[0]! : ~bits[0]! & 0x7fffffff
  }
  // Two passes of a stable counting sort, 16 bits each.
  return byDigit(keys, byDigit(keys, undefined, 0), 16).map((n) => among[n]!)
}

function byDigit(keys: Uint32Array, order: Uint32Array | undefined, shift: number): Uint32Array {
  const starts = new Uint32Array(65537)
  for (let n = 0; n < keys.length; n++) starts[((keys[n]! >>> shift) & 0xffff) + 1]!++
  for (let digit = 0; digit < 65536; digit++) starts[digit + 1]! += starts[digit]!
  const sorted = new Uint32Array(keys.length)
  for (let n = 0; n < keys.length; n++) {
    const index = order ? order[n]! : n
    sorted[starts[(keys[index]! >>> shift) & 0xffff]!++] = index
  }
  return sorted
}

/** Ranks from 1 for the smallest, equal values sharing their mean rank; one for each of `among`, in its order. */
export function ranksOf(values: Float32Array, among: Uint32Array): Float64Array {
  const picked = new Float32Array(among.length)
  const places = new Uint32Array(among.length)
  for (let n = 0; n < among.length; n++) {
    picked[n] = values[among[n]!]!
    places[n] = n
  }
  const order = descending(picked, places)
  const ranks = new Float64Array(order.length)
  for (let first = 0; first < order.length; ) {
    let end = first
    while (end < order.length && picked[order[end]!] === picked[order[first]!]) end++
    for (let n = first; n < end; n++) ranks[order[n]!] = order.length - (first + end - 1) / 2
    first = end
  }
  return ranks
}

/** Pearson's correlation in float64; undefined where one of the two is constant. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number | undefined {
  const [meanA, meanB] = [preciseMean(a), preciseMean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let n = 0; n < a.length; n++) {
    const [p, q] = [a[n]! - meanA, b[n]! - meanB]
    ab += p * q
    aa += p * p
    bb += q * q
  }
  // A constant list differs from its mean by rounding alone.
  const flat = (squares: number, mean: number) => squares <= a.length * (1e-14 * Math.abs(mean)) ** 2
  return a.length < 2 || flat(aa, meanA) || flat(bb, meanB) ? undefined : ab / Math.sqrt(aa * bb)
}

/** What a sum of millions of numbers loses by rounding is added again, so that a constant list is known as one. */
function preciseMean(list: ArrayLike<number>): number {
  let mean = 0
  for (let pass = 0; pass < 2; pass++) {
    let sum = 0
    for (let n = 0; n < list.length; n++) sum += list[n]! - mean
    mean += sum / list.length
  }
  return mean
}

/** Spearman's correlation of two maps over some voxels; undefined where one of them is constant there. */
export function spearman(a: Float32Array, b: Float32Array, among: Uint32Array): number | undefined {
  return pearson(ranksOf(a, among), ranksOf(b, among))
}
