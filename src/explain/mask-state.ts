/** What masks are on the GPU: everything an optimisation keeps between steps, and what the host reads of it. */
import type { Program } from '../engine/program.ts'
import { sizeOf, state, type Tensor } from '../engine/tensor.ts'
import { uniformStream } from '../model/random.ts'

export type Triple = readonly [number, number, number]

/** Masks that are optimised at the same time, each for itself. */
export interface MaskState {
  /** How many. */
  readonly masks: number
  /** [masks, 2, cells]: two copies, of which step % 2 is the current one. */
  readonly mask: Tensor
  /** [masks, 4]: step, MaskStatus, decay1^step, decay2^step (the last two as bits of float32). */
  readonly counter: Tensor
  /** [masks, 2, cells]: Adam's moments. */
  readonly moments: Tensor
  /** [masks, 2]: lambda1 and lambda2, times what the sum or mean makes of one cell. */
  readonly weights: Tensor
  /** [masks, steps, 4]: score, sum |1 - m|^beta1, sum |grad m|^beta2, sum of changes, of each step. */
  readonly trace: Tensor
  /** [masks, workgroups, 3]: loss terms of each workgroup of a step. */
  readonly parts: Tensor
  readonly size: Triple
  readonly cells: Triple
  /** Edge of a cell in voxels. */
  readonly cell: number
  /** Cells of one thread of mask/step. */
  readonly perThread: number
}

/** Whether a mask moves. One that does not keeps its values, its step and its trace. */
export const MaskStatus = { running: 0, settled: 1, outOfSteps: 2, held: 3 } as const

/**
 * Masks over a volume; they are ones after resetMasks.
 * @param size of the volume, [D, H, W].
 * @param cell edge of a mask cell in voxels; the mask has ceil(size / cell) cells.
 * @param steps at most, which the trace holds.
 */
export function maskState(size: Triple, cell: number, steps: number, masks = 1): MaskState {
  const cells = size.map((d) => Math.ceil(d / cell)) as [number, number, number]
  const count = sizeOf(cells)
  // Few workgroups for large masks, so that there are few parts to sum; enough of them to fill a GPU.
  const perThread = Math.max(1, Math.min(16, Math.floor(count / (64 * 512))))
  const groups = Math.ceil(count / (64 * perThread))
  return {
    masks,
    mask: state([masks, 2, count], undefined, 'masks'),
    counter: state([masks, 4], counters(Array(masks).fill(true)), 'mask counters'),
    moments: state([masks, 2, count], undefined, 'mask moments'),
    weights: state([masks, 2], undefined, 'mask lambdas'),
    trace: state([masks, steps, 4], undefined, 'mask traces'),
    parts: state([masks, groups, 3], undefined, 'mask loss terms'),
    size,
    cells,
    cell,
    perThread,
  }
}

/** The leaves of masks, to free them. */
export function maskLeaves({ mask, counter, moments, weights, trace, parts }: MaskState): Tensor[] {
  return [mask, counter, moments, weights, trace, parts]
}

/** Counters before the first step: step 0, both powers 1; masks that are not to run are held. */
function counters(running: readonly boolean[]): Uint32Array {
  const one = new Uint32Array(new Float32Array([1]).buffer)[0]!
  return Uint32Array.from(running.flatMap((run) => [0, run ? MaskStatus.running : MaskStatus.held, one, one]))
}

/** Sets all masks back to ones and forgets the steps so far; none of them runs. */
export function resetMasks(program: Program, { masks, mask, counter, moments }: MaskState): void {
  program.write(mask, new Float32Array(sizeOf(mask.shape)).fill(1))
  program.write(moments, new Float32Array(sizeOf(moments.shape)))
  program.write(counter, counters(Array(masks).fill(false)))
}

/** Lets the first `count` masks run, from step 0 on; the others are held. @param begin where from, see MaskOptions.start */
export function startMasks(
  program: Program,
  { masks, counter, mask }: MaskState,
  count: number,
  begin: { readonly start: number; readonly seed: number } = { start: 0, seed: 0 },
): void {
  if (begin.start > 0) {
    const cells = mask.shape[2]!
    const next = uniformStream(begin.seed, 'mask start')
    const drawn = Float32Array.from({ length: cells }, () => 1 - begin.start * next())
    const all = new Float32Array(sizeOf(mask.shape))
    // Every mask begins alike, so that it is the same in a batch as alone.
    for (let at = 0; at < all.length; at += cells) all.set(drawn, at)
    program.write(mask, all)
  }
  program.write(counter, counters(Array.from({ length: masks }, (_, k) => k < count)))
}

/**
 * A mask at every voxel, as mask/apply samples it without jitter.
 * @param values its cells.
 */
export function upsampleMask(values: Float32Array, { size, cells, cell }: MaskState): Float32Array {
  const axes = size.map((voxels, a) => Array.from({ length: voxels }, (_, v) => between(v, cell, cells[a]!)))
  const out = new Float32Array(sizeOf(size))
  let i = 0
  for (const d of axes[0]!) {
    for (const h of axes[1]!) {
      const row = (x: number, y: number) => (x * cells[1] + y) * cells[2]
      const corners = [row(d.low, h.low), row(d.low, h.high), row(d.high, h.low), row(d.high, h.high)] as const
      for (const w of axes[2]!) {
        const along = (base: number) => mix(values[base + w.low]!, values[base + w.high]!, w.weight)
        const low = mix(along(corners[0]), along(corners[1]), h.weight)
        const high = mix(along(corners[2]), along(corners[3]), h.weight)
        out[i++] = mix(low, high, d.weight)
      }
    }
  }
  return out
}

const mix = (a: number, b: number, weight: number) => a + (b - a) * weight

/** The cells on either side of a voxel's centre, and the weight of the second. */
function between(voxel: number, cell: number, cells: number): { low: number; high: number; weight: number } {
  const position = (voxel + 0.5) / cell - 0.5
  const low = Math.floor(position)
  const within = (c: number) => Math.min(Math.max(c, 0), cells - 1)
  return { low: within(low), high: within(low + 1), weight: position - low }
}
