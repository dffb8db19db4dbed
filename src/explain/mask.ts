/**
 * The perturbation mask (Fong & Vedaldi 2017; Thibeau-Sutre et al. 2020): find m in [0, 1] that minimises
 *
 *   f(m x + (1 - m) mu) + lambda1 |1 - m|^beta1 + lambda2 |grad m|^beta2
 *
 * where f is the network's score of a class. What m removes is what the network needed. For a group of scans one mask is
 * shared and f averaged. Everything of a step stays on the GPU; only the loss trace is read.
 */
import { backward } from '../engine/backward.ts'
import { compile } from '../engine/compile.ts'
import { type Gpu, release } from '../engine/gpu.ts'
import { fill as filled } from '../engine/ops/elementwise.ts'
import { select } from '../engine/ops/loss.ts'
import { type MemoryReport, planProgram } from '../engine/plan.ts'
import type { Program } from '../engine/program.ts'
import { input, type Node, sizeOf, state, type Tensor } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import { buildNetwork } from '../model/build.ts'
import { classCount, type Network } from '../model/description.ts'
import { argmax } from '../model/metrics.ts'
import { replacements } from './mask-fill.ts'
import {
  accumulate,
  applyMask,
  type MaskState,
  maskGradient,
  maskState,
  resetMask,
  stepMask,
  upsampleMask,
} from './mask-ops.ts'
import { type MaskOptions, type MaskSettings, maskSettings } from './mask-options.ts'

export { type MaskOptions, type MaskSettings, maskDefaults } from './mask-options.ts'

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
  /** Share of voxels with a mask below 0.5. */
  readonly masked: number
  readonly trace: readonly MaskStep[]
  readonly iterations: number
  /** True when the loss had settled before the iterations ran out. */
  readonly converged: boolean
  readonly seconds: number
  /** GPU memory of the optimisation, planned before it began. */
  readonly gpuBytes: number
  readonly settings: MaskSettings
}

type Triple = readonly [number, number, number]

interface MaskGraph {
  readonly mask: MaskState
  readonly x: Tensor
  readonly fill: Tensor
  /** [1], the class whose score is driven down. */
  readonly target: Tensor
  readonly probabilities: Tensor
  readonly applied: Node
  /** Group only: where gradient and score of all scans are summed, and the nodes that do it. */
  readonly sums: { readonly totals: readonly Tensor[]; readonly nodes: readonly Node[] } | undefined
  /** Step and trace. */
  readonly step: readonly Node[]
}

function buildGraph(network: Network, settings: MaskSettings, scans: number): MaskGraph {
  const shape = [1, ...network.description.input]
  const x = input(shape, 'scan')
  const target = input([1], 'target')
  const whole = settings.fill === 'mean' || settings.fill === 'blur'
  const fill = whole ? input(shape, 'replacement') : filled([1], settings.fill === 'one' ? 1 : 0)
  const mask = maskState(shape.slice(2) as unknown as Triple, settings.resolution, settings.iterations)
  const { jitter, seed } = settings
  const masked = applyMask(x, fill, mask, { jitter, seed }, settings.within === 'tissue')
  const { logits, probabilities } = buildNetwork(network, { input: masked })
  const score = select(settings.score === 'logit' ? logits : probabilities, target)
  const [dx] = backward(score, [masked], { seed: filled([1], 1) })
  const gradient = maskGradient(dx!, x, fill, settings.within === 'tissue')
  const options = stepOptions(settings, mask)
  const common = { mask, x, fill, target, probabilities, applied: masked.node! }
  if (scans === 1) return { ...common, sums: undefined, step: stepMask(gradient, score, mask, options) }
  const totals = [state(gradient.shape, undefined, 'group gradient'), state([1], undefined, 'group score')] as const
  const nodes = [accumulate(gradient, totals[0], 1 / scans), accumulate(score, totals[1], 1 / scans)]
  return { ...common, sums: { totals, nodes }, step: stepMask(totals[0], totals[1], mask, options) }
}

/** What the reduction makes of lambdas and slopes (see MaskOptions.reduction). */
function stepOptions(settings: MaskSettings, { cells, size, cell }: MaskState) {
  const { lambda1, lambda2, beta1, beta2, reduction, spacing, learningRate, jitter, seed } = settings
  const weight = reduction === 'mean' ? 1 / sizeOf(cells) : sizeOf(size) / sizeOf(cells)
  const slope = spacing.map((mm) => (reduction === 'mean' ? 10 / (cell * mm) : 1 / cell)) as unknown as Triple
  return { lambda1: lambda1 * weight, lambda2: lambda2 * weight, beta1, beta2, slope, learningRate, jitter, seed }
}

/**
 * GPU memory of a mask optimisation in bytes, planned without allocating anything.
 * @param scans number of scans that share the mask; from two on, memory does not grow with it.
 */
export function planMask(gpu: Gpu, network: Network, options: MaskOptions = {}, scans = 1): MemoryReport {
  const graph = buildGraph(network, maskSettings(options, classCount(network.description)), scans)
  const effects = graph.sums?.nodes ?? graph.step
  return planProgram(gpu, [graph.probabilities], { effects, frozen: true }).memory
}

/**
 * Optimises one mask for one scan, or one shared mask for a group. The scans are fed one after the other, so GPU memory does
 * not grow with their number.
 * @param scans network inputs, [D, H, W] each (see applyRecipe).
 * @throws InputError for an option or scan that does not fit; GpuError when the GPU fails or has too little memory.
 */
export async function optimiseMask(
  gpu: Gpu,
  network: Network,
  scans: readonly Float32Array[],
  options: MaskOptions = {},
): Promise<MaskResult> {
  const started = performance.now()
  const settings = maskSettings(options, classCount(network.description))
  const voxels = sizeOf(network.description.input)
  if (scans.length === 0) throw new InputError('a mask needs at least one scan')
  for (const s of scans) {
    if (s.length !== voxels)
      throw new InputError(`a scan has ${s.length} voxels, but the network's input has ${voxels}`)
  }
  const fills = await replacements(gpu, network, scans, settings, options.reference)
  const graph = buildGraph(network, settings, scans.length)
  const { memoryLimit } = options
  const { probabilities } = graph
  const program = await compile(
    gpu,
    { probabilities },
    { effects: graph.sums?.nodes ?? graph.step, frozen: true, memoryLimit },
  )
  const stepper = graph.sums ? await compile(gpu, {}, { effects: graph.step }) : undefined
  try {
    const engine = maskEngine(program, stepper, graph, scans, fills)
    engine.setJitter(0)
    const before = await engine.classify()
    const target = options.target ?? argmax(before[0]!)
    program.write(graph.target, new Float32Array([target]))
    resetMask(program, graph.mask)
    engine.setJitter(settings.jitter)
    const { trace, converged } = await descend(engine, graph, settings, voxels, options.onProgress)
    engine.setJitter(0)
    const after = await engine.classify()
    // The mask has two copies; after n steps the current one is n % 2, and classify() left it as it is.
    const mask = upsampleMask(await program.read(graph.mask.mask), trace.length % 2, graph.mask)
    return {
      mask,
      target,
      before,
      after,
      masked: mask.reduce((n, m) => n + (m < 0.5 ? 1 : 0), 0) / mask.length,
      trace,
      iterations: trace.length,
      converged,
      seconds: (performance.now() - started) / 1000,
      gpuBytes: program.memory.total + (stepper?.memory.temporaries ?? 0),
      settings,
    }
  } finally {
    program.destroy()
    stepper?.destroy()
    const { mask, counter, moments, trace, parts } = graph.mask
    release(gpu, [mask, counter, moments, trace, parts, ...(graph.sums?.totals ?? [])])
  }
}

/** The compiled programs as what the optimisation asks of them. */
interface MaskEngine {
  setJitter(jitter: number): void
  /** Probabilities of every scan under the current mask. A single scan's program also steps, into the mask's other copy. */
  classify(): Promise<Float32Array[]>
  /** Submits steps and returns at once. */
  steps(count: number): void
  readTrace(): Promise<Float32Array>
}

function maskEngine(
  program: Program,
  stepper: Program | undefined,
  graph: MaskGraph,
  scans: readonly Float32Array[],
  fills: readonly Float32Array[],
): MaskEngine {
  const feed = (k: number) => {
    program.write(graph.x, scans[k]!)
    if (fills.length > 0) program.write(graph.fill, fills[k] ?? fills[0]!)
    for (const node of graph.sums?.nodes ?? []) program.setUniforms(node, { first: k === 0 ? 1 : 0 })
  }
  const runScan = (k: number) => {
    feed(k)
    program.run()
  }
  return {
    setJitter(jitter) {
      program.setUniforms(graph.applied, { jitter })
      ;(stepper ?? program).setUniforms(graph.step[0]!, { jitter })
    },
    async classify() {
      const found: Float32Array[] = []
      for (const k of scans.keys()) {
        runScan(k)
        found.push(await program.read(graph.probabilities))
      }
      return found
    },
    steps(count) {
      if (!stepper) return program.run(count)
      for (let step = 0; step < count; step++) {
        for (const k of scans.keys()) runScan(k)
        stepper.run()
      }
    },
    readTrace: () => program.read(graph.mask.trace),
  }
}

/** Steps per submission are chosen so that progress is seen about so often. */
const REPORT_MS = 700
/** The loss is compared over windows of so many steps. */
const WINDOW = 10

/** Runs steps until the loss has settled or the iterations are used up. */
async function descend(
  engine: MaskEngine,
  { mask }: MaskGraph,
  settings: MaskSettings,
  voxels: number,
  onProgress: MaskOptions['onProgress'],
): Promise<{ trace: MaskStep[]; converged: boolean }> {
  const { iterations, tolerance, lambda1, lambda2, reduction } = settings
  const weight = (reduction === 'mean' ? 1 : voxels) / sizeOf(mask.cells)
  const trace: MaskStep[] = []
  let chunk = 1
  while (trace.length < iterations) {
    const count = Math.min(chunk, iterations - trace.length)
    const began = performance.now()
    engine.steps(count)
    const rows = await engine.readTrace()
    const elapsed = performance.now() - began
    const done = trace.length
    for (let k = done; k < done + count; k++) trace.push(stepAt(rows, k, lambda1 * weight, lambda2 * weight))
    const { total, score } = trace.at(-1)!
    onProgress?.({ iteration: trace.length, iterations, total, score })
    if (!Number.isFinite(total))
      throw new InputError(
        `the mask's loss became ${total} at step ${trace.length}: use a smaller learning rate or lambdas`,
      )
    if (settled(trace, tolerance)) return { trace, converged: true }
    chunk = Math.max(1, Math.min(WINDOW, Math.round((count * REPORT_MS) / Math.max(elapsed, 1))))
  }
  return { trace, converged: false }
}

function stepAt(rows: Float32Array, k: number, weight1: number, weight2: number): MaskStep {
  const [score, area, slope] = rows.subarray(4 * k, 4 * k + 3) as unknown as [number, number, number]
  const l1 = weight1 * area
  const tv = weight2 * slope
  return { score, l1, tv, total: score + l1 + tv }
}

function settled(trace: readonly MaskStep[], tolerance: number): boolean {
  if (tolerance === 0 || trace.length < 2 * WINDOW) return false
  const mean = (steps: readonly MaskStep[]) => steps.reduce((s, t) => s + t.total, 0) / steps.length
  const now = mean(trace.slice(-WINDOW))
  return Math.abs(mean(trace.slice(-2 * WINDOW, -WINDOW)) - now) < tolerance * Math.abs(now)
}
