/** A compiled program for batches of masks, each with its own scan, class and settings. */
import { compile } from '../engine/compile.ts'
import { type Gpu, release } from '../engine/gpu.ts'
import type { MemoryReport } from '../engine/plan.ts'
import type { Program } from '../engine/program.ts'
import type { InputError } from '../io/errors.ts'
import { classCount, type Network } from '../model/description.ts'
import { argmax } from '../model/evaluation/metrics.ts'
import { openReplacement, type Replacement } from './mask-fill.ts'
import { batchEffects, buildGraph, cellWeights, type MaskGraph } from './mask-graph.ts'
import { masksChange } from './mask-live.ts'
import {
  type Lambdas,
  type MaskInput,
  type MaskOptions,
  type MaskProgress,
  type MaskSettings,
  maskSettings,
} from './mask-options.ts'
import { descend, type MaskResult, maskedShare, readAnswers, readMask } from './mask-run.ts'
import { maskLeaves, resetMasks, startMasks } from './mask-state.ts'

/** What became of a scan under one setting. An error is that mask's own: the others are not touched by it. */
export type MaskOutcome<S extends MaskInput = MaskInput> = { readonly scan: S; readonly lambdas: Lambdas } & (
  | { readonly result: MaskResult }
  | { readonly error: InputError }
)

/** One mask to be made. */
export interface MaskEntry<S extends MaskInput = MaskInput> {
  readonly scan: S
  readonly lambdas: Lambdas
}

type OnProgress = (progress: Omit<MaskProgress, 'first' | 'count'>) => void

export interface MaskMachine {
  /** Masks at a time. */
  readonly batch: number
  readonly memory: MemoryReport
  /** @param entries up to `batch` of them; their scans all have the spacing that the machine was made for. */
  run<S extends MaskInput>(entries: readonly MaskEntry<S>[], onProgress: OnProgress): Promise<MaskOutcome<S>[]>
  destroy(): void
}

/**
 * Compiles the masks of a network.
 * @throws InputError for an option that does not fit; GpuError when the GPU has too little memory
 */
export async function openMachine(
  gpu: Gpu,
  network: Network,
  options: MaskOptions,
  batch: number,
): Promise<MaskMachine> {
  const settings = maskSettings(options, classCount(network.description))
  const replacement = await openReplacement(gpu, network, settings, options.reference)
  const graph = buildGraph(network, settings, batch)
  const destroy = () => {
    replacement.destroy()
    release(gpu, maskLeaves(graph.mask))
  }
  try {
    const { memoryLimit, precision } = options
    const { probabilities, logits, live, runs } = graph
    const compiling = { effects: batchEffects(graph), frozen: true, live, memoryLimit, precision, runs }
    const program = await compile(gpu, { probabilities, logits }, compiling)
    return {
      batch,
      memory: program.memory,
      run: (entries, onProgress) => runBatch({ program, graph, settings, replacement }, options, entries, onProgress),
      destroy() {
        program.destroy()
        destroy()
      },
    }
  } catch (error) {
    destroy()
    throw error
  }
}

interface Parts {
  readonly program: Program
  readonly graph: MaskGraph
  readonly settings: MaskSettings
  readonly replacement: Replacement
}

/** Optimises the masks of one batch; where there are fewer than the program has room for, the rest idles. */
async function runBatch<S extends MaskInput>(
  { program, graph, settings, replacement }: Parts,
  options: MaskOptions,
  entries: readonly MaskEntry<S>[],
  onProgress: OnProgress,
): Promise<MaskOutcome<S>[]> {
  const began = performance.now()
  const { mask, probabilities } = graph
  const [batch] = probabilities.shape as [number]
  program.write(
    graph.x,
    rows(
      entries.map(({ scan }) => scan.tensor),
      batch,
    ),
  )
  const fills: Float32Array[] = []
  for (const { scan } of entries) {
    const fill = await replacement.of(scan)
    if (fill) fills.push(fill)
  }
  if (fills.length > 0) program.write(graph.fill, rows(fills, batch))
  resetMasks(program, mask)
  program.setLive()
  const { probabilities: before, logits } = await readAnswers(program, graph, entries.length)
  const targets = before.map((found, k) => entries[k]!.scan.target ?? options.target ?? argmax(found))
  program.write(
    graph.target,
    rows(
      targets.map((target) => Float32Array.of(target)),
      batch,
    ),
  )
  if (graph.live) {
    const filled = entries.map(({ scan: { tensor } }, k) => ({ tensor, fill: fills[k] }))
    program.setLive(masksChange(filled, settings, graph))
  }
  const weights = entries.map(({ lambdas }) => Float32Array.from(cellWeights(lambdas, settings, mask)))
  program.write(mask.weights, rows(weights, batch))
  startMasks(program, mask, entries.length, settings)
  const steps = (count: number) => program.run(count)
  const lambdas = entries.map((entry) => entry.lambdas)
  const paths = await descend({ program, steps }, mask, settings, lambdas, onProgress, options.onMask)
  const { probabilities: after } = await readAnswers(program, graph, entries.length)
  const cells = await program.read(mask.mask)
  const seconds = (performance.now() - began) / 1000 / entries.length
  return entries.map(({ scan, lambdas }, k): MaskOutcome<S> => {
    const path = paths[k]!
    if ('error' in path) return { scan, lambdas, error: path.error }
    const values = readMask(cells, k, path.trace.length, mask)
    const result: MaskResult = {
      mask: values,
      target: targets[k]!,
      before: [before[k]!],
      after: [after[k]!],
      logits: [logits[k]!],
      masked: maskedShare(values),
      trace: path.trace,
      iterations: path.trace.length,
      converged: path.converged,
      seconds,
      gpuBytes: program.memory.total,
      settings: { ...settings, lambda1: lambdas.lambda1, lambda2: lambdas.lambda2 },
    }
    return { scan, lambdas, result }
  })
}

/** Lists of one length as the rows of a tensor with room for `count` of them; zeros follow. */
function rows(lists: readonly Float32Array[], count: number): Float32Array {
  if (count === 1) return lists[0]!
  const length = lists[0]!.length
  const all = new Float32Array(count * length)
  for (const [k, list] of lists.entries()) all.set(list, k * length)
  return all
}
