/**
 * Storing tensors as f16. Kernels are written for f32 and compute in f32, and sums are f32; where a program stores a
 * tensor in half the bytes, the kernel's text is rewritten for that operand alone: reads widen, stores round.
 */
import { GpuError } from './errors.ts'
import type { Gpu } from './gpu.ts'
import { rewriteAccesses } from './source.ts'
import { bytesOf, sizeOf, type Tensor } from './tensor.ts'

/** How a program stores large intermediate values on the GPU. Arithmetic and sums are f32 with both. */
export type Precision = 'f32' | 'f16'

/** Smaller tensors stay f32: they are a thousandth of the memory, and sums and statistics are among them. */
const SMALLEST = 1024

/**
 * Those of a program's tensors that are stored as f16: large intermediate values.
 * @param tensors operands of the program's kernels
 * @param exact tensors whose values leave the program or change what outlives it
 * @throws GpuError 'unavailable' when the adapter has no f16
 */
export function halfStored(gpu: Gpu, tensors: readonly Tensor[], exact: ReadonlySet<Tensor>): ReadonlySet<Tensor> {
  if (!gpu.features.has('shader-f16')) {
    throw new GpuError(
      'unavailable',
      `${gpu.name} has no f16 (the WebGPU feature shader-f16): use precision f32, or another adapter`,
    )
  }
  const large = (t: Tensor) => t.dtype === 'f32' && !t.leaf && !t.exact && sizeOf(t.shape) >= SMALLEST
  return new Set(tensors.filter((t) => large(t) && !exact.has(t)))
}

/** Bytes a tensor takes: half where it is stored as f16, in whole words of 4 bytes. */
export function storedBytes(tensor: Tensor, half: ReadonlySet<Tensor>): number {
  return half.has(tensor) ? 4 * Math.ceil(sizeOf(tensor.shape) / 2) : bytesOf(tensor)
}

/**
 * Stores the operand `name` of a kernel as f16: `name[i]` becomes `f32(name[i])`, and what is assigned is rounded.
 * f16 ends at 65504: larger values become that, not infinity. The code then needs `enable f16;`.
 */
export function storeAsHalf(code: string, name: string): string {
  const declaration = new RegExp(`^(@group.*> ${name}: array<)f32>;$`, 'm')
  if (!declaration.test(code)) throw new GpuError('internal', `no array<f32> called ${name} to store as f16`)
  return rewriteAccesses(code.replace(declaration, '$1f16>;'), name, {
    load: (index) => `f32(${name}[${index}])`,
    store: (index, value) => `${name}[${index}] = f16(clamp(${value}, -65504.0, 65504.0));`,
  })
}
