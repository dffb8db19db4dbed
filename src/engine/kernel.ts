/** Compiled kernels: assembled text -> interface -> layout and pipeline. Layouts come from the shader, never by hand. */
import { GpuError } from './errors.ts'
import { type CompiledKernel, type Gpu, lostSoon, unlessLost } from './gpu.ts'
import { readInterface, type Variable } from './interface.ts'
import { storeAsHalf, storedBytes } from './precision.ts'
import { assemble, splitOperand } from './source.ts'
import { type Dispatch, sizeOf, type Tensor } from './tensor.ts'

/** What one binding of a kernel holds. */
export type Binding =
  | { readonly kind: 'uniform'; readonly info: Variable }
  | {
      readonly kind: 'storage'
      readonly tensor: Tensor
      readonly writes: boolean
      /** Byte range of the tensor behind this binding. */
      readonly offset: number
      readonly size: number
    }

export interface Kernel {
  readonly code: string
  readonly bindings: readonly Binding[]
}

/** Segments start at multiples of 256 bytes, WebGPU's alignment of binding offsets. */
function segmentBytes(maxBinding: number): number {
  return Math.floor(maxBinding / 256) * 256
}

/** In how many bindings an operand of so many bytes is bound. */
export function segmentCount(bytes: number, maxBinding: number): number {
  return bytes <= maxBinding ? 1 : Math.ceil(bytes / segmentBytes(maxBinding))
}

/**
 * Assembles a dispatch's kernel and matches its bindings with the dispatch's operands.
 * @param maxBinding largest storage binding in bytes; larger operands are bound in segments.
 * @param half operands that are stored as f16.
 * @throws GpuError 'internal' when an operand is missing or unknown; 'limit' when segments do not fit the adapter.
 */
export function prepareKernel(
  gpu: Gpu,
  dispatch: Dispatch,
  maxBinding: number,
  half: ReadonlySet<Tensor> = new Set(),
): Kernel {
  const { code: assembled, pieceOperands } = assemble(dispatch.kernel, dispatch.constants, dispatch.epilogue)
  const operands = new Map<string, Tensor>(Object.entries(dispatch.bind))
  for (const [variable, { piece, name }] of pieceOperands) {
    operands.set(variable, dispatch.epilogue![piece]!.bind![name]!)
  }
  const segment = segmentBytes(maxBinding)
  let code = assembled
  for (const [name, tensor] of operands) {
    if (half.has(tensor)) code = storeAsHalf(code, name)
    const count = segmentCount(storedBytes(tensor, half), maxBinding)
    if (count > 1) code = splitOperand(code, name, count, segment / elementBytes(code, name))
  }
  code = sizedArrays(code, operands, maxBinding)
  if ([...operands.values()].some((t) => half.has(t))) code = `enable f16;\n${code}`
  const unused = new Set(operands.keys())
  const bindings = readInterface(code).map((info): Binding => {
    if (info.kind === 'uniform') return { kind: 'uniform', info }
    const part = /^(\w+)_seg(\d+)$/.exec(info.name)
    const name = part && operands.has(part[1]!) ? part[1]! : info.name
    const tensor = operands.get(name)
    if (!tensor) throw new GpuError('internal', `${dispatch.kernel}: operand ${info.name} was not given`)
    unused.delete(name)
    const offset = name === info.name ? 0 : Number(part![2]) * segment
    const bytes = storedBytes(tensor, half)
    const size = name === info.name ? bytes : Math.min(segment, bytes - offset)
    return { kind: 'storage', tensor, writes: info.writes, offset, size }
  })
  if (unused.size > 0) throw new GpuError('internal', `${dispatch.kernel} has no operands ${[...unused].join(', ')}`)
  const storage = bindings.filter((b) => b.kind === 'storage').length
  if (storage > gpu.limits.maxStorageBuffersPerShaderStage) {
    throw new GpuError(
      'limit',
      `${dispatch.kernel} needs ${storage} storage bindings for operands larger than one binding of ${maxBinding} bytes, ` +
        `but ${gpu.name} allows ${gpu.limits.maxStorageBuffersPerShaderStage}; use a smaller batch or volume`,
    )
  }
  return { code, bindings }
}

/**
 * Storage arrays with the length they have. An index is then kept in range by comparing with a constant, which a software
 * adapter does in two thirds of the time that asking the buffer for its length takes.
 */
function sizedArrays(code: string, operands: ReadonlyMap<string, Tensor>, maxBinding: number): string {
  const segment = segmentBytes(maxBinding)
  return code.replace(
    /^(@group.*> (\w+): array<([\w<>]+))>;$/gm,
    (line, head: string, variable: string, element: string) => {
      const [, name = variable, part] = /^(\w+)_seg(\d+)$/.exec(variable) ?? []
      const tensor = operands.get(name) ?? operands.get(variable)
      if (!tensor) return line
      const whole = Math.floor(sizeOf(tensor.shape) / lanesOf(element))
      const most = segment / bytesOfElement(element)
      const length = part && operands.has(name) ? Math.min(most, whole - Number(part) * most) : whole
      return length > 0 ? `${head}, ${length}>;` : line
    },
  )
}

function elementBytes(code: string, name: string): number {
  return bytesOfElement(new RegExp(`> ${name}: array<([\\w<>]+)>;`).exec(code)?.[1] ?? 'f32')
}

function bytesOfElement(type: string): number {
  return lanesOf(type) * (type === 'f16' ? 2 : 4)
}

function lanesOf(type: string): number {
  return type.startsWith('vec4') ? 4 : type.startsWith('vec2') ? 2 : 1
}

/** Compiles a kernel (cached by its text). Rejects with a GpuError that names the kernel. */
export function compileKernel(gpu: Gpu, kernel: Kernel, label: string): Promise<CompiledKernel> {
  let compiled = gpu.pipelines.get(kernel.code)
  if (!compiled) {
    compiled = createPipeline(gpu, kernel, label)
    gpu.pipelines.set(kernel.code, compiled)
  }
  return compiled
}

async function createPipeline(gpu: Gpu, kernel: Kernel, label: string): Promise<CompiledKernel> {
  const { device } = gpu
  const entries = kernel.bindings.map((b, binding): GPUBindGroupLayoutEntry => {
    const type = b.kind === 'uniform' ? 'uniform' : b.writes ? 'storage' : 'read-only-storage'
    return { binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }
  })
  const layout = device.createBindGroupLayout({ entries, label })
  device.pushErrorScope('validation')
  const module = device.createShaderModule({ code: kernel.code, label })
  const scope = device.popErrorScope()
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout], label })
  try {
    const made = device.createComputePipelineAsync({
      layout: pipelineLayout,
      compute: { module, entryPoint: 'main' },
      label,
    })
    return { pipeline: await unlessLost(gpu, made), layout }
  } catch (error) {
    if (await lostSoon(gpu)) throw gpu.fault
    const cause = (await unlessLost(gpu, scope))?.message ?? (error instanceof Error ? error.message : String(error))
    throw new GpuError('validation', `kernel ${label} does not compile: ${cause}`)
  }
}

/** Packs values into a uniform struct by its layout in the shader. @throws GpuError 'internal' for a missing or unknown field. */
export function packUniforms(
  info: Variable,
  values: Readonly<Record<string, number | readonly number[]>>,
  into = new ArrayBuffer(Math.ceil(info.size / 16) * 16),
): ArrayBuffer {
  const view = new DataView(into)
  for (const name of Object.keys(values)) {
    if (!info.fields.some((field) => field.name === name))
      throw new GpuError('internal', `uniform ${info.name} has no field ${name}`)
  }
  for (const { name, offset, type } of info.fields) {
    const value = values[name]
    if (value === undefined) continue
    const list = typeof value === 'number' ? [value] : value
    list.forEach((v, k) => {
      const at = offset + 4 * k
      if (type === 'f32') view.setFloat32(at, v, true)
      else if (type === 'i32') view.setInt32(at, v, true)
      else view.setUint32(at, v, true)
    })
  }
  return into
}
