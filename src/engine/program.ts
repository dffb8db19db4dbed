/** A Program: everything compiled and bound. Running it encodes one compute pass and allocates nothing. */
import { GpuError, ShapeError } from './errors.ts'
import { freeBuffer, type Gpu, makeBuffer, settle } from './gpu.ts'
import { type Kernel, packUniforms } from './kernel.ts'
import { taskLists } from './live-plan.ts'
import { linearGroups } from './ops/launch.ts'
import type { MemoryReport, Plan, ProgramBuffers } from './plan.ts'
import { bytesOf, type Dispatch, formatShape, type Node, sizeOf, storageOf, type Tensor } from './tensor.ts'

export interface Launch {
  readonly label: string
  readonly kernel: string
  /** The nodes it computes: one, and those fused onto it. */
  readonly nodes: readonly Node[]
  readonly dispatch: Dispatch
  readonly pipeline: GPUComputePipeline
  readonly bindGroup: GPUBindGroup
  readonly groups: readonly [number, number, number]
  readonly flops: number
  /** Bytes of all operands, each counted once. */
  readonly bytes: number
}

/** One line of Program.profile(). */
export interface LaunchTime {
  readonly label: string
  readonly flops: number
  readonly bytes: number
  readonly milliseconds: number
}

export interface Program {
  readonly memory: MemoryReport
  readonly launches: readonly Launch[]
  /** Inputs that the outputs depend on. */
  readonly inputs: readonly Tensor[]
  /** Writes the values of an input (this program's) or a parameter (every program's). */
  write(tensor: Tensor, values: Float32Array | Uint32Array): void
  /** Changes fields of the uniform struct of a node's kernel, for the runs that follow. */
  setUniforms(node: Node, values: Readonly<Record<string, number | readonly number[]>>): void
  /**
   * Says which voxels of the tensor compiled as `live` differ from what they were in the last run: [N, D, H, W], 1 for those.
   * The runs that follow compute only what these change, until the next call; without an argument, everything. A run of
   * everything comes first, and after any other change of inputs. Does nothing in programs without such a tensor.
   * @throws ShapeError for another number of voxels
   */
  setLive(voxels?: Uint8Array): void
  /** Encodes and submits `times` runs in one compute pass. Returns at once. */
  run(times?: number): void
  /** The values of an output, parameter or input after the runs so far. Rejects with a GpuError; never hangs on a lost device. */
  read(tensor: Tensor): Promise<Float32Array>
  /** The same for index tensors. */
  readIndices(tensor: Tensor): Promise<Uint32Array>
  /** Computes again what was computed once at compile time: call it after writing a parameter of a frozen program. */
  refresh(): void
  /** Waits until the GPU has done what was submitted; throws what it reported. */
  done(): Promise<void>
  /** GPU time of each launch of one run (timestamp queries). Empty where the adapter has none. */
  profile(): Promise<LaunchTime[]>
  /** Frees the program's buffers. Parameters stay: see release(). */
  destroy(): void
}

interface Parts {
  readonly once: readonly Launch[]
  readonly steps: readonly Launch[]
  readonly buffers: ProgramBuffers
  readonly uniforms: ReadonlyMap<Dispatch, { buffer: GPUBuffer; kernel: Kernel; values: ArrayBuffer }>
}

/** Puts compiled parts together; use compile(). */
export function makeProgram(gpu: Gpu, plan: Plan, { once, steps, buffers, uniforms }: Parts): Program {
  const { device } = gpu
  const staging = new Map<number, GPUBuffer>()
  let running = steps
  let reading: Promise<unknown> = Promise.resolve()

  const submit = (launches: readonly Launch[], times: number): void => {
    if (launches.length === 0) return
    const encoder = device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    for (let k = 0; k < times; k++) {
      for (const { pipeline, bindGroup, groups } of launches) {
        pass.setPipeline(pipeline)
        pass.setBindGroup(0, bindGroup)
        pass.dispatchWorkgroups(groups[0], groups[1], groups[2])
      }
    }
    pass.end()
    device.queue.submit([encoder.finish()])
  }
  const bufferOf = (view: Tensor): GPUBuffer => {
    const tensor = storageOf(view)
    const buffer = buffers.of.get(tensor) ?? gpu.resident.get(tensor)
    const hidden = plan.temporaries.place.has(tensor) || plan.half.has(tensor)
    if (!buffer || hidden) {
      throw new GpuError(
        'internal',
        `a tensor of shape ${formatShape(tensor.shape)} is not an input, parameter or output of this program`,
      )
    }
    return buffer
  }
  const readBytes = async (tensor: Tensor): Promise<ArrayBuffer> => {
    const source = bufferOf(tensor)
    const bytes = bytesOf(tensor)
    let target = staging.get(bytes)
    if (!target) {
      target = makeBuffer(gpu, bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, 'staging')
      staging.set(bytes, target)
    }
    const encoder = device.createCommandEncoder()
    encoder.copyBufferToBuffer(source, 0, target, 0, bytes)
    device.queue.submit([encoder.finish()])
    try {
      const mapped = target.mapAsync(GPUMapMode.READ, 0, bytes)
      return await settle(
        gpu,
        mapped.then(() => target.getMappedRange(0, bytes).slice(0)),
      )
    } finally {
      // Also after a fault, or the next read would find the buffer still mapped.
      target.unmap()
    }
  }
  // Reads share staging buffers, so they take turns.
  const inTurn = (tensor: Tensor): Promise<ArrayBuffer> => {
    const next = reading.then(() => readBytes(tensor))
    reading = next.catch(() => undefined)
    return next
  }

  const setLive = (voxels?: Uint8Array): void => {
    if (!plan.live) return
    const { root } = plan.live
    const count = sizeOf(root.shape) / root.shape[1]!
    if (voxels && voxels.length !== count) {
      throw new ShapeError(`setLive: ${formatShape(root.shape)} has ${count} voxels, got ${voxels.length}`)
    }
    const lists = new Map(taskLists(plan.live, voxels))
    for (const [list, tasks] of lists) device.queue.writeBuffer(bufferOf(list), 0, tasks as never)
    // No workgroups without a task: on SwiftShader one that returns at once costs as much as a turn of each of its loops.
    running = steps.map((launch) => {
      const tasks = lists.get(launch.dispatch.bind.tasks!)
      return tasks ? { ...launch, groups: linearGroups(Math.max(1, tasks[0]!), 64) } : launch
    })
  }

  setLive()
  submit(once, 1)
  return {
    memory: plan.memory,
    launches: steps,
    inputs: plan.inputs,
    write(tensor, values) {
      if (values.length !== sizeOf(tensor.shape)) {
        throw new ShapeError(
          `write: tensor ${formatShape(tensor.shape)} holds ${sizeOf(tensor.shape)} values, got ${values.length}`,
        )
      }
      if (values instanceof Uint32Array !== (tensor.dtype === 'u32')) {
        const given = values instanceof Uint32Array ? 'Uint32Array' : 'Float32Array'
        throw new ShapeError(`write: tensor ${formatShape(tensor.shape)} is ${tensor.dtype}, got a ${given}`)
      }
      device.queue.writeBuffer(bufferOf(tensor), 0, values as Float32Array<ArrayBuffer>)
    },
    setLive,
    setUniforms(node, values) {
      const of = steps.filter((l) => l.nodes.includes(node) && uniforms.has(l.dispatch))
      if (of.length === 0) throw new GpuError('internal', `${node.operation.name} has no uniforms in this program`)
      for (const { dispatch } of of) {
        const entry = uniforms.get(dispatch)!
        const binding = entry.kernel.bindings.find((b) => b.kind === 'uniform')!
        packUniforms(binding.info, values, entry.values)
        device.queue.writeBuffer(entry.buffer, 0, entry.values)
      }
    },
    run(times = 1) {
      submit(running, times)
    },
    async read(tensor) {
      return new Float32Array(await inTurn(tensor))
    },
    async readIndices(tensor) {
      return new Uint32Array(await inTurn(tensor))
    },
    refresh() {
      submit(once, 1)
    },
    async done() {
      await settle(gpu, device.queue.onSubmittedWorkDone())
    },
    profile: () => profile(gpu, running),
    destroy() {
      for (const buffer of [...buffers.owned, ...staging.values()]) freeBuffer(gpu, buffer)
      staging.clear()
    },
  }
}

/** Times each launch in a compute pass of its own, because timestamps are taken at the ends of passes. */
async function profile(gpu: Gpu, launches: readonly Launch[]): Promise<LaunchTime[]> {
  if (!gpu.features.has('timestamp-query') || launches.length === 0) return []
  const { device } = gpu
  const times: LaunchTime[] = []
  const most = 2048
  for (let from = 0; from < launches.length; from += most) {
    const part = launches.slice(from, from + most)
    const queries = device.createQuerySet({ type: 'timestamp', count: 2 * part.length })
    const resolved = makeBuffer(
      gpu,
      16 * part.length,
      GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      'timestamps',
    )
    const staging = makeBuffer(gpu, 16 * part.length, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, 'timestamps')
    const encoder = device.createCommandEncoder()
    part.forEach((launch, k) => {
      const timestampWrites = { querySet: queries, beginningOfPassWriteIndex: 2 * k, endOfPassWriteIndex: 2 * k + 1 }
      const pass = encoder.beginComputePass({ timestampWrites })
      pass.setPipeline(launch.pipeline)
      pass.setBindGroup(0, launch.bindGroup)
      pass.dispatchWorkgroups(...launch.groups)
      pass.end()
    })
    encoder.resolveQuerySet(queries, 0, 2 * part.length, resolved, 0)
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16 * part.length)
    device.queue.submit([encoder.finish()])
    await settle(gpu, staging.mapAsync(GPUMapMode.READ))
    const ticks = new BigUint64Array(staging.getMappedRange().slice(0))
    part.forEach(({ label, flops, bytes }, k) => {
      times.push({ label, flops, bytes, milliseconds: Number(ticks[2 * k + 1]! - ticks[2 * k]!) / 1e6 })
    })
    staging.unmap()
    for (const buffer of [resolved, staging]) freeBuffer(gpu, buffer)
    queries.destroy()
  }
  return times
}
