/** The perturbation mask as one of the methods: a mask of its own for every scan, relevance 1 - mask. */
import type { Gpu } from '../engine/gpu.ts'
import type { MemoryReport } from '../engine/plan.ts'
import { InputError } from '../io/errors.ts'
import { classCount, type Network } from '../model/description.ts'
import { integerFrom, numberWithin, oneOf } from '../model/formats/read-json.ts'
import { planMasks, requireVoxels } from './mask-graph.ts'
import { type MaskEntry, type MaskMachine, type MaskOutcome, openMachine } from './mask-machine.ts'
import { type MaskInput, type MaskOptions, maskDefaults, maskSettings } from './mask-options.ts'
import type { MaskResult } from './mask-run.ts'
import { type Attribution, checkInputs, type Explainer, type Method, type RunOptions, type Setting } from './method.ts'

/** What the mask can be told as a method; see MaskOptions. */
export interface MaskMethodSettings {
  lambda1: number
  lambda2: number
  beta1: number
  beta2: number
  fill: 'one' | 'zero' | 'mean' | 'blur'
  within: 'tissue' | 'volume'
  reduction: 'mean' | 'sum'
  /** `auto`: about 12 mm. */
  resolution: number | 'auto'
  jitter: number
  iterations: number
  tolerance: number
  learningRate: number
  score: 'probability' | 'logit'
}

/** A mask as an attribution of its scan. */
export interface MaskAttribution extends Attribution {
  readonly result: MaskResult
}

export interface MaskExplainer extends Explainer {
  explain(inputs: readonly MaskInput[], options?: RunOptions): Promise<MaskAttribution[]>
  /** As explain, each scan under settings of its own; the failure of one mask is that mask's outcome. */
  outcomes<S extends MaskInput>(entries: readonly MaskEntry<S>[], options?: RunOptions): Promise<MaskOutcome<S>[]>
}

/**
 * Makes masks of scans, `options.batch` (default 1) at a time. Programs are compiled when the first scan comes, because the size of mask cells
 * goes by its voxels, and again only for scans with voxels of another size.
 * @param plan what the masks are expected to take until then (see planMasks)
 * @throws InputError for an option that does not fit
 */
export function openMasks(gpu: Gpu, network: Network, options: MaskOptions, plan: MemoryReport): MaskExplainer {
  const classes = classCount(network.description)
  const { lambda1, lambda2, fill } = maskSettings(options, classes)
  if (fill === 'mean' && !options.reference) {
    throw new InputError('the mask\'s fill "mean" needs a reference image: the mean of one scan is the scan itself')
  }
  const batch = options.batch ?? 1
  let memory = plan
  let machine: { spacing: string; machine: MaskMachine } | undefined
  let busy: Promise<unknown> = Promise.resolve()
  const spacingOf = ({ spacing }: MaskInput) => options.spacing ?? spacing ?? maskDefaults.spacing

  const machineFor = async (scan: MaskInput): Promise<MaskMachine> => {
    const spacing = spacingOf(scan)
    if (machine?.spacing === String(spacing)) return machine.machine
    machine?.machine.destroy()
    machine = undefined
    const opened = await openMachine(gpu, network, { ...options, spacing }, batch)
    machine = { spacing: String(spacing), machine: opened }
    memory = opened.memory
    return opened
  }

  async function run<S extends MaskInput>(
    entries: readonly MaskEntry<S>[],
    { onProgress, signal }: RunOptions,
  ): Promise<MaskOutcome<S>[]> {
    const found: MaskOutcome<S>[] = []
    while (found.length < entries.length) {
      signal?.throwIfAborted()
      const rest = entries.slice(found.length, found.length + batch)
      const spacing = String(spacingOf(rest[0]!.scan))
      const other = rest.findIndex(({ scan }) => String(spacingOf(scan)) !== spacing)
      const taken = other < 0 ? rest : rest.slice(0, other)
      const done = found.length
      const outcomes = await (await machineFor(taken[0]!.scan)).run(taken, (progress) => {
        signal?.throwIfAborted()
        const share = progress.iteration / progress.iterations
        onProgress?.((done + share * taken.length) / entries.length)
        options.onProgress?.({ ...progress, first: done, count: taken.length })
      })
      found.push(...outcomes)
    }
    onProgress?.(1)
    return found
  }

  const outcomes: MaskExplainer['outcomes'] = (entries, runOptions = {}) => {
    for (const { scan } of entries) requireVoxels(network, scan)
    const work = busy.then(() => run(entries, runOptions))
    busy = work.catch(() => undefined)
    return work
  }
  return {
    get memory() {
      return memory
    },
    batch,
    outcomes,
    async explain(inputs, runOptions) {
      checkInputs(network, inputs, classes)
      const entries = inputs.map((scan) => ({ scan, lambdas: { lambda1, lambda2 } }))
      return (await outcomes(entries, runOptions)).map((outcome) => {
        if ('error' in outcome) throw outcome.error
        return maskAttribution(outcome.result)
      })
    },
    destroy: () => machine?.machine.destroy(),
  }
}

/** What a mask of one scan says, in the words of all methods. */
export function maskAttribution(result: MaskResult): MaskAttribution {
  const { mask, target, before, after, logits, masked, iterations, converged } = result
  return {
    relevance: mask.map((m) => 1 - m),
    target,
    logits: Array.from(logits[0]!),
    probabilities: Array.from(before[0]!),
    facts: { after: after[0]![target]!, masked, iterations, converged: converged ? 1 : 0 },
    result,
  }
}

const number = (name: keyof typeof maskDefaults & keyof MaskMethodSettings, text: string, least = 0) =>
  ({ default: maskDefaults[name], text, read: numberWithin(least) }) as Setting<number>

const cell: Setting<number | 'auto'> = {
  default: 'auto',
  text: 'edge of a mask cell in voxels, 1 to 64; auto: about 12 mm',
  read: (value, what) => (value === 'auto' ? value : integerFrom(1)(value, what)),
}

export const mask: Method<MaskMethodSettings> = {
  name: 'mask',
  title: 'Perturbation mask',
  source: 'Fong & Vedaldi 2017; Thibeau-Sutre et al. 2020',
  signed: false,
  settings: {
    lambda1: number('lambda1', 'weight of the area term |1 - m|^beta1'),
    lambda2: number('lambda2', 'weight of the smoothness term |grad m|^beta2'),
    beta1: number('beta1', 'exponent of the area term', 1),
    beta2: number('beta2', 'exponent of the smoothness term', 1),
    fill: {
      default: maskDefaults.fill,
      text: 'what replaces masked voxels: one, zero, mean or blur',
      read: oneOf('one', 'zero', 'mean', 'blur'),
    },
    within: {
      default: maskDefaults.within,
      text: 'where the mask acts: tissue (where the scan is not 0) or volume',
      read: oneOf('tissue', 'volume'),
    },
    reduction: {
      default: maskDefaults.reduction,
      text: 'whether terms are means or sums over voxels',
      read: oneOf('mean', 'sum'),
    },
    resolution: cell,
    jitter: { default: maskDefaults.jitter, text: 'random shift in each step, in voxels', read: integerFrom(0) },
    iterations: { default: maskDefaults.iterations, text: 'steps at most', read: integerFrom(1) },
    tolerance: number('tolerance', 'stop when the loss changes by less than this part; 0: never'),
    learningRate: number('learningRate', 'of Adam', 1e-9),
    score: {
      default: maskDefaults.score,
      text: 'what is driven down: probability or logit',
      read: oneOf('probability', 'logit'),
    },
  },
  async make(gpu, network, { resolution, ...settings }, { batch, memoryLimit, precision, seed } = {}) {
    const size = resolution === 'auto' ? undefined : resolution
    const options = { ...settings, resolution: size, batch, memoryLimit, precision, seed }
    return openMasks(gpu, network, options, planMasks(gpu, network, options, batch ?? 1))
  },
}
