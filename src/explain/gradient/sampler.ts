/**
 * Explainers that add up gradients at many points of a scan: integrated gradients, SmoothGrad and its relatives, and
 * GradientSHAP. A run of the program takes several points of one scan, adds to a sum that stays on the GPU, and writes back
 * nothing; a scan costs one forward and backward pass a point, and a forward pass for its class.
 */
import { backward } from '../../engine/backward.ts'
import { compile } from '../../engine/compile.ts'
import { type Gpu, release } from '../../engine/gpu.ts'
import type { Program } from '../../engine/program.ts'
import { input, type Node, state, type Tensor } from '../../engine/tensor.ts'
import { type BuiltNetwork, buildNetwork } from '../../model/build.ts'
import type { Network } from '../../model/description.ts'
import { integerFrom } from '../../model/formats/read-json.ts'
import { inTurns } from '../graph-explainer.ts'
import { type Attribution, checkInputs, type Explainer, type MakeOptions, type MethodInput } from '../method.ts'
import type { Rows } from './sample-ops.ts'

type Values = readonly [Tensor, Float32Array | Uint32Array]

/** The network's answer for one volume. */
export type Logits = (volume: Float32Array) => Promise<readonly number[]>

/** A method's part of the program, for a number of rows. */
export interface Sampled {
  /** What the network is given, [rows, C, D, H, W]. */
  readonly points: Tensor
  /**
   * Effects that add what the rows say to `total`, and states of the method's own.
   * @param gradient of the class's logits with respect to the points. @param total [C, D, H, W]
   */
  collect(gradient: Tensor, rows: Rows, total: Tensor): { effects: readonly Node[]; states?: readonly Tensor[] }
  /** Written once. */
  readonly setup?: readonly Values[]
  /** What is written for a scan. */
  begin(scan: Float32Array): readonly Values[]
  /** What is written for a run; samples beyond the last one are left over, and may have any values. */
  run(samples: readonly number[]): readonly Values[]
  /** What a sample counts for. */
  weight(sample: number): number
  /** From the sum to relevance and facts. */
  finish(
    sum: Float32Array,
    scan: Float32Array,
    target: number,
    logits: readonly number[],
    of: Logits,
  ): Promise<Finished>
}

export type Finished = Pick<Attribution, 'relevance' | 'facts'>

/** Runs that are handed to the GPU before the host waits for them, so that stopping takes effect soon. */
const RUNS_AHEAD = 8

/**
 * Compiles an explainer that visits `samples` points of each scan, up to options.batch of them at a time.
 * @throws InputError for no points; GpuError when memory does not suffice
 */
export async function makeSampledExplainer(
  gpu: Gpu,
  network: Network,
  options: MakeOptions,
  samples: number,
  sampled: (rows: number) => Sampled,
): Promise<Explainer> {
  const { batch = 1, memoryLimit, precision } = options
  integerFrom(1)(samples, 'the number of points of a scan')
  // As many runs as the batch makes necessary, and no more rows in each than these need.
  const runs = Math.ceil(samples / batch)
  const rows = Math.ceil(samples / runs)
  const single = buildNetwork(network)
  const outputs = { logits: single.logits, probabilities: single.probabilities }
  const forward = await compile(gpu, outputs, { frozen: true, memoryLimit, precision })
  const own = forward.memory.temporaries + forward.memory.fixed
  const part = sampled(rows)
  try {
    const rest = memoryLimit === undefined ? undefined : memoryLimit - own
    const walk = await compileWalk(gpu, network, part, rows, { ...options, memoryLimit: rest })
    return explainer(gpu, network, single, forward, walk, part, { samples, rows, own })
  } catch (error) {
    forward.destroy()
    throw error
  }
}

interface WalkProgram {
  readonly program: Program
  readonly seed: Tensor
  readonly rows: Rows
  readonly total: Tensor
  readonly states: readonly Tensor[]
}

async function compileWalk(
  gpu: Gpu,
  network: Network,
  part: Sampled,
  count: number,
  { memoryLimit, precision }: MakeOptions,
): Promise<WalkProgram> {
  const built = buildNetwork(network, { input: part.points })
  const seed = input(built.logits.shape, 'class')
  const [gradient] = backward(built.logits, [part.points], { seed })
  const total = state([...network.description.input], undefined, 'sum of gradients')
  const rows = { weights: input([count], 'weights'), seen: input([1], 'samples so far') }
  const { effects, states = [] } = part.collect(gradient!, rows, total)
  const program = await compile(gpu, { total }, { effects, frozen: true, memoryLimit, precision })
  return { program, seed, rows, total, states: [total, ...states] }
}

function explainer(
  gpu: Gpu,
  network: Network,
  single: BuiltNetwork,
  forward: Program,
  { program, seed, rows: { weights, seen }, total, states }: WalkProgram,
  part: Sampled,
  { samples, rows, own }: { samples: number; rows: number; own: number },
): Explainer {
  const classes = single.logits.shape[1]!
  const used = new Set(program.inputs)
  const write = (values: readonly Values[]) => {
    for (const [tensor, data] of values) if (used.has(tensor)) program.write(tensor, data)
  }
  const answer = async (volume: Float32Array) => {
    forward.write(single.input, volume)
    forward.run()
    const [l, p] = await Promise.all([forward.read(single.logits), forward.read(single.probabilities)])
    return { logits: Array.from(l), probabilities: Array.from(p) }
  }
  write(part.setup ?? [])

  async function explainOne({ tensor, target }: MethodInput, step: (share: number) => void): Promise<Attribution> {
    const { logits, probabilities } = await answer(tensor)
    const chosen = target ?? logits.indexOf(Math.max(...logits))
    const oneHot = Float32Array.from({ length: rows * classes }, (_, i) => (i % classes === chosen ? 1 : 0))
    write([[seed, oneHot], ...part.begin(tensor)])
    for (let first = 0, run = 1; first < samples; first += rows, run++) {
      const numbers = Array.from({ length: rows }, (_, k) => first + k)
      const shares = numbers.map((n) => (n < samples ? part.weight(n) : 0))
      write([[weights, Float32Array.from(shares)], [seen, Float32Array.of(first)], ...part.run(numbers)])
      program.run()
      if (run % RUNS_AHEAD !== 0) continue
      await program.done()
      step(Math.min(1, (first + rows) / samples))
    }
    const sum = await program.read(total)
    const finished = await part.finish(sum, tensor, chosen, logits, async (v) => (await answer(v)).logits)
    return { ...finished, target: chosen, logits, probabilities }
  }

  const { memory } = program
  const temporaries = memory.temporaries + forward.memory.temporaries
  return {
    ...inTurns(
      1,
      async ([only], step) => [await explainOne(only!, step)],
      (inputs) => checkInputs(network, inputs, classes),
    ),
    memory: { ...memory, temporaries, fixed: memory.fixed + forward.memory.fixed, total: memory.total + own },
    destroy() {
      program.destroy()
      forward.destroy()
      release(gpu, states)
    },
  }
}
