/**
 * prob_CNN of Thibeau-Sutre et al. 2020: what a network says of scans under masks that were made for another one. 0 where
 * the mask hides what this network, too, goes by; 1 where it does not.
 */
import { compile } from '../../engine/compile.ts'
import type { Gpu } from '../../engine/gpu.ts'
import { sizeOf } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { buildNetwork } from '../../model/build.ts'
import type { Network } from '../../model/description.ts'
import { busyBatch } from '../batch.ts'
import { meanOf, openReplacement } from '../mask-fill.ts'
import type { MaskInput, MaskOptions, MaskSettings } from '../mask-options.ts'

export interface TransferOptions extends Pick<MaskOptions, 'batch' | 'memoryLimit' | 'precision' | 'reference'> {
  /** Class whose probability is wanted. */
  target: number
  /** Called with the number of scans classified so far and of all. */
  onProgress?: (done: number, total: number) => void
}

/**
 * A scan under a mask, as the masks' optimisation sees it.
 * @param fill what replaces it: an image, or a constant. @param tissue voxels that are 0 stay 0
 */
export function maskedScan(
  scan: Float32Array,
  mask: Float32Array,
  fill: Float32Array | number,
  tissue: boolean,
): Float32Array {
  return scan.map((kept, i) => {
    if (tissue && kept === 0) return kept
    const f = typeof fill === 'number' ? fill : fill[i]!
    return f + mask[i]! * (kept - f)
  })
}

/**
 * Probabilities of a class for every scan under every mask, by one program.
 * @param masks [D, H, W] of the network's input each; undefined: the scan as it is
 * @param settings those of the masks: what replaces voxels, and where
 * @returns [mask][scan]
 * @throws InputError for masks or scans of another size; GpuError when the GPU fails or has too little memory
 */
export async function maskedProbabilities(
  gpu: Gpu,
  network: Network,
  scans: readonly MaskInput[],
  masks: readonly (Float32Array | undefined)[],
  settings: MaskSettings,
  options: TransferOptions,
): Promise<number[][]> {
  const { target, memoryLimit, precision, onProgress } = options
  const voxels = sizeOf(network.description.input)
  const odd = [...masks, ...scans.map(({ tensor }) => tensor)].find((values) => values && values.length !== voxels)
  if (odd) throw new InputError(`a mask or scan has ${odd.length} voxels, but the network's input has ${voxels}`)
  const total = masks.length * scans.length
  const batch = Math.max(1, Math.min(options.batch ?? busyBatch(gpu, network, total), total))
  const fills = await fillsOf(gpu, network, scans, settings, options.reference)
  const tissue = settings.within === 'tissue' && network.description.recipe.residual === undefined
  const { input, probabilities } = buildNetwork(network, { batch })
  const runs = Math.ceil(total / batch)
  const program = await compile(gpu, { probabilities }, { frozen: true, memoryLimit, precision, runs })
  const found: number[] = []
  try {
    const rows = new Float32Array(batch * voxels)
    for (let first = 0; first < total; first += batch) {
      const used = Math.min(batch, total - first)
      for (let k = 0; k < used; k++) {
        const [mask, n] = [masks[Math.floor((first + k) / scans.length)], (first + k) % scans.length]
        const { tensor } = scans[n]!
        rows.set(mask ? maskedScan(tensor, mask, fills[n]!, tissue) : tensor, k * voxels)
      }
      program.write(input, rows)
      program.run()
      const answer = await program.read(probabilities)
      const classes = answer.length / batch
      for (let k = 0; k < used; k++) found.push(answer[k * classes + target]!)
      onProgress?.(first + used, total)
    }
  } finally {
    program.destroy()
  }
  return masks.map((_, m) => found.slice(m * scans.length, (m + 1) * scans.length))
}

async function fillsOf(
  gpu: Gpu,
  network: Network,
  scans: readonly MaskInput[],
  settings: MaskSettings,
  given: Float32Array | undefined,
): Promise<(Float32Array | number)[]> {
  const mean = () => meanOf(scans.map(({ tensor, plain }) => plain ?? tensor))
  const replacement = await openReplacement(
    gpu,
    network,
    settings,
    settings.fill === 'mean' ? (given ?? mean()) : undefined,
  )
  try {
    const fills: (Float32Array | number)[] = []
    for (const scan of scans) fills.push((await replacement.of(scan)) ?? (settings.fill === 'one' ? 1 : 0))
    return fills
  } finally {
    replacement.destroy()
  }
}
