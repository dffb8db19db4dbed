/** The graph of a mask optimisation, how many scans go into it at a time, and what memory that takes. */
import { backward } from '../engine/backward.ts'
import type { Gpu } from '../engine/gpu.ts'
import { fill as filled } from '../engine/ops/elementwise.ts'
import { select } from '../engine/ops/select.ts'
import { type MemoryReport, planProgram } from '../engine/plan.ts'
import { input, type Node, sizeOf, state, type Tensor } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import { buildNetwork } from '../model/build.ts'
import { classCount, type Network } from '../model/description.ts'
import { busyBatch, evenBatch, MODEST_BYTES } from './batch.ts'
import { accumulate, applyMask, gatherCells, maskGradient, stepMask } from './mask-ops.ts'
import { type Lambdas, type MaskInput, type MaskOptions, type MaskSettings, maskSettings } from './mask-options.ts'
import { type MaskState, maskState, type Triple } from './mask-state.ts'
import { unitGradient } from './unit-gradient.ts'

export interface MaskGraph {
  readonly mask: MaskState
  /** [batch, 1, D, H, W]. */
  readonly x: Tensor
  /** Like x, or one value. */
  readonly fill: Tensor
  /** [batch], the class whose score is driven down. */
  readonly target: Tensor
  /** [batch, classes]. */
  readonly logits: Tensor
  /** [batch, classes]. */
  readonly probabilities: Tensor
  /** One mask for all scans: where gradient and score are summed, and the nodes that do it. */
  readonly sums: { readonly totals: readonly Tensor[]; readonly nodes: readonly Node[] } | undefined
  /** True where voxels that are 0 stay as they are. */
  readonly tissue: boolean
  /** The masked scans, where masks leave much of them alone: see mask-live.ts. */
  readonly live: Tensor | undefined
  /** How often the program of a batch is expected to run: kernels follow from it, and the memory of their lists. */
  readonly runs: number
  /** Step and trace. */
  readonly step: readonly Node[]
}

/**
 * The graph of a step for `batch` scans.
 * @param shared number of scans that share one mask, which may be more than `batch`; undefined: each has its own.
 */
export function buildGraph(network: Network, settings: MaskSettings, batch: number, shared?: number): MaskGraph {
  const shape = [batch, ...network.description.input]
  const x = input(shape, 'scans')
  const target = input([batch], 'target')
  // Where the network takes residuals, one intensity is another residual in every voxel (see mask-fill.ts).
  const residual = network.description.recipe.residual !== undefined
  const whole = residual || settings.fill === 'mean' || settings.fill === 'blur'
  const fill = whole ? input(shape, 'replacements') : filled([1], settings.fill === 'one' ? 1 : 0)
  const size = shape.slice(2) as unknown as Triple
  const mask = maskState(size, settings.resolution, settings.iterations, shared === undefined ? batch : 1)
  const tissue = settings.within === 'tissue' && !residual
  const masked = applyMask(x, fill, mask, settings, tissue)
  const { logits, probabilities } = buildNetwork(network, { input: masked })
  const score = select(settings.score === 'logit' ? logits : probabilities, target)
  const ofMask = (dx: Tensor) => gatherCells(maskGradient(dx, x, fill, tissue), mask, settings)
  const gradient =
    settings.precision === 'f16'
      ? unitGradient(score, logits, masked, ofMask)
      : ofMask(backward(score, [masked], { seed: filled([batch], 1) })[0]!)
  const options = { ...settings, slope: slopes(settings, mask) }
  const live = settings.within === 'tissue' ? masked : undefined
  const runs = settings.iterations * Math.ceil((shared ?? batch) / batch)
  const common = { mask, x, fill, target, logits, probabilities, tissue, live, runs }
  if (shared === undefined) return { ...common, sums: undefined, step: stepMask(gradient, score, mask, options) }
  const totals = [
    state([1, sizeOf(mask.cells)], undefined, 'group gradient'),
    state([1], undefined, 'group score'),
  ] as const
  const nodes = [accumulate(gradient, totals[0], 1 / shared), accumulate(score, totals[1], 1 / shared)]
  return { ...common, sums: { totals, nodes }, step: stepMask(totals[0], totals[1], mask, options) }
}

/** Derivatives for a difference of 1 between neighbouring cells (see MaskOptions.reduction). */
function slopes({ reduction, spacing }: MaskSettings, { cell }: MaskState): Triple {
  return spacing.map((mm) => (reduction === 'mean' ? 10 / (cell * mm) : 1 / cell)) as unknown as Triple
}

/** What the reduction makes of the lambdas: the weights of one cell. */
export function cellWeights({ lambda1, lambda2 }: Lambdas, { reduction }: MaskSettings, { cells, size }: MaskState) {
  const weight = (reduction === 'mean' ? 1 : sizeOf(size)) / sizeOf(cells)
  return [lambda1 * weight, lambda2 * weight] as const
}

/** Effects of the program that is run for every batch of scans. Steps of a shared mask that needs several are a program apart. */
export function batchEffects({ sums, step, x }: MaskGraph, shared = 0): readonly Node[] {
  if (!sums) return step
  return shared <= x.shape[0]! ? [...sums.nodes, ...step] : sums.nodes
}

/**
 * GPU memory of a mask optimisation in bytes, planned without allocating anything.
 * @param scans number of scans that share the mask (optimiseMask, explainGroup).
 */
export function planMask(gpu: Gpu, network: Network, options: MaskOptions = {}, scans = 1): MemoryReport {
  const settings = maskSettings(options, classCount(network.description))
  const shared = scans > 1 ? scans : undefined
  const batch = options.batch ?? chooseBatch(gpu, network, options, scans, shared)
  return planOf(gpu, buildGraph(network, settings, Math.min(batch, scans), shared), options, shared).memory
}

/** The same for masks of their own (optimiseMasks, explainScans), and how many are optimised at a time. */
export function planMasks(
  gpu: Gpu,
  network: Network,
  options: MaskOptions = {},
  masks = 1,
): MemoryReport & { readonly batch: number } {
  const settings = maskSettings(options, classCount(network.description))
  const batch = Math.min(options.batch ?? chooseBatch(gpu, network, options, masks), masks)
  return { ...planOf(gpu, buildGraph(network, settings, batch), options).memory, batch }
}

function planOf(gpu: Gpu, graph: MaskGraph, options: MaskOptions, shared?: number) {
  const { precision, memoryLimit } = options
  const effects = batchEffects(graph, shared)
  const { probabilities, logits, live, runs } = graph
  return planProgram(gpu, [probabilities, logits], { effects, frozen: true, live, precision, memoryLimit, runs })
}

/**
 * How many scans to work on at a time: as many as keep the adapter busy, within the memory allowed, and so that the last
 * batch is as full as the others.
 * @param scans how many there are; Infinity where that is not known.
 */
export function chooseBatch(gpu: Gpu, network: Network, options: MaskOptions, scans: number, shared?: number): number {
  const settings = maskSettings(options, classCount(network.description))
  const fits = (batch: number) => {
    const { memory, temporaries } = planOf(gpu, buildGraph(network, settings, batch, shared), options, shared)
    const largest = Math.max(0, ...temporaries.buffers)
    return memory.total <= (options.memoryLimit ?? MODEST_BYTES) && largest <= gpu.maxBinding
  }
  let batch = busyBatch(gpu, network, scans)
  while (batch > 1 && !fits(batch)) batch = evenBatch(batch >> 1, scans)
  return batch
}

/** @throws InputError for a scan of another size than the network's input, or without the intensities that a fill needs. */
export function requireVoxels(network: Network, { tensor, plain }: MaskInput): void {
  const voxels = sizeOf(network.description.input)
  for (const data of [tensor, plain]) {
    if (data && data.length !== voxels) {
      throw new InputError(`a scan has ${data.length} voxels, but the network's input has ${voxels}`)
    }
  }
  if (network.description.recipe.residual && !plain) {
    throw new InputError(
      'the network takes residuals, and a mask replaces intensities: give the scan before residualisation, too (plain; see prepareInput)',
    )
  }
}
