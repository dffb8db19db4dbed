/** What a network says about scans: one compiled program for all of them. */
import { compile } from '../engine/compile.ts'
import type { Gpu } from '../engine/gpu.ts'
import type { MemoryReport } from '../engine/plan.ts'
import type { Precision } from '../engine/precision.ts'
import type { Volume } from '../io/volume.ts'
import { buildNetwork } from '../model/build.ts'
import type { Network } from '../model/description.ts'
import { prepareInput } from '../model/recipe/recipe-input.ts'
import type { ScanCovariates } from '../model/recipe/residual.ts'

/** What a network makes of one input. */
export interface Classified {
  /** One a class, in the order of the recipe's class names; they sum to 1. */
  readonly probabilities: number[]
  /** What the softmax was taken of. */
  readonly logits: number[]
}

/** What a network makes of a scan. */
export interface Prediction extends Classified {
  /** NaN and infinite voxels (of those the network sees) that were set to zero. */
  readonly nonFinite: number
  /** What the user should know about how the scan fits the recipe. */
  readonly notes: string[]
}

export interface PredictorOptions {
  /** Refuse when the planned GPU memory exceeds this many bytes. */
  memoryLimit?: number
  /** How large intermediate values are stored (see CompileOptions). Default 'f32'. */
  precision?: Precision
}

export interface Predictor {
  /**
   * The network's answer for one scan, on any grid that its recipe accepts. Calls may overlap: they take turns on the
   * GPU, and preparing a scan goes on while the GPU computes the one before.
   * @param covariates of the scan, for networks that take residuals; others pass over them
   * @throws InputError when the scan does not fit the network or is constant, or a covariate is missing; GpuError when the
   *   GPU fails
   */
  predict(scan: Volume, covariates?: ScanCovariates): Promise<Prediction>
  /** Frees the program. The network's weights stay on the GPU for other programs: see the engine's release(). */
  destroy(): void
  /** GPU memory the program holds, in bytes. */
  readonly memory: MemoryReport
}

/**
 * Compiles a network for inference, one scan at a time.
 * @throws GpuError before anything is allocated: 'limit' when memoryLimit or the adapter's own limits are exceeded,
 *   'unavailable' for precision 'f16' on an adapter without it
 */
export async function makePredictor(gpu: Gpu, network: Network, options: PredictorOptions = {}): Promise<Predictor> {
  const { compute, destroy, memory } = await makeClassifier(gpu, network, options)
  let busy: Promise<unknown> = Promise.resolve()
  return {
    async predict(scan, covariates) {
      const { tensor, nonFinite, notes } = prepareInput(network, scan, covariates)
      // A run writes over the outputs of the one before, which must have been read.
      const answer = busy.then(() => compute(tensor))
      busy = answer.catch(() => undefined)
      return { ...(await answer), nonFinite, notes: [...notes] }
    },
    destroy,
    memory,
  }
}

/**
 * What the network says about inputs that are prepared already (see prepareInput).
 * @param tensors [D, H, W] of the network's input each
 * @throws GpuError when the GPU fails
 */
export async function classify(
  gpu: Gpu,
  network: Network,
  tensors: Iterable<Float32Array>,
  options: PredictorOptions = {},
): Promise<Classified[]> {
  const { compute, destroy } = await makeClassifier(gpu, network, options)
  try {
    const answers: Classified[] = []
    for (const tensor of tensors) answers.push(await compute(tensor))
    return answers
  } finally {
    destroy()
  }
}

async function makeClassifier(gpu: Gpu, network: Network, { memoryLimit, precision }: PredictorOptions) {
  const { input, logits, probabilities } = buildNetwork(network)
  const program = await compile(gpu, { logits, probabilities }, { frozen: true, memoryLimit, precision, runs: 3 })
  return {
    async compute(tensor: Float32Array): Promise<Classified> {
      program.write(input, tensor)
      program.run()
      const [l, p] = await Promise.all([program.read(logits), program.read(probabilities)])
      return { probabilities: Array.from(p), logits: Array.from(l) }
    },
    destroy: () => program.destroy(),
    memory: program.memory,
  }
}
