/** Compiled kernels: assembled text -> reflection -> layout and pipeline. Layouts come from the shader, never by hand. */
import { type VariableInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js'
import { GpuError } from './errors.ts'
import type { CompiledKernel, Gpu } from './gpu.ts'
import { assemble, splitOperand } from './source.ts'
import { bytesOf, type Dispatch, type Tensor } from './tensor.ts'

/** What one binding of a kernel holds. */
export type Binding =
  | { readonly kind: 'uniform'; readonly info: VariableInfo }
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

/** In how many bindings an operand is bound. */
export function segmentCount(tensor: Tensor, maxBinding: number): number {
  return bytesOf(tensor) <= maxBinding ? 1 : Math.ceil(bytesOf(tensor) / segmentBytes(maxBinding))
}

const reflections = new Map<string, VariableInfo[]>()

/** Bindings by reflection. Only the shader's interface is parsed: unrolled bodies are long and say nothing about it. */
function reflect(code: string): VariableInfo[] {
  const text = (code.match(/^struct \w+ \{[^}]*\}|^@group\(.*;$/gm) ?? []).join('\n')
  let found = reflections.get(text)
  if (!found) {
    found = new WgslReflect(text).getBindGroups()[0] ?? []
    reflections.set(text, found)
  }
  return found
}

/**
 * Assembles a dispatch's kernel and matches its bindings with the dispatch's operands.
 * @param maxBinding largest storage binding in bytes; larger operands are bound in segments.
 * @throws GpuError 'internal' when an operand is missing or unknown; 'limit' when segments do not fit the adapter.
 */
export function prepareKernel(gpu: Gpu, dispatch: Dispatch, maxBinding: number): Kernel {
  const { code: assembled, pieceOperands } = assemble(dispatch.kernel, dispatch.constants, dispatch.epilogue)
  const operands = new Map<string, Tensor>(Object.entries(dispatch.bind))
  for (const [variable, { piece, name }] of pieceOperands) {
    operands.set(variable, dispatch.epilogue![piece]!.bind![name]!)
  }
  const segment = segmentBytes(maxBinding)
  let code = assembled
  for (const [name, tensor] of operands) {
    const count = segmentCount(tensor, maxBinding)
    if (count > 1) code = splitOperand(code, name, count, segment / elementBytes(code, name))
  }
  code = sizedArrays(code, operands, maxBinding)
  const unused = new Set(operands.keys())
  const bindings = reflect(code).map((info): Binding => {
    if (info.resourceType === 0) return { kind: 'uniform', info }
    const part = /^(\w+)_seg(\d+)$/.exec(info.name)
    const name = part && operands.has(part[1]!) ? part[1]! : info.name
    const tensor = operands.get(name)
    if (!tensor) throw new GpuError('internal', `${dispatch.kernel}: operand ${info.name} was not given`)
    unused.delete(name)
    const offset = name === info.name ? 0 : Number(part![2]) * segment
    const size = name === info.name ? bytesOf(tensor) : Math.min(segment, bytesOf(tensor) - offset)
    return { kind: 'storage', tensor, writes: info.access === 'read_write', offset, size }
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
      const bytes =
        part && operands.has(name) ? Math.min(segment, bytesOf(tensor) - Number(part) * segment) : bytesOf(tensor)
      const length = Math.floor(bytes / bytesOfElement(element))
      return length > 0 ? `${head}, ${length}>;` : line
    },
  )
}

function elementBytes(code: string, name: string): number {
  return bytesOfElement(new RegExp(`> ${name}: array<([\\w<>]+)>;`).exec(code)?.[1] ?? 'f32')
}

function bytesOfElement(type: string): number {
  return type.startsWith('vec4') ? 16 : type.startsWith('vec2') ? 8 : 4
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
    const pipeline = await Promise.race([
      device.createComputePipelineAsync({ layout: pipelineLayout, compute: { module, entryPoint: 'main' }, label }),
      gpu.lost,
    ])
    return { pipeline, layout }
  } catch (error) {
    const cause = (await scope)?.message ?? (error instanceof Error ? error.message : String(error))
    if (gpu.fault?.kind === 'lost') throw gpu.fault
    throw new GpuError('validation', `kernel ${label} does not compile: ${cause}`)
  }
}

/** Packs values into a uniform struct by its reflected layout. @throws GpuError 'internal' for a missing or unknown field. */
export function packUniforms(
  info: VariableInfo,
  values: Readonly<Record<string, number | readonly number[]>>,
  into = new ArrayBuffer(Math.ceil(info.size / 16) * 16),
): ArrayBuffer {
  const view = new DataView(into)
  const members = info.members ?? []
  for (const name of Object.keys(values)) {
    if (!members.some((m) => m.name === name))
      throw new GpuError('internal', `uniform ${info.name} has no field ${name}`)
  }
  for (const { name, offset, type } of members) {
    const value = values[name]
    if (value === undefined) continue
    const element = (type as { format?: { name: string } }).format?.name ?? type.name
    const list = typeof value === 'number' ? [value] : value
    list.forEach((v, k) => {
      const at = offset + 4 * k
      if (/f32|f$/.test(element)) view.setFloat32(at, v, true)
      else if (/i32|i$/.test(element)) view.setInt32(at, v, true)
      else view.setUint32(at, v, true)
    })
  }
  return into
}
