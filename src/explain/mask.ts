/**
 * The perturbation mask (Fong & Vedaldi 2017; Thibeau-Sutre et al. 2020): find m in [0, 1] that minimises
 *
 *   f(m x + (1 - m) mu) + lambda1 |1 - m|^beta1 + lambda2 |grad m|^beta2
 *
 * where f is the network's score of a class. What m removes is what the network needed. For a group of scans one mask is
 * shared and f averaged. Everything of a step stays on the GPU; only the loss trace is read.
 */
import type { Gpu } from '../engine/gpu.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import { optimiseMasks } from './mask-batch.ts'
import { optimiseShared } from './mask-group.ts'
import type { MaskInput, MaskOptions } from './mask-options.ts'
import type { MaskResult } from './mask-run.ts'

export { type MasksOptions, optimiseMasks } from './mask-batch.ts'
export { planMask, planMasks } from './mask-graph.ts'
export type { MaskOutcome } from './mask-machine.ts'
export {
  type Lambdas,
  type MaskInput,
  type MaskOptions,
  type MaskProgress,
  type MaskSettings,
  maskDefaults,
} from './mask-options.ts'
export type { MaskResult, MaskStep } from './mask-run.ts'

/**
 * Optimises one mask for one scan, or one shared mask for a group. The scans of a group are fed `batch` at a time, so GPU
 * memory does not grow with their number; all of them stay in the host's memory, because every step needs all.
 * @param scans network inputs, [D, H, W] each; of networks that take residuals, with their intensities (see MaskInput).
 * @throws InputError for an option or scan that does not fit; GpuError when the GPU fails or has too little memory.
 */
export async function optimiseMask(
  gpu: Gpu,
  network: Network,
  scans: readonly (Float32Array | MaskInput)[],
  options: MaskOptions = {},
): Promise<MaskResult> {
  const inputs = scans.map((scan) => ('tensor' in scan ? scan : { tensor: scan }))
  if (inputs.length > 1) return optimiseShared(gpu, network, inputs, options)
  for await (const outcome of optimiseMasks(gpu, network, inputs, { ...options, batch: 1 })) {
    if ('error' in outcome) throw outcome.error
    return outcome.result
  }
  throw new InputError('a mask needs at least one scan')
}
