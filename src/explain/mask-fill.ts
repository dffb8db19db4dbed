/** What masked voxels are replaced with, where it is an image. */
import { compile } from '../engine/compile.ts'
import type { Gpu } from '../engine/gpu.ts'
import { gaussianBlur } from '../engine/ops/blur.ts'
import { input } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import type { MaskSettings } from './mask-options.ts'

/** Standard deviation of the blurred replacement: wide enough to wipe out the hippocampus, in mm. */
const BLUR_MM = 10

/** Replacement images of scans, one after the other. */
export interface Replacement {
  /** The image for a scan; undefined for the constants one and zero. */
  of(scan: Float32Array): Promise<Float32Array | undefined>
  destroy(): void
}

/**
 * Prepares what a fill needs: nothing for the constants, the reference for `mean`, a program for `blur`.
 * @throws InputError for `mean` without a reference, or with one of another size than the network's input.
 */
export async function openReplacement(
  gpu: Gpu,
  network: Network,
  settings: MaskSettings,
  reference: Float32Array | undefined,
): Promise<Replacement> {
  const { input: shape } = network.description
  if (settings.fill === 'mean') {
    const image = checked(
      reference,
      shape.reduce((a, b) => a * b, 1),
    )
    return { of: async () => image, destroy() {} }
  }
  if (settings.fill !== 'blur') return { of: async () => undefined, destroy() {} }
  const x = input([1, ...shape])
  const y = gaussianBlur(
    x,
    settings.spacing.map((mm) => BLUR_MM / mm),
  )
  const program = await compile(gpu, { y })
  return {
    of(scan) {
      program.write(x, scan)
      program.run()
      return program.read(y)
    },
    destroy: () => program.destroy(),
  }
}

function checked(reference: Float32Array | undefined, voxels: number): Float32Array {
  if (!reference) {
    throw new InputError(
      'fill "mean" with a single scan needs a reference image: the mean of one scan is the scan itself',
    )
  }
  if (reference.length === voxels) return reference
  throw new InputError(`the reference image has ${reference.length} voxels, the scans have ${voxels}`)
}

/** Mean of two scans or more; undefined of a single one. */
export function meanOf(scans: readonly Float32Array[]): Float32Array | undefined {
  if (scans.length === 1) return undefined
  const mean = new Float64Array(scans[0]!.length)
  for (const scan of scans) for (const [i, v] of scan.entries()) mean[i]! += v / scans.length
  return Float32Array.from(mean)
}
