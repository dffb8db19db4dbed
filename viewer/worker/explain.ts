/** One explanation in the worker: any method, with progress; a mask can be watched while it is made. */
import type { Gpu } from '../../src/engine/gpu.ts'
import { prepareScan } from '../../src/explain/explain.ts'
import { planMasks } from '../../src/explain/mask.ts'
import { type MaskMethodSettings, openMasks } from '../../src/explain/mask-method.ts'
import type { Explainer, MethodInput } from '../../src/explain/method.ts'
import { type MethodChoice, parseMethods } from '../../src/explain/methods.ts'
import { regionsOfInput } from '../../src/explain/regions/input-regions.ts'
import type { Atlas } from '../../src/io/atlas/atlas.ts'
import { InputError } from '../../src/io/errors.ts'
import type { NiftiVolume } from '../../src/io/nifti.ts'
import type { Network } from '../../src/model/description.ts'
import { invertRecipe } from '../../src/model/recipe/recipe.ts'
import type { ScanCovariates } from '../../src/model/recipe/residual.ts'

/** What is seen of a mask on its way. */
export interface MaskView {
  readonly iteration: number
  readonly iterations: number
  /** Probability (or logit) of the class under the mask so far. */
  readonly score: number
  /** Relevance 1 - mask on the scan's grid. */
  readonly relevance: Float32Array
}

export interface ExplainProgress {
  readonly share: number
  readonly mask?: MaskView
}

export interface ExplainRequest {
  /** A method with its settings, as on the command line. */
  readonly method: string
  readonly target: number
  readonly covariates: ScanCovariates
}

export interface MadeMap {
  /** The scan's grid with the relevance as its values. */
  readonly map: NiftiVolume
  readonly choice: MethodChoice
  readonly target: number
  readonly probabilities: readonly number[]
  readonly facts: Readonly<Record<string, number>>
  readonly notes: readonly string[]
}

/** @throws InputError for what does not fit; GpuError when the GPU fails; the signal's reason when it is cancelled */
export async function explainOne(
  gpu: Gpu,
  network: Network,
  scan: NiftiVolume,
  atlas: Atlas | undefined,
  { method, target, covariates }: ExplainRequest,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: ExplainProgress) => void },
): Promise<MadeMap> {
  const [choice, another] = parseMethods(method)
  if (!choice || another) throw new InputError(`"${method}" is not one method`)
  const { recipe } = network.description
  const { tensor, plain, spacing, notes } = prepareScan(network, scan, covariates)
  const regions = atlas && regionsOfInput(network.description, scan, atlas)
  const input: MethodInput = { tensor, plain, spacing, regions, target }
  const onMap = (relevance: Float32Array) => invertRecipe(recipe, relevance, scan)
  signal.throwIfAborted()
  const explainer =
    choice.method.name === 'mask'
      ? watchedMask(gpu, network, choice, (view, mask) =>
          onProgress({
            share: view.iteration / view.iterations,
            mask: { ...view, relevance: onMap(mask.map((m) => 1 - m)).data },
          }),
        )
      : await choice.method.make(gpu, network, choice.settings)
  try {
    const [attribution] = await explainer.explain([input], { signal, onProgress: (share) => onProgress({ share }) })
    const { relevance, probabilities, facts } = attribution!
    return { map: onMap(relevance), choice, target: attribution!.target, probabilities, facts, notes }
  } finally {
    explainer.destroy()
  }
}

type Watch = (view: Omit<MaskView, 'relevance'>, mask: Float32Array) => void

/** The mask method, made as `mask.make` makes it, with somebody watching. */
function watchedMask(gpu: Gpu, network: Network, choice: MethodChoice, watch: Watch): Explainer {
  const { resolution, ...settings } = choice.settings as unknown as MaskMethodSettings
  let latest: Float32Array | undefined
  const options = {
    ...settings,
    resolution: resolution === 'auto' ? undefined : resolution,
    onMask: ([mask]: readonly Float32Array[]) => {
      latest = mask
    },
    onProgress: ({ iteration, iterations, score }: Omit<MaskView, 'relevance'>) => {
      if (latest) watch({ iteration, iterations, score }, latest)
    },
  }
  return openMasks(gpu, network, options, planMasks(gpu, network, options, 1))
}
