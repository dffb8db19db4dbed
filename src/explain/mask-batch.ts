/** Masks of many scans, each with its own mask and its own settings, several at a time in one program. */
import { compile } from '../engine/compile.ts'
import { type Gpu, release } from '../engine/gpu.ts'
import type { Program } from '../engine/program.ts'
import { InputError } from '../io/errors.ts'
import { classCount, type Network } from '../model/description.ts'
import { argmax } from '../model/evaluation/metrics.ts'
import { openReplacement, type Replacement } from './mask-fill.ts'
import { batchEffects, buildGraph, cellWeights, chooseBatch, type MaskGraph, requireVoxels } from './mask-graph.ts'
import { type Lambdas, type MaskOptions, type MaskSettings, maskSettings } from './mask-options.ts'
import { descend, type MaskResult, maskedShare, readMask } from './mask-run.ts'
import { maskLeaves, resetMasks, startMasks, type Triple } from './mask-state.ts'

export interface MaskInput {
  /** [D, H, W] of the network's input (see applyRecipe). */
  readonly tensor: Float32Array
  /** As MaskOptions.spacing, which goes before it; scans of another spacing are not worked on at the same time. */
  readonly spacing?: Triple
}

export interface MasksOptions extends MaskOptions {
  /** Settings that every scan is explained under, instead of lambda1 and lambda2. */
  readonly lambdas?: readonly Lambdas[]
}

/** What became of a scan under one setting. An error is that mask's own: the others are not touched by it. */
export type MaskOutcome<S extends MaskInput = MaskInput> = { readonly scan: S; readonly lambdas: Lambdas } & (
  | { readonly result: MaskResult }
  | { readonly error: InputError }
)

/** One mask to be made. */
interface Entry<S> {
  readonly scan: S
  readonly lambdas: Lambdas
}

/**
 * Optimises a mask for every scan under every setting, `batch` at a time, and yields them in that order: scan by scan, all
 * settings of each. A result has the same bits as when it is made alone. While the GPU works on a batch the scans of the
 * next one are taken from `scans`, and the next one is begun before the results are yielded: a source that reads files and
 * a consumer that writes them cost the GPU no time, and no more than two batches of scans are held.
 * @throws InputError for an option or scan that does not fit; GpuError when the GPU fails or has too little memory; what
 *   `scans` throws.
 */
export async function* optimiseMasks<S extends MaskInput>(
  gpu: Gpu,
  network: Network,
  scans: Iterable<S> | AsyncIterable<S>,
  options: MasksOptions = {},
): AsyncGenerator<MaskOutcome<S>, void, undefined> {
  const { lambdas: grid, ...rest } = options
  const classes = classCount(network.description)
  const { lambda1, lambda2 } = maskSettings(rest, classes)
  const lambdas = grid ?? [{ lambda1, lambda2 }]
  if (lambdas.length === 0) throw new InputError('lambdas is empty: give at least one pair of lambda1 and lambda2')
  for (const pair of lambdas) maskSettings({ ...rest, ...pair }, classes)
  const known = Array.isArray(scans) ? Math.max(1, scans.length) * lambdas.length : Number.POSITIVE_INFINITY
  const entries = entriesOf(network, scans, lambdas)
  /** What `entries` gave and no batch has taken yet. */
  let waiting: { entry: Entry<S> } | { error: unknown } | 'end' | undefined
  let batch = options.batch && Math.min(options.batch, known)
  let machine: Machine | undefined
  let started = 0
  let stopped = false

  const withSpacing = ({ scan }: Entry<S>): MaskOptions => ({ ...rest, spacing: options.spacing ?? scan.spacing })
  const pull = () =>
    entries.next().then(
      ({ value, done }) => (done ? 'end' : { entry: value }),
      (error: unknown) => ({ error }),
    )
  /** The entries of the next batch, all of one spacing; none at the end. A failure of the source has a turn of its own. */
  const take = async (): Promise<Entry<S>[]> => {
    const taken: Entry<S>[] = []
    while (taken.length === 0 || taken.length !== batch) {
      waiting ??= await pull()
      if (waiting === 'end') break
      if ('error' in waiting) {
        if (taken.length > 0) break
        throw waiting.error
      }
      const { entry } = waiting
      if (taken[0] && keyOf(withSpacing(taken[0])) !== keyOf(withSpacing(entry))) break
      batch ??= chooseBatch(gpu, network, withSpacing(entry), known)
      taken.push(entry)
      waiting = undefined
    }
    return taken
  }
  const run = async (taken: readonly Entry<S>[]): Promise<MaskOutcome<S>[]> => {
    if (taken.length === 0) return []
    const wanted = withSpacing(taken[0]!)
    if (machine?.key !== keyOf(wanted)) {
      machine?.destroy()
      machine = undefined
      machine = await openMachine(gpu, network, wanted, batch!)
    }
    const place = { first: started, count: taken.length }
    started += taken.length
    return machine.run(taken, (progress) => {
      if (stopped) throw new Error('nobody waits for these masks any more')
      options.onProgress?.({ ...progress, ...place })
    })
  }

  let taking = take()
  let running = taking.then(run)
  try {
    for (;;) {
      taking = taking.then(take)
      // Both are awaited in their turn; until then a failure must not count as unhandled.
      taking.catch(() => undefined)
      const outcomes = await running
      if (outcomes.length === 0) return
      running = taking.then(run)
      running.catch(() => undefined)
      yield* outcomes
    }
  } finally {
    stopped = true
    await running.catch(() => undefined)
    machine?.destroy()
    await entries.return()
  }
}

/** What a machine is made for: batches of scans with another spacing need another one. */
const keyOf = ({ spacing }: MaskOptions) => String(spacing)

async function* entriesOf<S extends MaskInput>(
  network: Network,
  scans: Iterable<S> | AsyncIterable<S>,
  lambdas: readonly Lambdas[],
): AsyncGenerator<Entry<S>, void, undefined> {
  for await (const scan of scans) {
    requireVoxels(network, scan.tensor)
    for (const pair of lambdas) yield { scan, lambdas: pair }
  }
}

/** A compiled program for batches of masks. */
interface Machine {
  readonly key: string
  run<S extends MaskInput>(
    entries: readonly Entry<S>[],
    onProgress: Parameters<typeof descend>[4],
  ): Promise<MaskOutcome<S>[]>
  destroy(): void
}

async function openMachine(gpu: Gpu, network: Network, options: MaskOptions, batch: number): Promise<Machine> {
  const settings = maskSettings(options, classCount(network.description))
  const replacement = await openReplacement(gpu, network, settings, options.reference)
  const graph = buildGraph(network, settings, batch)
  const destroy = () => {
    replacement.destroy()
    release(gpu, maskLeaves(graph.mask))
  }
  try {
    const { memoryLimit, precision } = options
    const { probabilities } = graph
    const runs = settings.iterations
    const compiling = { effects: batchEffects(graph), frozen: true, memoryLimit, precision, runs }
    const program = await compile(gpu, { probabilities }, compiling)
    return {
      key: keyOf(options),
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
  entries: readonly Entry<S>[],
  onProgress: Parameters<typeof descend>[4],
): Promise<MaskOutcome<S>[]> {
  const began = performance.now()
  const { mask, probabilities } = graph
  const [batch, classes] = probabilities.shape as [number, number]
  program.write(
    graph.x,
    rows(
      entries.map(({ scan }) => scan.tensor),
      batch,
    ),
  )
  const fills: Float32Array[] = []
  for (const { scan } of entries) {
    const fill = await replacement.of(scan.tensor)
    if (fill) fills.push(fill)
  }
  if (fills.length > 0) program.write(graph.fill, rows(fills, batch))
  resetMasks(program, mask)
  const classify = async () => {
    program.run()
    const all = await program.read(probabilities)
    return entries.map((_, k) => all.slice(k * classes, (k + 1) * classes))
  }
  const before = await classify()
  const targets = before.map((found) => options.target ?? argmax(found))
  program.write(
    graph.target,
    rows(
      targets.map((target) => Float32Array.of(target)),
      batch,
    ),
  )
  const weights = entries.map(({ lambdas }) => Float32Array.from(cellWeights(lambdas, settings, mask)))
  program.write(mask.weights, rows(weights, batch))
  startMasks(program, mask, entries.length)
  const steps = (count: number) => program.run(count)
  const lambdas = entries.map((entry) => entry.lambdas)
  const paths = await descend({ program, steps }, mask, settings, lambdas, onProgress)
  const after = await classify()
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
