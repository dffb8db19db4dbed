/** Any method on any scans: the one call signature. */
import type { Gpu } from '../engine/gpu.ts'
import type { Precision } from '../engine/precision.ts'
import { InputError } from '../io/errors.ts'
import type { Volume } from '../io/volume.ts'
import type { Network } from '../model/description.ts'
import { invertRecipe } from '../model/recipe/recipe.ts'
import type { ScanCovariates } from '../model/recipe/residual.ts'
import { prepareScan } from './explain.ts'
import type { AnyMethod, Attribution } from './method.ts'
import { chooseMethod, methodByName, parseMethods } from './methods.ts'

export interface ExplainOptions {
  /** A word with or without settings, as on the command line (`ig:steps=100`), or a method of your own. */
  method: string | AnyMethod
  /** Settings of the method, by name; what is not given keeps its default. */
  settings?: Readonly<Record<string, unknown>>
  /** Class to explain, by name or index. Default: for each scan the one that the network predicts. */
  target?: string | number
  /** Of each scan, in order, for networks that take residuals. */
  covariates?: readonly ScanCovariates[]
  /** Scans that the GPU works on at a time, at most. Default 1. */
  batch?: number
  /** Refuse when the planned GPU memory exceeds this many bytes. */
  memoryLimit?: number
  /** How large intermediate values are stored (see CompileOptions). Default 'f32'. */
  precision?: Precision
  /** Of every random number that the method draws; default 0. */
  seed?: number
  /** Called now and then with the share of the work that is done, 0 to 1. */
  onProgress?: (share: number) => void
  /** Stops at the next step, by throwing the signal's reason. */
  signal?: AbortSignal
}

/** What a method says about scans; everything in their order. */
export interface Explanations<V extends Volume = Volume> {
  /** Relevance on each scan's own grid and affine, with everything else the scan carries; 0 outside what the network sees. */
  readonly maps: readonly V[]
  /** In the network's own order of voxels, with the class, its probability, and the method's facts. */
  readonly attributions: readonly Attribution[]
  /** What the user should know about how a scan fits the recipe. */
  readonly notes: readonly (readonly string[])[]
}

/**
 * Explains what a network says about scans. The method is compiled once for all of them, and let go of afterwards; to keep
 * it, use method.make and prepareScan.
 * @throws InputError when the method, a setting, the target, or a scan does not fit; GpuError when the GPU fails
 */
export async function explain<V extends Volume>(
  gpu: Gpu,
  network: Network,
  scans: readonly V[],
  options: ExplainOptions,
): Promise<Explanations<V>> {
  const { batch, memoryLimit, precision, seed, onProgress, signal } = options
  const { method, settings } = chosen(options)
  const target = targetOf(network, options.target)
  const prepared = scans.map((scan, k) => prepareScan(network, scan, options.covariates?.[k]))
  const inputs = prepared.map(({ tensor, plain, spacing }) => ({ tensor, plain, spacing, target }))
  const explainer = await method.make(gpu, network, settings, { batch, memoryLimit, precision, seed })
  try {
    const attributions = await explainer.explain(inputs, { onProgress, signal })
    const { recipe } = network.description
    return {
      maps: attributions.map(({ relevance }, k) => invertRecipe(recipe, relevance, scans[k]!)),
      attributions,
      notes: prepared.map(({ notes }) => notes),
    }
  } finally {
    explainer.destroy()
  }
}

function chosen({ method, settings = {} }: ExplainOptions) {
  if (typeof method === 'string' && /[,:]/.test(method)) {
    const [choice, another] = parseMethods(method)
    if (another) throw new InputError(`"${method}" names several methods; explain takes one at a time`)
    if (Object.keys(settings).length > 0) throw new InputError('give settings either in the word or apart, not both')
    return choice!
  }
  return chooseMethod(typeof method === 'string' ? methodByName(method) : method, settings)
}

function targetOf({ description }: Network, target: string | number | undefined): number | undefined {
  if (typeof target !== 'string') return target
  const { classes } = description.recipe
  const index = classes.indexOf(target)
  if (index < 0) throw new InputError(`the network has no class "${target}"; its classes: ${classes.join(', ')}`)
  return index
}
