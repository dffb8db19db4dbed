/** How voxels are put into groups that are replaced together. */
import { uniformStream } from '../../model/random.ts'
import type { Grouping } from './prober.ts'
import { descending } from './ranking.ts'

/**
 * Voxels by relevance in steps of equal size: group 0 holds the most relevant ones.
 * @param mixed voxels that may be replaced, in random order (see shuffled)
 */
export function relevanceSteps(relevance: Float32Array, mixed: Uint32Array, steps: number): Grouping {
  const of = new Uint32Array(relevance.length).fill(steps)
  const order = descending(relevance, mixed)
  for (let rank = 0; rank < order.length; rank++) of[order[rank]!] = Math.floor((rank * steps) / order.length)
  return { of, count: steps }
}

/** How many patches an input is cut into at most. */
export function patchCount([, ...sizes]: readonly number[], edge: number): number {
  return sizes.reduce((product, n) => product * Math.ceil(n / edge), 1)
}

/**
 * Cubes of `edge` voxels, counted where they hold something that may be replaced. All channels of a place go together.
 * @param shape [C, D, H, W]. @param among voxels that may be replaced
 */
export function patches(shape: readonly number[], among: Uint32Array, edge: number): Grouping {
  const [channels, depth, height, width] = shape as [number, number, number, number]
  const voxels = depth * height * width
  const [rows, columns] = [Math.ceil(height / edge), Math.ceil(width / edge)]
  const patchOf = (index: number) => {
    const voxel = index % voxels
    const [d, h, w] = [Math.floor(voxel / (height * width)), Math.floor(voxel / width) % height, voxel % width]
    return (Math.floor(d / edge) * rows + Math.floor(h / edge)) * columns + Math.floor(w / edge)
  }
  const used = new Uint8Array(patchCount(shape, edge))
  for (const index of among) used[patchOf(index)] = 1
  let count = 0
  const number = Uint32Array.from(used, (is) => (is ? count++ : 0))
  const of = new Uint32Array(channels * voxels).fill(count)
  for (const index of among) of[index] = number[patchOf(index)]!
  return { of, count }
}

/** Sum of relevance in each group. */
export function groupSums(relevance: Float32Array, { of, count }: Grouping): Float64Array {
  const sums = new Float64Array(count + 1)
  for (let i = 0; i < of.length; i++) sums[of[i]!]! += relevance[i]!
  return sums.subarray(0, count)
}

/**
 * Patches by relevance, the first `regions` of them in steps of (nearly) equal size; the others are never replaced.
 * @param seed of the order of patches whose sums are equal
 */
export function patchSteps(
  relevance: Float32Array,
  cut: Grouping,
  { steps, regions, seed }: { steps: number; regions: number; seed: number },
): Grouping {
  const sums = groupSums(relevance, cut)
  const next = uniformStream(seed, 'patches')
  const tie = Float64Array.from(sums, () => next())
  const order = Array.from(sums, (_, n) => n).sort((a, b) => sums[b]! - sums[a]! || tie[a]! - tie[b]!)
  const taken = order.slice(0, regions)
  const count = Math.min(steps, taken.length)
  const stepOf = new Uint32Array(cut.count + 1).fill(count)
  taken.forEach((patch, rank) => {
    stepOf[patch] = Math.floor((rank * count) / taken.length)
  })
  return { of: cut.of.map((patch) => stepOf[patch]!), count }
}

/** `runs` random subsets of `count` groups, each of `size`; [runs, count], 1 for those in it. */
export function randomSubsets(count: number, size: number, runs: number, seed: number): Uint8Array[] {
  return Array.from({ length: runs }, (_, run) => {
    const next = uniformStream(seed, `subset ${run}`)
    const chosen = new Uint8Array(count)
    const left = Array.from({ length: count }, (_, n) => n)
    for (let n = 0; n < size; n++) {
      const at = n + Math.floor(next() * (count - n))
      ;[left[n], left[at]] = [left[at]!, left[n]!]
      chosen[left[n]!] = 1
    }
    return chosen
  })
}
