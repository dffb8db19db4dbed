/** What masked voxels are replaced with, where it is an image. */
import { compile } from '../engine/compile.ts'
import type { Gpu } from '../engine/gpu.ts'
import { gaussianBlur } from '../engine/ops/blur.ts'
import { input } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import { residualModel } from '../model/recipe/recipe-input.ts'
import { usedVoxels } from '../model/recipe/residual.ts'
import type { MaskInput, MaskSettings } from './mask-options.ts'

/** Standard deviation of the blurred replacement: wide enough to wipe out the hippocampus, in mm. */
const BLUR_MM = 10

/** Replacement images of scans, one after the other. */
export interface Replacement {
  /** The image for a scan, as the network's input; undefined for the constants one and zero. */
  of(scan: MaskInput): Promise<Float32Array | undefined>
  destroy(): void
}

/** What replaces intensities: an image for a scan, or undefined for a constant. */
interface Intensities {
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
  const intensities = await openIntensities(gpu, network, settings, reference)
  const model = residualModel(network)
  const used = model && usedVoxels(model)
  return {
    async of({ tensor, plain = tensor }) {
      const image = await intensities.of(plain)
      if (!used) return image
      const constant = settings.fill === 'one' ? 1 : 0
      return residualFill({ tensor, plain }, used, settings.within, (i) => image?.[i] ?? constant)
    },
    destroy: () => intensities.destroy(),
  }
}

/**
 * What replaces residuals so that intensities are replaced: residualisation takes the same off every intensity of a voxel,
 * so the residual of a fill is fill - (plain - tensor). Where the mask shall not act the scan replaces itself: in voxels
 * that the network never sees (their residual is always 0), and outside the tissue.
 */
function residualFill(
  { tensor, plain }: Required<Pick<MaskInput, 'tensor' | 'plain'>>,
  used: Uint8Array,
  within: MaskSettings['within'],
  fill: (voxel: number) => number,
): Float32Array {
  return tensor.map((residual, i) => {
    const acts = used[i] === 1 && (within === 'volume' || plain[i] !== 0)
    return acts ? fill(i) - plain[i]! + residual : residual
  })
}

async function openIntensities(
  gpu: Gpu,
  network: Network,
  settings: MaskSettings,
  reference: Float32Array | undefined,
): Promise<Intensities> {
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
