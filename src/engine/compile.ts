/**
 * The compiler: graph -> Program. Fuse, plan memory by liveness, make all pipelines and bind groups, once.
 * What depends on constants alone (and on parameters, when they are frozen) is computed here and not again.
 */
import { GpuError } from './errors.ts'
import type { Step } from './fuse.ts'
import { freeBuffer, type Gpu, isLost, makeBuffer, megabytes, release, residentBuffer, unlessLost } from './gpu.ts'
import { compileKernel, type Kernel, packUniforms, prepareKernel } from './kernel.ts'
import { type CompileOptions, type Plan, type ProgramBuffers, planProgram } from './plan.ts'
import { storedBytes } from './precision.ts'
import { type Launch, makeProgram, type Program } from './program.ts'
import { bytesOf, type Dispatch, formatShape, type Tensor } from './tensor.ts'

export type { CompileOptions } from './plan.ts'

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
  const tune = options.tune ?? gpu.tune
  if (tune) await tune(gpu, Object.values(outputs), options)
  const plan = planProgram(gpu, Object.values(outputs), options)
  const limit = options.memoryLimit ?? Number.POSITIVE_INFINITY
  if (plan.memory.total > limit) {
    throw new GpuError(
      'limit',
      `this program needs ${megabytes(plan.memory.total)} of GPU memory, more than the ${megabytes(limit)} allowed; use a smaller batch or volume`,
    )
  }
  for (const t of [...plan.inputs, ...plan.residents, ...plan.fixed, ...plan.temporaries.place.keys()])
    refuseOversize(gpu, t, storedBytes(t, plan.half))
  const { device } = gpu
  const shared = plan.residents.filter((t) => !gpu.resident.has(t))
  // Closed at once: error scopes are a stack, and other programs may be compiled while this one waits. What is written
  // to a buffer that could not be made is not valid either, which is told twice otherwise.
  device.pushErrorScope('validation')
  device.pushErrorScope('out-of-memory')
  const buffers = allocate(gpu, plan)
  const allocated = device.popErrorScope()
  const written = device.popErrorScope()
  const uniforms = new Map<Dispatch, { buffer: GPUBuffer; kernel: Kernel; values: ArrayBuffer }>()
  try {
    const [memoryError, fault] = await unlessLost(gpu, Promise.all([allocated, written]))
    if (memoryError) {
      release(gpu, shared)
      throw new GpuError(
        'out-of-memory',
        `out of GPU memory: ${megabytes(plan.memory.total)} were needed (${memoryError.message})`,
      )
    }
    if (fault) throw new GpuError('validation', fault.message)
    const launches = async (steps: readonly Step[]): Promise<Launch[]> => {
      const dispatches = steps.flatMap((step) => step.dispatches.map((dispatch) => ({ step, dispatch })))
      const made = dispatches.map(({ step, dispatch }) => makeLaunch(gpu, step, dispatch, plan.half, buffers, uniforms))
      // All of them end before any failure is passed on, so that what they made can be freed.
      await Promise.allSettled(made)
      return Promise.all(made)
    }
    const once = await launches(plan.once)
    const steps = await launches(plan.steps)
    return makeProgram(gpu, plan, { once, steps, buffers, uniforms })
  } catch (error) {
    for (const buffer of new Set(buffers.owned)) freeBuffer(gpu, buffer)
    throw isLost(gpu) ? gpu.fault : error
  }
}

function refuseOversize(gpu: Gpu, t: Tensor, bytes: number): void {
  if (bytes <= gpu.limits.maxBufferSize) return
  throw new GpuError(
    'limit',
    `a tensor of shape ${formatShape(t.shape)} needs ${megabytes(bytes)}, but ${gpu.name} allows buffers of at most ${megabytes(gpu.limits.maxBufferSize)}; use a smaller batch or volume`,
  )
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
  const lists = plan.live?.lists.map(({ list }) => list) ?? []
  for (const t of [...plan.inputs, ...lists]) of.set(t, make(bytesOf(t), t.leaf!.label))
  for (const t of plan.fixed) of.set(t, make(storedBytes(t, plan.half), t.node!.operation.name))
  const shared = plan.temporaries.buffers.map((bytes, k) => make(bytes, `shared ${k}`))
  for (const [t, k] of plan.temporaries.place) of.set(t, shared[k]!)
  return { of, owned }
}

async function makeLaunch(
  gpu: Gpu,
  step: Step,
  dispatch: Dispatch,
  half: ReadonlySet<Tensor>,
  buffers: ProgramBuffers,
  uniforms: Map<Dispatch, { buffer: GPUBuffer; kernel: Kernel; values: ArrayBuffer }>,
): Promise<Launch> {
  const label = `${dispatch.kernel} (${step.node.operation.name} ${formatShape(step.node.outputs[0]?.shape ?? [])})`
  const kernel = prepareKernel(gpu, dispatch, gpu.maxBinding, half)
  for (const count of dispatch.groups) {
    if (count > gpu.limits.maxComputeWorkgroupsPerDimension) {
      throw new GpuError(
        'limit',
        `${label}: ${count} workgroups along one axis exceed the adapter's ${gpu.limits.maxComputeWorkgroupsPerDimension}`,
      )
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
  // What the kernel and a piece of its epilogue both read is bound twice, and is the same memory.
  const ranges = new Map(
    kernel.bindings.flatMap((b) => (b.kind === 'storage' ? [[`${b.tensor.id} ${b.offset}`, b.size]] : [])),
  )
  const bytes = [...ranges.values()].reduce((a, b) => a + b, 0)
  return {
    label,
    kernel: dispatch.kernel,
    nodes: step.nodes,
    dispatch,
    pipeline,
    bindGroup,
    groups: dispatch.groups,
    flops: dispatch.flops ?? 0,
    bytes,
  }
}
