/** A network that answers for changed copies of one scan, a batch at a time, without anything allocated between. */
import { compile } from '../../engine/compile.ts'
import { type Gpu, release } from '../../engine/gpu.ts'
import type { MemoryReport } from '../../engine/plan.ts'
import { input, type Node, state, type Tensor } from '../../engine/tensor.ts'
import { buildNetwork } from '../../model/build.ts'
import type { Network } from '../../model/description.ts'
import { argmax } from '../../model/evaluation/metrics.ts'
import type { Attribution, MakeOptions, MethodInput } from '../method.ts'
import type { Watched } from './change.ts'
import { keepScores, type Source } from './perturb-ops.ts'

/** Copies at a time where the caller does not say: enough to fill a GPU, small beside the network's own memory. */
const BATCH = 8

/** Runs of a program in one submission, at most: what an answer to a signal waits for. */
const RUNS = 32

/** Milliseconds that a submission should take: the host hears of progress a few times a second. */
const PATIENCE = 150

/** What the network says of the scan as it is. */
export type Answer = Pick<Attribution, 'target' | 'logits' | 'probabilities'>

export interface Perturber<P extends Perturbation> {
  readonly memory: MemoryReport
  readonly perturbation: P
  /** Rows of the tables: changes that can be waiting at a time. */
  readonly rows: number
  readonly classes: number
  /** Writes an input or state of the perturbation. */
  write(tensor: Tensor, values: Float32Array | Uint32Array): void
  read(tensor: Tensor): Promise<Float32Array>
  /**
   * Takes on a scan, and what its voxels become. The perturbation must be written so that row 0 changes nothing.
   * @returns the network's answer for it, with its target or else the class it predicts
   */
  begin(scan: MethodInput, other: Float32Array): Promise<Answer>
  /**
   * Answers for the changes in rows 0 to count - 1.
   * @param step called with the share that is done; throws when the work shall stop
   * @param numbers the rest of the counter; default 0
   * @returns [count, classes], scores as watched
   */
  answer(count: number, step: (share: number) => void, numbers?: readonly number[]): Promise<Float32Array>
  destroy(): void
}

/** What a method puts between scan and network. */
export interface Perturbation {
  /** [batch, C, D, H, W]. */
  readonly inputs: Tensor
  /** Made of the network's scores [batch, classes]; they run before the counter moves. */
  effects?(scores: Tensor): readonly Node[]
  /** States, to be freed with the program. */
  readonly states?: readonly Tensor[]
}

/**
 * Compiles a network behind a perturbation.
 * @param rows changes that can be waiting at a time; default as many as one submission takes
 * @throws GpuError before anything is allocated when memory does not suffice
 */
export async function makePerturber<P extends Perturbation>(
  gpu: Gpu,
  network: Network,
  { score }: Watched,
  { batch = BATCH, memoryLimit, precision }: MakeOptions,
  perturb: (source: Source, rows: number) => P,
  rows = RUNS * batch,
): Promise<Perturber<P>> {
  const x = input(network.description.input, 'scan')
  const other = input(network.description.input, 'changed scan')
  const counter = state([3], new Uint32Array(3), 'counter')
  const source = { x, other, counter, batch }
  const perturbation = perturb(source, rows)
  const { logits, probabilities } = buildNetwork(network, { input: perturbation.inputs })
  const classes = logits.shape[1]!
  const watched = score === 'logit' ? logits : probabilities
  const more = perturbation.effects?.(watched) ?? []
  const { node, scores } = keepScores(source, watched, Math.ceil(rows / batch) * batch)
  const compiling = { effects: [...more, node], frozen: true, memoryLimit, precision, runs: 200 }
  const program = await compile(gpu, { logits, probabilities }, compiling)
  let times = 1

  return {
    memory: program.memory,
    perturbation,
    rows,
    classes,
    write: (tensor, values) => program.write(tensor, values),
    read: (tensor) => program.read(tensor),
    async begin(scan, changed) {
      program.write(x, scan.tensor)
      program.write(other, changed)
      program.write(counter, new Uint32Array(3))
      program.run()
      const [l, p] = await Promise.all([program.read(logits), program.read(probabilities)])
      const first = (values: Float32Array) => Array.from(values.subarray(0, classes))
      return { logits: first(l), probabilities: first(p), target: scan.target ?? argmax(first(l)) }
    },
    async answer(count, step, numbers = [0, 0]) {
      const runs = Math.ceil(count / batch)
      program.write(counter, Uint32Array.of(0, ...numbers))
      for (let done = 0; done < runs; ) {
        const before = performance.now()
        const now = Math.min(times, runs - done)
        program.run(now)
        await program.done()
        done += now
        const waited = performance.now() - before
        if (waited < PATIENCE / 2 && now === times) times = Math.min(2 * times, RUNS)
        else if (waited > PATIENCE) times = Math.max(1, times >> 1)
        step(done / runs)
      }
      return (await program.read(scores)).subarray(0, count * classes)
    },
    destroy() {
      program.destroy()
      release(gpu, [counter, scores, ...(perturbation.states ?? [])])
    },
  }
}
