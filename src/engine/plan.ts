/** What a program will do and hold, before anything touches the GPU. */

import { reachable } from './backward.ts'
import { lowerAndFuse, operandsOf, type Step } from './fuse.ts'
import type { Gpu, Tune } from './gpu.ts'
import { type LivePlan, planLive } from './live-plan.ts'
import { type Lifetime, type MemoryPlan, planMemory } from './memory.ts'
import { halfStored, type Precision, storedBytes } from './precision.ts'
import { type Choice, type Node, storageOf, type Tensor } from './tensor.ts'

export interface CompileOptions {
  /** Nodes that change leaves in place and must run (optimizer steps, running statistics). */
  effects?: readonly Node[]
  /** True: parameters do not change while this program is used, so what depends on them alone is computed once. */
  frozen?: boolean
  /** False: no elementwise fusion (the reference for tests and benchmarks). Default true. */
  fuse?: boolean
  /** How often the program will run, about: on CPU adapters, kernels that run often are worth a longer compilation. Default 20. */
  runs?: number
  /** Which variant of a kernel to take where there are several; undefined: the fastest known, see gpu.tuning. */
  variant?: (choice: Choice) => string | undefined
  /** `tune` of tune.ts: variants that nobody has measured on this adapter are measured first; false: never. Default: the GPU's. */
  tune?: Tune | false
  /**
   * How large intermediate values are stored; 'f16' halves their memory and traffic, and the adapter must have
   * shader-f16. Arithmetic, sums, leaves and outputs are f32 with both. Default 'f32'.
   */
  precision?: Precision
  /**
   * A tensor [N, C, D, H, W] of which few voxels change from run to run while nothing else that it is made of or mixed with
   * does: Program.setLive() then saves the rest. Gradients are right only at live voxels. Used where it pays: on CPU adapters.
   */
  live?: Tensor
  /** Refuse programs whose planned GPU memory exceeds this many bytes. */
  memoryLimit?: number
}

/** What a program will hold on the GPU, in bytes, known before anything is allocated. */
export interface MemoryReport {
  /** Shared buffers of temporaries. */
  readonly temporaries: number
  /** Inputs, outputs and values computed once. */
  readonly fixed: number
  /** Parameters and constants (shared with other programs). */
  readonly resident: number
  readonly total: number
}

/** A compiled plan that has not touched the GPU yet. */
export interface Plan {
  readonly memory: MemoryReport
  readonly once: readonly Step[]
  readonly steps: readonly Step[]
  readonly inputs: readonly Tensor[]
  readonly residents: readonly Tensor[]
  readonly fixed: readonly Tensor[]
  readonly temporaries: MemoryPlan<Tensor>
  /** What may be left out of a run, where `live` was asked for. */
  readonly live: LivePlan | undefined
  /** Tensors that are stored as f16. */
  readonly half: ReadonlySet<Tensor>
}

/**
 * Plans a program: which kernels run in which order, and what memory that takes.
 * @param outputs tensors the caller wants to read.
 * @throws GpuError 'unavailable' for precision 'f16' on an adapter without it.
 */
export function planProgram(gpu: Gpu, outputs: readonly Tensor[], options: CompileOptions = {}): Plan {
  const plan = planVariants(gpu, outputs, options, (choice) => gpu.tuning.get(choiceKey(choice)))
  if (plan.memory.total <= (options.memoryLimit ?? Number.POSITIVE_INFINITY)) return plan
  // The fastest variants may take more memory than those preferred without measuring.
  return planVariants(gpu, outputs, options, () => undefined)
}

/** A choice by what it is about: the same on every program with the same shapes. */
export function choiceKey({ name, key }: Choice): string {
  return `${name} ${key}`
}

function planVariants(
  gpu: Gpu,
  outputs: readonly Tensor[],
  options: CompileOptions,
  fastest: (choice: Choice) => string | undefined,
): Plan {
  const effects = options.effects ?? []
  const nodes = reachable(outputs, effects)
  const kept = outputs.map(storageOf)
  const leaves = new Set<Tensor>(kept.filter((t) => t.leaf))
  for (const n of nodes) for (const t of n.inputs) if (t.leaf) leaves.add(t)
  const constant = constantNodes(nodes, options.frozen ?? false)
  const onceNodes = nodes.filter((n) => constant.has(n))
  const stepNodes = nodes.filter((n) => !constant.has(n))
  const fixed = new Set<Tensor>(kept.filter((t) => t.node))
  for (const n of stepNodes) {
    for (const t of n.inputs.map(storageOf)) if (t.node && constant.has(t.node)) fixed.add(t)
  }
  const fuse = {
    limits: gpu.limits,
    software: gpu.software,
    runs: options.runs ?? 20,
    maxBinding: gpu.maxBinding,
    kept: fixed,
    fuse: options.fuse ?? true,
    variant: (choice: Choice) => options.variant?.(choice) ?? fastest(choice),
  }
  const once = lowerAndFuse(onceNodes, fuse)
  const whole = lowerAndFuse(stepNodes, fuse)
  const { steps, live } =
    options.live && gpu.software ? planLive(options.live, stepNodes, whole, fuse) : { steps: whole, live: undefined }
  for (const t of live?.kept ?? []) fixed.add(t)
  const exact = new Set([...kept, ...effects.flatMap((n) => n.inputs.map(storageOf))])
  const half = options.precision === 'f16' ? halfStored(gpu, [...once, ...steps].flatMap(tensorsOf), exact) : NONE
  const bytes = (t: Tensor) => storedBytes(t, half)
  const temporaries = planMemory([...lifetimes(once, fixed, 0, bytes), ...lifetimes(steps, fixed, once.length, bytes)])
  const inputs = [...leaves].filter((t) => t.leaf!.kind === 'input')
  const residents = [...leaves].filter((t) => t.leaf!.kind !== 'input')
  const sum = (tensors: Iterable<Tensor>) => [...tensors].reduce((s, t) => s + bytes(t), 0)
  const memory = {
    temporaries: temporaries.buffers.reduce((a, b) => a + b, 0),
    fixed: sum(inputs) + sum(fixed) + sum(live?.lists.map(({ list }) => list) ?? []),
    resident: sum(residents),
  }
  const total = memory.temporaries + memory.fixed + memory.resident
  const report = { ...memory, total }
  return { memory: report, once, steps, inputs, residents, fixed: [...fixed], temporaries, live, half }
}

/** Nodes whose values cannot change between runs. */
function constantNodes(nodes: readonly Node[], frozen: boolean): Set<Node> {
  const found = new Set<Node>()
  const still = (t: Tensor) =>
    t.leaf ? t.leaf.kind === 'constant' || (frozen && t.leaf.kind === 'parameter') : found.has(t.node!)
  for (const n of nodes)
    if (!n.operation.effect && n.attributes.volatile !== true && n.inputs.every(still)) found.add(n)
  return found
}

const NONE: ReadonlySet<Tensor> = new Set()

const tensorsOf = (step: Step): Tensor[] => [...step.dispatches.flatMap(operandsOf), ...step.scratch]

function lifetimes(
  steps: readonly Step[],
  fixed: ReadonlySet<Tensor>,
  base: number,
  bytes: (t: Tensor) => number,
): Lifetime<Tensor>[] {
  const spans = new Map<Tensor, { first: number; last: number }>()
  steps.forEach((step, k) => {
    const at = base + k
    for (const t of new Set(tensorsOf(step))) {
      if (t.leaf || fixed.has(t)) continue
      const span = spans.get(t)
      if (span) span.last = at
      else spans.set(t, { first: at, last: at })
    }
  })
  return [...spans].map(([key, span]) => ({ key, bytes: bytes(key), ...span }))
}

export interface ProgramBuffers {
  readonly of: ReadonlyMap<Tensor, GPUBuffer>
  /** Buffers that belong to this program alone. */
  readonly owned: readonly GPUBuffer[]
}
