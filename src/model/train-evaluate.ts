/** Logits of many scans from one program, read back once. */
import { compile } from '../engine/compile.ts'
import { type Gpu, release } from '../engine/gpu.ts'
import { stepCounter } from '../engine/ops/optimizer.ts'
import { record } from '../engine/ops/record.ts'
import { type BuildOptions, buildNetwork } from './build.ts'
import { classCount, type Network } from './description.ts'
import { product } from './layer-rules.ts'
import {
  accuracy,
  areaUnderRoc,
  argmax,
  balancedAccuracy,
  confusionMatrix,
  crossEntropyOf,
  softmaxOf,
} from './metrics.ts'
import { checkSamples, type Samples } from './train-data.ts'

/** How a network does on labelled scans. */
export interface Evaluation {
  /** Cross-entropy (class-weighted where weights are given). */
  readonly loss: number
  readonly accuracy: number
  readonly balancedAccuracy: number
  /** Area under the ROC curve of the last class against the others; NaN when all scans are of one kind. */
  readonly auc: number
  /** Softmax of each scan's logits. */
  readonly probabilities: readonly (readonly number[])[]
}

export interface Evaluator {
  /** Uses the weights that are on the GPU now, running statistics included. */
  evaluate(): Promise<Evaluation>
  destroy(): void
}

/** Uploads that may wait in the queue before the host waits for the GPU. */
export const MOST_QUEUED_BYTES = 256 * 2 ** 20

/**
 * Compiles a program for a fixed set of scans, to be evaluated again and again while the weights change.
 * @param options.batch scans at a time. @param options.classWeights of the loss
 * @throws InputError for scans that do not fit the network
 */
export async function makeEvaluator(
  gpu: Gpu,
  network: Network,
  samples: Samples,
  options: Pick<BuildOptions, 'batch'> & { classWeights?: readonly number[] } = {},
): Promise<Evaluator> {
  checkSamples(samples, network.description, 'evaluation')
  const { tensors, labels } = samples
  const batch = Math.min(options.batch ?? 1, tensors.length)
  const rounds = Math.ceil(tensors.length / batch)
  const classes = classCount(network.description)
  const { input, logits } = buildNetwork(network, { batch })
  const counter = stepCounter()
  const kept = record(logits, counter, rounds)
  const program = await compile(gpu, { trace: kept.trace }, { effects: [kept.node] })
  const size = product(network.description.input)
  const upload = new Float32Array(batch * size)

  return {
    async evaluate() {
      program.write(counter.state, new Float32Array(4))
      let queued = 0
      for (let from = 0; from < tensors.length; from += batch) {
        // Rows of the last batch without a scan keep what was there; their logits are not looked at.
        for (const [k, tensor] of tensors.slice(from, from + batch).entries()) upload.set(tensor, k * size)
        program.write(input, upload)
        program.run()
        queued += upload.byteLength
        if (queued > MOST_QUEUED_BYTES) {
          await program.done()
          queued = 0
        }
      }
      const trace = await program.read(kept.trace)
      const rows = tensors.map((_, n) => trace.subarray(n * classes, (n + 1) * classes))
      return summary(rows, labels, classes, options.classWeights)
    },
    destroy() {
      program.destroy()
      release(gpu, [counter.state, kept.trace])
    },
  }
}

function summary(
  logits: readonly Float32Array[],
  labels: readonly number[],
  classes: number,
  weights: readonly number[] | undefined,
): Evaluation {
  const matrix = confusionMatrix(labels, logits.map(argmax), classes)
  const probabilities = logits.map(softmaxOf)
  return {
    loss: crossEntropyOf(logits, labels, weights),
    accuracy: accuracy(matrix),
    balancedAccuracy: balancedAccuracy(matrix),
    auc: areaUnderRoc(
      labels.map((label) => label === classes - 1),
      logits.map((row) => row[classes - 1]! - logOfOthers(row)),
    ),
    probabilities,
  }
}

/** log of the summed exp of all but the last logit: the difference orders scans as the last probability does, without ties at 0 and 1. */
function logOfOthers(row: ArrayLike<number>): number {
  const others = Array.from(row).slice(0, -1)
  const largest = Math.max(...others)
  return largest + Math.log(others.reduce((sum, v) => sum + Math.exp(v - largest), 0))
}
