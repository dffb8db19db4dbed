/** The four kernels of mask optimisation as operations of the graph. */
import { applyPiece } from '../engine/ops/elementwise.ts'
import { linearGroups } from '../engine/ops/launch.ts'
import type { Program } from '../engine/program.ts'
import { apply, type Node, type Operation, sizeOf, state, type Tensor } from '../engine/tensor.ts'

type Triple = readonly [number, number, number]

/** Adam's moments decay; Kingma & Ba's defaults. */
const DECAY = { decay1: 0.9, decay2: 0.999 }

/** Counter before the first step: step 0, copy 0, both powers 1. */
const COUNTER = new Uint32Array([0, 0, ...new Uint32Array(new Float32Array([1, 1]).buffer)])

/** What a mask is on the GPU: everything an optimisation keeps between steps. */
export interface MaskState {
  /** [2, cells]: two copies, of which counter[1] names the current one. */
  readonly mask: Tensor
  /** [step, current copy, decay1^step, decay2^step] (the last two as bits of float32). */
  readonly counter: Tensor
  /** [2, cells]: Adam's moments. */
  readonly moments: Tensor
  /** [iterations, 4]: score, sum |1 - m|^beta1, sum |grad m|^beta2, sum of changes, of each step. */
  readonly trace: Tensor
  /** Loss terms of each workgroup of a step. */
  readonly parts: Tensor
  readonly size: Triple
  readonly cells: Triple
  /** Edge of a cell in voxels. */
  readonly cell: number
}

/**
 * A mask of ones over a volume.
 * @param size of the volume, [D, H, W].
 * @param cell edge of a mask cell in voxels; the mask has ceil(size / cell) cells.
 * @param length steps that the trace holds.
 */
export function maskState(size: Triple, cell: number, length: number): MaskState {
  const cells = size.map((d) => Math.ceil(d / cell)) as [number, number, number]
  const count = sizeOf(cells)
  return {
    mask: state([2, count], new Float32Array(2 * count).fill(1), 'mask'),
    counter: state([4], COUNTER, 'mask counter'),
    moments: state([2, count], undefined, 'mask moments'),
    trace: state([length, 4], undefined, 'mask trace'),
    parts: state([Math.ceil(count / 64), 4], undefined, 'mask loss terms'),
    size,
    cells,
    cell,
  }
}

/** Uniforms that the host may change between runs: `jitter` in voxels. */
export interface Jitter {
  readonly seed: number
  readonly jitter: number
}

const geometry = ({ size, cells, cell }: MaskState) => ({ SIZE: size, CELLS: cells, CELL: cell })

/**
 * Masked scan m x + (1 - m) fill, the mask upsampled trilinearly.
 * @param x [1, 1, D, H, W]
 * @param fill one value, or a volume like x.
 * @param tissue leave voxels alone where the scan is 0.
 */
export function applyMask(x: Tensor, fill: Tensor, mask: MaskState, jitter: Jitter, tissue = false): Tensor {
  const operation: Operation = {
    name: 'apply_mask',
    lower: ({ outputs }) => [
      {
        kernel: 'mask/apply',
        constants: { ...geometry(mask), FILL: sizeOf(fill.shape), TISSUE: tissue ? 1 : 0 },
        uniforms: { ...jitter },
        bind: { x, fill, mask: mask.mask, counter: mask.counter, y: outputs[0]! },
        groups: linearGroups(sizeOf(x.shape)),
      },
    ],
  }
  return apply(operation, [x, fill, mask.mask, mask.counter], [{ shape: x.shape }]).outputs[0]!
}

/** Gradient with respect to the upsampled mask, given that with respect to the masked scan: dy (x - fill). */
export function maskGradient(dy: Tensor, x: Tensor, fill: Tensor, tissue = false): Tensor {
  const constants = { FILL: sizeOf(fill.shape), TISSUE: tissue ? 1 : 0 }
  const piece = { source: 'mask/difference', constants, bind: { x, fill } }
  return applyPiece('mask_gradient', piece, dy)
}

export interface StepOptions extends Jitter {
  /** Weights of one cell: lambda times what the sum or mean makes of it. */
  readonly lambda1: number
  readonly lambda2: number
  readonly beta1: number
  readonly beta2: number
  /** Derivative along each axis for a difference of 1 between neighbouring cells. */
  readonly slope: Triple
  readonly learningRate: number
}

/** One step of the mask: regularisers, Adam and clamp in one kernel, then trace and counter. Effects, in this order. */
export function stepMask(gradient: Tensor, score: Tensor, mask: MaskState, options: StepOptions): Node[] {
  const count = sizeOf(mask.cells)
  const { parts } = mask
  const { learningRate, ...rest } = options
  const step: Operation = {
    name: 'step_mask',
    effect: true,
    lower: () => [
      {
        kernel: 'mask/step',
        constants: geometry(mask),
        uniforms: { ...rest, ...DECAY, learning_rate: learningRate, epsilon: 1e-8 },
        bind: { gradient, counter: mask.counter, mask: mask.mask, moments: mask.moments, parts },
        groups: linearGroups(count, 64),
      },
    ],
  }
  const trace: Operation = {
    name: 'trace_mask',
    effect: true,
    lower: () => [
      {
        kernel: 'mask/trace',
        constants: { GROUPS: Math.ceil(count / 64), LENGTH: mask.trace.shape[0]! },
        uniforms: DECAY,
        bind: { parts, score, trace: mask.trace, counter: mask.counter },
        groups: [1, 1, 1],
      },
    ],
  }
  return [
    apply(step, [gradient, mask.counter, mask.mask, mask.moments, parts], []),
    apply(trace, [parts, score, mask.trace, mask.counter], []),
  ]
}

/** total = (first ? 0 : total) + weight x, an effect; `first` and `weight` are uniforms. */
export function accumulate(x: Tensor, total: Tensor, weight: number): Node {
  const count = sizeOf(x.shape)
  const operation: Operation = {
    name: 'accumulate',
    effect: true,
    lower: () => [
      {
        kernel: 'mask/accumulate',
        constants: { COUNT: count },
        uniforms: { first: 1, weight },
        bind: { x, total },
        groups: linearGroups(count),
      },
    ],
  }
  return apply(operation, [x, total], [])
}

/** Sets the mask back to ones and forgets the steps so far. */
export function resetMask(program: Program, { mask, counter, moments }: MaskState): void {
  program.write(mask, new Float32Array(sizeOf(mask.shape)).fill(1))
  program.write(counter, COUNTER)
  program.write(moments, new Float32Array(sizeOf(moments.shape)))
}

/**
 * The mask at every voxel, as mask/apply samples it without jitter.
 * @param copies both copies of the cells, as read from the GPU.
 * @param current which copy to take.
 */
export function upsampleMask(copies: Float32Array, current: number, { size, cells, cell }: MaskState): Float32Array {
  const values = copies.subarray(current * sizeOf(cells), (current + 1) * sizeOf(cells))
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
