/**
 * The compiler: graph -> Program. Fuse, plan memory by liveness, make all pipelines and bind groups, once.
 * What depends on constants alone (and on parameters, when they are frozen) is computed here and not again.
 */
import { reachable } from './backward.ts'
import { GpuError } from './errors.ts'
import { lowerAndFuse, operandsOf, type Step } from './fuse.ts'
import { freeBuffer, type Gpu, makeBuffer, megabytes, residentBuffer } from './gpu.ts'
import { compileKernel, type Kernel, packUniforms, prepareKernel } from './kernel.ts'
import { type Lifetime, type MemoryPlan, planMemory } from './memory.ts'
import { makeProgram, type Launch, type Program } from './program.ts'
import { bytesOf, type Dispatch, formatShape, type Node, storageOf, type Tensor } from './tensor.ts'

export interface CompileOptions {
  /** Nodes that change leaves in place and must run (optimizer steps, running statistics). */
  effects?: readonly Node[]
  /** True: parameters do not change while this program is used, so what depends on them alone is computed once. */
  frozen?: boolean
  /** False: no elementwise fusion (the reference for tests and benchmarks). Default true. */
  fuse?: boolean
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
}

/**
 * Plans a program: which kernels run in which order, and what memory that takes.
 * @param outputs tensors the caller wants to read.
 */
export function planProgram(gpu: Gpu, outputs: readonly Tensor[], options: CompileOptions = {}): Plan {
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
  const fuse = { limits: gpu.limits, maxBinding: gpu.maxBinding, kept: fixed, fuse: options.fuse ?? true }
  const once = lowerAndFuse(onceNodes, fuse)
  const steps = lowerAndFuse(stepNodes, fuse)
  const temporaries = planMemory([...lifetimes(once, fixed, 0), ...lifetimes(steps, fixed, once.length)])
  const inputs = [...leaves].filter((t) => t.leaf!.kind === 'input')
  const residents = [...leaves].filter((t) => t.leaf!.kind !== 'input')
  const sum = (tensors: Iterable<Tensor>) => [...tensors].reduce((s, t) => s + bytesOf(t), 0)
  const memory = {
    temporaries: temporaries.buffers.reduce((a, b) => a + b, 0),
    fixed: sum(inputs) + sum(fixed),
    resident: sum(residents),
  }
  const total = memory.temporaries + memory.fixed + memory.resident
  const report = { ...memory, total }
  return { memory: report, once, steps, inputs, residents, fixed: [...fixed], temporaries }
}

/** Nodes whose values cannot change between runs. */
function constantNodes(nodes: readonly Node[], frozen: boolean): Set<Node> {
  const found = new Set<Node>()
  const still = (t: Tensor) =>
    t.leaf ? t.leaf.kind === 'constant' || (frozen && t.leaf.kind === 'parameter') : found.has(t.node!)
  for (const n of nodes) if (!n.operation.effect && n.attributes.volatile !== true && n.inputs.every(still)) found.add(n)
  return found
}

function lifetimes(steps: readonly Step[], fixed: ReadonlySet<Tensor>, base: number): Lifetime<Tensor>[] {
  const spans = new Map<Tensor, { first: number; last: number }>()
  steps.forEach((step, k) => {
    const at = base + k
    for (const t of new Set([...step.dispatches.flatMap(operandsOf), ...step.scratch])) {
      if (t.leaf || fixed.has(t)) continue
      const span = spans.get(t)
      if (span) span.last = at
      else spans.set(t, { first: at, last: at })
    }
  })
  return [...spans].map(([key, span]) => ({ key, bytes: bytesOf(key), ...span }))
}

/**
 * Compiles tensors into a Program.
 * @param outputs what the caller wants to read after a run, by name of the caller's choice.
 * @throws GpuError 'limit' before allocating when memoryLimit is exceeded or a tensor does not fit the adapter;
 *   'out-of-memory' when the device has not enough; 'validation' naming the kernel that does not compile.
 */
export async function compile(
  gpu: Gpu,
  outputs: Readonly<Record<string, Tensor>>,
  options: CompileOptions = {},
): Promise<Program> {
  const plan = planProgram(gpu, Object.values(outputs), options)
  const limit = options.memoryLimit ?? Number.POSITIVE_INFINITY
  if (plan.memory.total > limit) {
    throw new GpuError(
      'limit',
      `this program needs ${megabytes(plan.memory.total)} of GPU memory, more than the ${megabytes(limit)} allowed; use a smaller batch or volume`,
    )
  }
  for (const t of [...plan.inputs, ...plan.residents, ...plan.fixed, ...plan.temporaries.place.keys()]) refuseOversize(gpu, t)
  const { device } = gpu
  device.pushErrorScope('out-of-memory')
  const buffers = allocate(gpu, plan)
  const uniforms = new Map<Dispatch, { buffer: GPUBuffer; kernel: Kernel; values: ArrayBuffer }>()
  try {
    const launches = async (steps: readonly Step[]): Promise<Launch[]> => {
      const dispatches = steps.flatMap((step) => step.dispatches.map((dispatch) => ({ step, dispatch })))
      return Promise.all(dispatches.map(({ step, dispatch }) => makeLaunch(gpu, step, dispatch, buffers, uniforms)))
    }
    const once = await launches(plan.once)
    const steps = await launches(plan.steps)
    const memoryError = await device.popErrorScope()
    if (memoryError) {
      throw new GpuError('out-of-memory', `out of GPU memory: ${megabytes(plan.memory.total)} were needed (${memoryError.message})`)
    }
    return makeProgram(gpu, plan, { once, steps, buffers, uniforms })
  } catch (error) {
    for (const buffer of new Set(buffers.owned)) freeBuffer(gpu, buffer)
    throw gpu.fault ?? error
  }
}

function refuseOversize(gpu: Gpu, t: Tensor): void {
  if (bytesOf(t) <= gpu.limits.maxBufferSize) return
  throw new GpuError(
    'limit',
    `a tensor of shape ${formatShape(t.shape)} needs ${megabytes(bytesOf(t))}, but ${gpu.name} allows buffers of at most ${megabytes(gpu.limits.maxBufferSize)}; use a smaller batch or volume`,
  )
}

export interface ProgramBuffers {
  readonly of: ReadonlyMap<Tensor, GPUBuffer>
  /** Buffers that belong to this program alone. */
  readonly owned: readonly GPUBuffer[]
}

function allocate(gpu: Gpu, plan: Plan): ProgramBuffers {
  const of = new Map<Tensor, GPUBuffer>()
  const owned: GPUBuffer[] = []
  const make = (bytes: number, label: string): GPUBuffer => {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST
    const buffer = makeBuffer(gpu, bytes, usage, label)
    owned.push(buffer)
    return buffer
  }
  for (const t of plan.residents) of.set(t, residentBuffer(gpu, t))
  for (const t of plan.inputs) of.set(t, make(bytesOf(t), t.leaf!.label))
  for (const t of plan.fixed) of.set(t, make(bytesOf(t), t.node!.operation.name))
  const shared = plan.temporaries.buffers.map((bytes, k) => make(bytes, `shared ${k}`))
  for (const [t, k] of plan.temporaries.place) of.set(t, shared[k]!)
  return { of, owned }
}

async function makeLaunch(
  gpu: Gpu,
  step: Step,
  dispatch: Dispatch,
  buffers: ProgramBuffers,
  uniforms: Map<Dispatch, { buffer: GPUBuffer; kernel: Kernel; values: ArrayBuffer }>,
): Promise<Launch> {
  const label = `${dispatch.kernel} (${step.node.operation.name} ${formatShape(step.node.outputs[0]?.shape ?? [])})`
  const kernel = prepareKernel(gpu, dispatch, gpu.maxBinding)
  for (const count of dispatch.groups) {
    if (count > gpu.limits.maxComputeWorkgroupsPerDimension) {
      throw new GpuError('limit', `${label}: ${count} workgroups along one axis exceed the adapter's ${gpu.limits.maxComputeWorkgroupsPerDimension}`)
    }
  }
  const { pipeline, layout } = await compileKernel(gpu, kernel, label)
  const entries = kernel.bindings.map((b, binding): GPUBindGroupEntry => {
    if (b.kind === 'storage') {
      return { binding, resource: { buffer: buffers.of.get(b.tensor)!, offset: b.offset, size: b.size } }
    }
    const values = packUniforms(b.info, dispatch.uniforms ?? {})
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST
    const buffer = makeBuffer(gpu, values.byteLength, usage, `${label} uniforms`)
    gpu.device.queue.writeBuffer(buffer, 0, values)
    uniforms.set(dispatch, { buffer, kernel, values })
    ;(buffers.owned as GPUBuffer[]).push(buffer)
    return { binding, resource: { buffer } }
  })
  const bindGroup = gpu.device.createBindGroup({ layout, entries, label })
  const bytes = kernel.bindings.reduce((s, b) => s + (b.kind === 'storage' ? b.size : 0), 0)
  return { label, kernel: dispatch.kernel, node: step.node, dispatch, pipeline, bindGroup, groups: dispatch.groups, flops: dispatch.flops ?? 0, bytes }
}
