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

/**
 * Replacement images: none for the constants one and zero, one for all scans for `mean`, one a scan for `blur`.
 * @throws InputError for `mean` with a single scan and no reference, or a reference of another size.
 */
export async function replacements(
  gpu: Gpu,
  network: Network,
  scans: readonly Float32Array[],
  settings: MaskSettings,
  reference: Float32Array | undefined,
): Promise<Float32Array[]> {
  if (settings.fill === 'mean') return [reference ? checked(reference, scans[0]!.length) : meanOf(scans)]
  if (settings.fill !== 'blur') return []
  const x = input([1, ...network.description.input])
  const y = gaussianBlur(
    x,
    settings.spacing.map((mm) => BLUR_MM / mm),
  )
  const program = await compile(gpu, { y })
  try {
    const blurred: Float32Array[] = []
    for (const scan of scans) {
      program.write(x, scan)
      program.run()
      blurred.push(await program.read(y))
    }
    return blurred
  } finally {
    program.destroy()
  }
}

function checked(reference: Float32Array, voxels: number): Float32Array {
  if (reference.length === voxels) return reference
  throw new InputError(`the reference image has ${reference.length} voxels, the scans have ${voxels}`)
}

function meanOf(scans: readonly Float32Array[]): Float32Array {
  if (scans.length === 1) {
    throw new InputError(
      'fill "mean" with a single scan needs a reference image: the mean of one scan is the scan itself',
    )
  }
  const mean = new Float64Array(scans[0]!.length)
  for (const scan of scans) for (const [i, v] of scan.entries()) mean[i]! += v / scans.length
  return Float32Array.from(mean)
}
