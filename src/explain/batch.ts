/** How many inputs to work on at a time. */
import type { Gpu } from '../engine/gpu.ts'
import { sizeOf } from '../engine/tensor.ts'
import type { Network } from '../model/description.ts'

/**
 * No batch has more inputs than this by default. On a CPU adapter larger ones gain little, and their kernels take long to
 * compile.
 */
const MOST_INPUTS = { software: 4, hardware: 16 }
/** Voxels that keep an adapter busy in every layer, four brains at 1.5 mm on a GPU: more at a time save nothing. */
const BUSY_VOXELS = { software: 3e5, hardware: 9e6 }
/** Planned bytes that a batch chosen here may take unless there is a memoryLimit: browsers do not say what there is. */
export const MODEST_BYTES = 2e9

/** As many as keep the adapter busy, so that the last batch is as full as the others. @param count Infinity: not known */
export function busyBatch(gpu: Gpu, network: Network, count: number): number {
  const kind = gpu.software ? 'software' : 'hardware'
  const busy = Math.floor(BUSY_VOXELS[kind] / sizeOf(network.description.input))
  return evenBatch(Math.max(1, Math.min(busy, MOST_INPUTS[kind])), count)
}

/** At most `most`, and as few as need no more batches. */
export function evenBatch(most: number, count: number): number {
  return Number.isFinite(count) ? Math.ceil(count / Math.ceil(count / most)) : most
}
