/** Logits of many scans from one program, read back once. */
import { compile } from '../../engine/compile.ts'
import { type Gpu, release } from '../../engine/gpu.ts'
import { stepCounter } from '../../engine/ops/optimizer.ts'
import { record } from '../../engine/ops/record.ts'
import type { Program } from '../../engine/program.ts'
import { sizeOf } from '../../engine/tensor.ts'
import { type BuildOptions, buildNetwork } from '../build.ts'
import { classCount, type Network } from '../description.ts'
import {
  accuracy,
  areaUnderRoc,
  argmax,
  balancedAccuracy,
  confusionMatrix,
  crossEntropyOf,
  softmaxOf,
} from '../evaluation/metrics.ts'
import { batches, checkSamples, type Samples } from './train-data.ts'
import { makeFeed, makePace } from './train-feed.ts'
import type { Graph } from './train-step.ts'

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
  readonly program: Program
  readonly graph: Graph
  destroy(): void
}

/** Logits of one batch into a row of a trace. */
export function evaluationGraph(network: Network, batch: number, rows: number) {
  const { input, logits } = buildNetwork(network, { batch })
  const counter = stepCounter()
  const { node, trace } = record(logits, counter, rows)
  return { input, counter, trace, effects: [node], outputs: [trace] }
}

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
  const { count, labels } = samples
  const batch = Math.min(options.batch ?? 1, count)
  const order = Array.from({ length: count }, (_, n) => n)
  const rounds = batches(order, batch)
  const classes = classCount(network.description)
  const graph = evaluationGraph(network, batch, rounds.length)
  const { input, counter, trace, effects } = graph
  const program = await compile(gpu, { trace }, { effects })
  return {
    program,
    graph,
    async evaluate() {
      program.write(counter.state, new Float32Array(4))
      // Scans that fill up the last batch are those of the first; their second logits are not looked at.
      const feed = makeFeed(samples, rounds.values(), network.description.input)
      const pace = makePace(4 * sizeOf(input.shape))
      for (let round = 0; round < rounds.length; round++) {
        const { values } = await feed.next()
        await pace.room()
        program.write(input, values)
        program.run()
        pace.submitted(program.done())
        feed.ahead()
      }
      const logits = await program.read(trace)
      const rows = order.map((n) => logits.subarray(n * classes, (n + 1) * classes))
      return summary(rows, labels, classes, options.classWeights)
    },
    destroy() {
      program.destroy()
      release(gpu, [counter.state, trace])
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
  const scores = logits.map((row) => row[classes - 1]! - logOfOthers(row))
  return {
    loss: crossEntropyOf(logits, labels, weights),
    accuracy: accuracy(matrix),
    balancedAccuracy: balancedAccuracy(matrix),
    // Ranks need numbers.
    auc: scores.some(Number.isNaN)
      ? Number.NaN
      : areaUnderRoc(
          labels.map((label) => label === classes - 1),
          scores,
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
