/** Running the steps of masks that are optimised at the same time, and what comes out of each. */
import type { Program } from '../engine/program.ts'
import { sizeOf } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import { cellWeights, type MaskGraph } from './mask-graph.ts'
import { WINDOW } from './mask-ops.ts'
import type { Lambdas, MaskOptions, MaskProgress, MaskSettings } from './mask-options.ts'
import { type MaskState, MaskStatus, upsampleMask } from './mask-state.ts'

/** Loss terms of one step, of the mask before it. */
export interface MaskStep {
  readonly score: number
  /** lambda1 times the area term. */
  readonly l1: number
  /** lambda2 times the smoothness term. */
  readonly tv: number
  readonly total: number
}

export interface MaskResult {
  /** [D, H, W] of the network's input; 1 keeps a voxel, 0 replaces it. Without jitter. */
  readonly mask: Float32Array
  readonly target: number
  /** Class probabilities of each scan, as it is and masked. */
  readonly before: readonly Float32Array[]
  readonly after: readonly Float32Array[]
  /** Logits of each scan as it is. */
  readonly logits: readonly Float32Array[]
  /** Share of voxels with a mask below 0.5. */
  readonly masked: number
  readonly trace: readonly MaskStep[]
  readonly iterations: number
  /** True when the loss had settled before the iterations ran out. */
  readonly converged: boolean
  /** Wall time; of masks that were optimised at the same time, an equal share. */
  readonly seconds: number
  /** GPU memory of the optimisation, planned before it began. */
  readonly gpuBytes: number
  readonly settings: MaskSettings
}

/** The path of one mask: its steps, or the error that ends it. */
export type MaskPath =
  | { readonly trace: readonly MaskStep[]; readonly converged: boolean }
  | { readonly error: InputError }

/** Steps per submission are chosen so that progress is seen about so often. */
const REPORT_MS = 700

/** Compiled programs as what the loop asks of them. */
export interface Stepper {
  /** A program that holds the masks. */
  readonly program: Program
  /** Submits steps and returns at once. */
  steps(count: number): void
}

/**
 * Runs steps until the first `lambdas.length` masks have settled or used up their steps. The GPU decides when a mask stops,
 * so its result depends neither on the others nor on how often the host looks.
 * @param onMask called whenever the host looks, with the masks so far
 */
export async function descend(
  { program, steps }: Stepper,
  state: MaskState,
  settings: MaskSettings,
  lambdas: readonly Lambdas[],
  onProgress: (progress: Omit<MaskProgress, 'first' | 'count'>) => void,
  onMask?: MaskOptions['onMask'],
): Promise<MaskPath[]> {
  const { iterations } = settings
  const weights = lambdas.map((l) => cellWeights(l, settings, state))
  let chunk = 1
  for (let done = 0; ; ) {
    // Masks stop at the end of a window, so no submission goes past one.
    const count = Math.min(chunk, WINDOW - (done % WINDOW), iterations - done)
    const began = performance.now()
    steps(count)
    const [counter, rows] = await Promise.all([program.readIndices(state.counter), program.read(state.trace)])
    const elapsed = performance.now() - began
    done += count
    const paths = weights.map(([l1, l2], k): MaskPath => {
      const [taken, status] = counter.subarray(4 * k, 4 * k + 2) as unknown as [number, number]
      const own = rows.subarray(4 * k * iterations, 4 * (k + 1) * iterations)
      const trace = Array.from({ length: taken }, (_, n) => stepAt(own, n, l1, l2))
      return failureOf(trace) ?? { trace, converged: status === MaskStatus.settled }
    })
    const good = paths.flatMap((path) => ('trace' in path ? [path.trace.at(-1)!] : []))
    const mean = (of: (step: MaskStep) => number) => good.reduce((sum, step) => sum + of(step), 0) / good.length
    if (onMask) {
      const cells = await program.read(state.mask)
      onMask(paths.map((path, k) => readMask(cells, k, 'trace' in path ? path.trace.length : 0, state)))
    }
    if (good.length > 0) {
      onProgress({ iteration: done, iterations, total: mean((s) => s.total), score: mean((s) => s.score) })
    }
    const running = paths.some((path, k) => 'trace' in path && counter[4 * k + 1] === MaskStatus.running)
    if (!running) return paths
    chunk = Math.max(1, Math.min(WINDOW, Math.round((count * REPORT_MS) / Math.max(elapsed, 1))))
  }
}

function stepAt(rows: Float32Array, n: number, weight1: number, weight2: number): MaskStep {
  const [score, area, slope] = rows.subarray(4 * n, 4 * n + 3) as unknown as [number, number, number]
  const l1 = weight1 * area
  const tv = weight2 * slope
  return { score, l1, tv, total: score + l1 + tv }
}

function failureOf(trace: readonly MaskStep[]): { error: InputError } | undefined {
  const at = trace.findIndex(({ total }) => !Number.isFinite(total))
  if (at < 0) return undefined
  const loss = trace[at]!.total
  return {
    error: new InputError(
      `the mask's loss became ${loss} at step ${at + 1}: use a smaller learning rate or smaller lambdas`,
    ),
  }
}

/** What the network answers, a row for each sample. */
export interface Answers {
  readonly probabilities: Float32Array[]
  readonly logits: Float32Array[]
}

/** Runs the program once and reads the first `count` rows of its answers. */
export async function readAnswers(
  program: Program,
  { probabilities, logits }: Pick<MaskGraph, 'probabilities' | 'logits'>,
  count: number,
): Promise<Answers> {
  program.run()
  const classes = logits.shape[1]!
  const [p, l] = await Promise.all([program.read(probabilities), program.read(logits)])
  const rows = (all: Float32Array) => Array.from({ length: count }, (_, k) => all.slice(k * classes, (k + 1) * classes))
  return { probabilities: rows(p), logits: rows(l) }
}

/** Mask k at every voxel, after `steps` steps. @param masks all cells, as read from the GPU. */
export function readMask(masks: Float32Array, k: number, steps: number, state: MaskState): Float32Array {
  const count = sizeOf(state.cells)
  const at = (2 * k + (steps % 2)) * count
  return upsampleMask(masks.subarray(at, at + count), state)
}

/** Share of voxels with a mask below 0.5. */
export function maskedShare(mask: Float32Array): number {
  return mask.reduce((n, m) => n + (m < 0.5 ? 1 : 0), 0) / mask.length
}
