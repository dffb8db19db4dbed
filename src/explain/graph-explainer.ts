/** Explainers that are one program: forward, a seed at the class to explain, and a walk back. */

import { backward } from '../engine/backward.ts'
import { compile } from '../engine/compile.ts'
import type { Gpu } from '../engine/gpu.ts'
import { add, fill, multiply } from '../engine/ops/elementwise.ts'
import { maxPool3d } from '../engine/ops/pool.ts'
import { reshape } from '../engine/ops/shape.ts'
import { input, type Tensor } from '../engine/tensor.ts'
import { type BuiltNetwork, buildNetwork } from '../model/build.ts'
import type { Network } from '../model/description.ts'
import { type Attribution, checkInputs, type Explainer, type MakeOptions, type MethodInput } from './method.ts'

/** Which class each sample of a batch is explained for: chosen by the host, or the predicted one. */
export interface ClassChoice {
  /** [N, classes]: one at the class to explain, zero elsewhere. */
  readonly seed: Tensor
  /** Values to write for targets; undefined: the predicted class. */
  write(targets: readonly (number | undefined)[]): readonly [Tensor, Float32Array][]
}

/**
 * A one-hot row for each sample. Where the host names no class, it is the row's largest logit (the first of several), found
 * on the GPU so that no run needs two submissions.
 * @param logits [N, classes]
 */
export function chooseClass(logits: Tensor): ClassChoice {
  const [n, classes] = logits.shape as [number, number]
  const row = reshape(logits, [n, 1, 1, 1, classes])
  // The gradient of a maximum is one-hot at the winner.
  const largest = maxPool3d(row, { kernel: [1, 1, classes] })
  const [winner] = backward(largest, [logits], { seed: fill(largest.shape, 1) })
  const chosen = input([n, classes], 'class')
  const open = input([n, 1], 'class is open')
  return {
    seed: add(multiply(winner!, open), chosen),
    write(targets) {
      const rows = new Float32Array(n * classes)
      targets.forEach((target, k) => {
        if (target !== undefined) rows[k * classes + target] = 1
      })
      const flags = Float32Array.from({ length: n }, (_, k) => (targets[k] === undefined ? 1 : 0))
      return [
        [chosen, rows],
        [open, flags],
      ]
    },
  }
}

/** What a walk makes of a built network. */
export interface Walk {
  /** [N, C, D, H, W]. */
  readonly relevance: Tensor
  /** [N] each, by name: they become the facts of an attribution. */
  readonly facts?: Readonly<Record<string, Tensor>>
}

/**
 * Compiles an explainer whose relevance is a function of the network's graph.
 * @param walk makes it. @param walk.seed [N, classes], one-hot at the class to explain
 * @throws GpuError before anything is allocated when memory does not suffice
 */
export async function makeGraphExplainer(
  gpu: Gpu,
  network: Network,
  options: MakeOptions,
  walk: (built: BuiltNetwork, seed: Tensor) => Walk,
): Promise<Explainer> {
  const { batch = 1, memoryLimit, precision } = options
  const built = buildNetwork(network, { batch })
  const { logits, probabilities } = built
  const classes = logits.shape[1]!
  const choice = chooseClass(logits)
  const { relevance, facts = {} } = walk(built, choice.seed)
  const names = Object.keys(facts)
  const outputs = { logits, probabilities, seed: choice.seed, relevance }
  const program = await compile(gpu, { ...facts, ...outputs }, { frozen: true, memoryLimit, precision })
  const used = new Set(program.inputs)
  const size = relevance.shape.slice(1).reduce((a, b) => a * b, 1)

  async function runBatch(inputs: readonly MethodInput[]): Promise<Attribution[]> {
    const values = new Float32Array(batch * size)
    inputs.forEach(({ tensor }, k) => {
      values.set(tensor, k * size)
    })
    program.write(built.input, values)
    for (const [tensor, rows] of choice.write(inputs.map(({ target }) => target))) {
      if (used.has(tensor)) program.write(tensor, rows)
    }
    program.run()
    const read = (t: Tensor) => program.read(t)
    const [l, p, s, r, ...f] = (await Promise.all(
      [logits, probabilities, choice.seed, relevance, ...names.map((name) => facts[name]!)].map(read),
    )) as [Float32Array, Float32Array, Float32Array, Float32Array, ...Float32Array[]]
    return inputs.map((_, k) => {
      const row = (of: Float32Array) => Array.from(of.subarray(k * classes, (k + 1) * classes))
      return {
        relevance: r.slice(k * size, (k + 1) * size),
        target: row(s).indexOf(1),
        logits: row(l),
        probabilities: row(p),
        facts: Object.fromEntries(names.map((name, i) => [name, f[i]![k]!])),
      }
    })
  }

  return {
    ...inTurns(batch, runBatch, (inputs) => checkInputs(network, inputs, classes)),
    memory: program.memory,
    destroy: () => program.destroy(),
  }
}

/**
 * Splits inputs into batches; calls that overlap take turns, because a run writes over what the one before it left.
 * @param runBatch explains a batch; where that takes long it calls step with the share of the batch that is done, which
 *   reports it, and throws when the work shall stop
 */
export function inTurns(
  batch: number,
  runBatch: (inputs: readonly MethodInput[], step: (share: number) => void) => Promise<Attribution[]>,
  check: (inputs: readonly MethodInput[]) => void,
): Pick<Explainer, 'batch' | 'explain'> {
  let busy: Promise<unknown> = Promise.resolve()
  return {
    batch,
    async explain(inputs, { onProgress, signal } = {}) {
      check(inputs)
      const work = busy.then(async () => {
        const found: Attribution[] = []
        while (found.length < inputs.length) {
          const part = inputs.slice(found.length, found.length + batch)
          const step = (share: number) => {
            signal?.throwIfAborted()
            onProgress?.((found.length + share * part.length) / inputs.length)
          }
          signal?.throwIfAborted()
          found.push(...(await runBatch(part, step)))
          onProgress?.(found.length / inputs.length)
        }
        return found
      })
      busy = work.catch(() => undefined)
      return work
    },
  }
}
