/** The GPU: adapter, device, limits, compiled kernels, resident leaves, and what has been counted. */
import { isSoftwareAdapter } from './adapter.ts'
import { GpuError } from './errors.ts'
import { requestGpuAdapter, tuneStore } from './platform.ts'
import { kernelsVersion } from './shaders.gen.ts'
import { bytesOf, type Tensor } from './tensor.ts'
import type { TunePlace, Winners } from './tune-store.ts'

export interface Gpu {
  readonly device: GPUDevice
  /** Adapter as the user should read it, e.g. "SwiftShader (software)". */
  readonly name: string
  readonly software: boolean
  readonly limits: GPUSupportedLimits
  readonly features: ReadonlySet<string>
  /** Largest storage binding the engine uses; larger operands are bound in segments. */
  readonly maxBinding: number
  /** Buffers made so far and bytes alive, so that a test can show that a loop makes none. */
  readonly counters: { buffers: number; bytes: number }
  /** Compiled kernels by their full text. */
  readonly pipelines: Map<string, Promise<CompiledKernel>>
  /** GPU buffers of parameters and constants, shared by all programs. */
  readonly resident: Map<Tensor, GPUBuffer>
  /** The fastest variant by choice, as far as it was measured here or before (see tune.ts). */
  readonly tuning: Map<string, string>
  /** How programs are tuned when compile is not told; undefined: not at all. */
  readonly tune: Tune | undefined
  /** What those measurements hold for. */
  readonly tunedAt: TunePlace
  /** The first error the device reported since the last check; thrown by the next read. */
  fault: GpuError | undefined
  /** What is to happen when the device is lost: see unlessLost. */
  readonly whenLost: Set<(fault: GpuError) => void>
}

export interface CompiledKernel {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

/** Measures the variants of a program that nobody has measured on this adapter: `tune` of tune.ts. */
export type Tune = (gpu: Gpu, outputs: readonly Tensor[], options: object) => Promise<unknown>

export interface OpenOptions {
  /** `tune` of tune.ts: on a hardware GPU every program is tuned before it is compiled, unless compile is told otherwise. */
  tune?: Tune
  /** Cap on one storage binding in bytes (default: what the adapter allows). Lower it to test segmented operands. */
  maxBinding?: number
  /** An adapter of the caller's own. */
  adapter?: GPUAdapter
}

/**
 * Opens the GPU: hardware where there is one, else the software adapter.
 * @throws GpuError 'unavailable' when there is no WebGPU at all.
 */
export async function openGpu(options: OpenOptions = {}): Promise<Gpu> {
  const adapter = options.adapter ?? (await requestGpuAdapter())
  const wanted = ['timestamp-query', 'subgroups', 'shader-f16'] as const
  const features = wanted.filter((f) => adapter.features.has(f))
  const info = adapter.info
  const limits = largestLimits(adapter)
  const maxBinding = Math.min(
    options.maxBinding ?? Number.POSITIVE_INFINITY,
    adapter.limits.maxStorageBufferBindingSize,
  )
  const known = [info.vendor, info.architecture, info.device, info.description, ...features, maxBinding]
  const tunedAt = { adapter: known.join(', '), kernels: kernelsVersion }
  const [device, winners] = await Promise.all([
    adapter.requestDevice({ requiredFeatures: features, requiredLimits: limits }),
    tuneStore()
      .then((store) => store.load(tunedAt))
      .catch((): Winners => ({})),
  ])
  const software = isSoftwareAdapter(adapter)
  const label = info.description || info.device || `${info.vendor} ${info.architecture}`
  const gpu: Gpu = {
    device,
    name: software ? `${label} (software)` : label,
    software,
    limits: device.limits,
    features: new Set(features),
    maxBinding,
    counters: { buffers: 0, bytes: 0 },
    pipelines: new Map(),
    resident: new Map(),
    tuning: new Map(Object.entries(winners)),
    // On a CPU the preferred variants are known to be the best.
    tune: software ? undefined : options.tune,
    tunedAt,
    fault: undefined,
    whenLost: new Set(),
  }
  device.lost.then((loss) => {
    // It counts before anything that was reported because of it.
    const fault = new GpuError('lost', `the GPU device was lost: ${loss.message || loss.reason}`)
    gpu.fault = fault
    for (const tell of gpu.whenLost) tell(fault)
    gpu.whenLost.clear()
  })
  device.addEventListener('uncapturederror', (event) => {
    const error = (event as GPUUncapturedErrorEvent).error
    gpu.fault ??=
      error instanceof GPUOutOfMemoryError
        ? new GpuError('out-of-memory', `out of GPU memory (${error.message})`)
        : new GpuError('validation', error.message)
  })
  return gpu
}

function largestLimits(adapter: GPUAdapter): Record<string, number> {
  const names = [
    'maxBufferSize',
    'maxStorageBufferBindingSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
    'maxComputeWorkgroupSizeY',
    'maxComputeWorkgroupSizeZ',
    'maxUniformBufferBindingSize',
  ] as const
  return Object.fromEntries(names.map((n) => [n, adapter.limits[n]]))
}

/** Makes a buffer, counted. @throws GpuError 'limit' when the adapter cannot hold it. */
export function makeBuffer(gpu: Gpu, bytes: number, usage: GPUBufferUsageFlags, label: string): GPUBuffer {
  const size = Math.ceil(Math.max(bytes, 16) / 4) * 4
  if (size > gpu.limits.maxBufferSize) {
    throw new GpuError(
      'limit',
      `${label} needs a buffer of ${megabytes(size)} but ${gpu.name} allows at most ${megabytes(gpu.limits.maxBufferSize)}; use a smaller batch or volume`,
    )
  }
  const buffer = gpu.device.createBuffer({ size, usage, label })
  gpu.counters.buffers++
  gpu.counters.bytes += size
  return buffer
}

/** Frees a buffer made by makeBuffer. */
export function freeBuffer(gpu: Gpu, buffer: GPUBuffer): void {
  gpu.counters.bytes -= buffer.size
  buffer.destroy()
}

/** The GPU buffer of a parameter or constant, made and filled on first use. */
export function residentBuffer(gpu: Gpu, tensor: Tensor): GPUBuffer {
  const known = gpu.resident.get(tensor)
  if (known) return known
  const size = bytesOf(tensor)
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC
  const buffer = makeBuffer(gpu, size, usage, tensor.leaf?.label ?? 'resident')
  if (tensor.leaf?.data) gpu.device.queue.writeBuffer(buffer, 0, tensor.leaf.data as Float32Array<ArrayBuffer>)
  gpu.resident.set(tensor, buffer)
  return buffer
}

/** Frees the GPU copies of parameters and constants. */
export function release(gpu: Gpu, tensors: Iterable<Tensor>): void {
  for (const t of tensors) {
    const buffer = gpu.resident.get(t)
    if (buffer) freeBuffer(gpu, buffer)
    gpu.resident.delete(t)
  }
}

/** Destroys the device and everything on it. */
export function closeGpu(gpu: Gpu): void {
  gpu.pipelines.clear()
  gpu.resident.clear()
  gpu.device.destroy()
}

/** Waits for a GPU promise; rejects instead of hanging when the device is lost, and with the first fault reported. */
export async function settle<T>(gpu: Gpu, waiting: Promise<T>): Promise<T> {
  const value = await unlessLost(gpu, waiting).catch(async (error) => {
    await lostSoon(gpu)
    throw takeFault(gpu) ?? new GpuError('internal', error instanceof Error ? error.message : String(error))
  })
  const fault = takeFault(gpu)
  if (fault) throw fault
  return value
}

/**
 * The same promise, but it rejects when the device is lost: what waits for a lost device may wait for ever. (Not by
 * Promise.race with a promise that lives as long as the GPU: that one would hold everything it was ever raced with.)
 */
export function unlessLost<T>(gpu: Gpu, waiting: Promise<T>): Promise<T> {
  if (isLost(gpu)) {
    waiting.catch(() => undefined)
    return Promise.reject(gpu.fault)
  }
  return new Promise((resolve, reject) => {
    gpu.whenLost.add(reject)
    waiting.then(resolve, reject).finally(() => gpu.whenLost.delete(reject))
  })
}

export const isLost = (gpu: Gpu) => gpu.fault?.kind === 'lost'

/** Whether the device is lost. One that goes away fails what waits for it a moment before it says so. */
export async function lostSoon(gpu: Gpu): Promise<boolean> {
  const until = performance.now() + 100
  while (!isLost(gpu) && performance.now() < until) await new Promise((done) => setTimeout(done, 5))
  return isLost(gpu)
}

/** What the device reported since the last check; a lost device stays lost. */
function takeFault(gpu: Gpu): GpuError | undefined {
  const fault = gpu.fault
  if (fault?.kind !== 'lost') gpu.fault = undefined
  return fault
}

/** Bytes as people read them. */
export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
