/** Masks of many scans, each with its own mask and its own settings, several at a time in one program. */
import type { Gpu } from '../engine/gpu.ts'
import { InputError } from '../io/errors.ts'
import { classCount, type Network } from '../model/description.ts'
import { chooseBatch, requireVoxels } from './mask-graph.ts'
import { type MaskEntry, type MaskMachine, type MaskOutcome, openMachine } from './mask-machine.ts'
import { type Lambdas, type MaskInput, type MaskOptions, maskSettings } from './mask-options.ts'

export interface MasksOptions extends MaskOptions {
  /** Settings that every scan is explained under, instead of lambda1 and lambda2. */
  readonly lambdas?: readonly Lambdas[]
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
  let waiting: { entry: MaskEntry<S> } | { error: unknown } | 'end' | undefined
  let batch = options.batch && Math.min(options.batch, known)
  let machine: { key: string; machine: MaskMachine } | undefined
  let started = 0
  let stopped = false

  const withSpacing = ({ scan }: MaskEntry<S>): MaskOptions => ({ ...rest, spacing: options.spacing ?? scan.spacing })
  const pull = () =>
    entries.next().then(
      ({ value, done }) => (done ? 'end' : { entry: value }),
      (error: unknown) => ({ error }),
    )
  /** The entries of the next batch, all of one spacing; none at the end. A failure of the source has a turn of its own. */
  const take = async (): Promise<MaskEntry<S>[]> => {
    const taken: MaskEntry<S>[] = []
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
  const run = async (taken: readonly MaskEntry<S>[]): Promise<MaskOutcome<S>[]> => {
    if (taken.length === 0) return []
    const wanted = withSpacing(taken[0]!)
    if (machine?.key !== keyOf(wanted)) {
      machine?.machine.destroy()
      machine = undefined
      machine = { key: keyOf(wanted), machine: await openMachine(gpu, network, wanted, batch!) }
    }
    const place = { first: started, count: taken.length }
    started += taken.length
    return machine.machine.run(taken, (progress) => {
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
    machine?.machine.destroy()
    await entries.return()
  }
}

/** What a machine is made for: batches of scans with another spacing need another one. */
const keyOf = ({ spacing }: MaskOptions) => String(spacing)

async function* entriesOf<S extends MaskInput>(
  network: Network,
  scans: Iterable<S> | AsyncIterable<S>,
  lambdas: readonly Lambdas[],
): AsyncGenerator<MaskEntry<S>, void, undefined> {
  for await (const scan of scans) {
    requireVoxels(network, scan)
    for (const pair of lambdas) yield { scan, lambdas: pair }
  }
}
