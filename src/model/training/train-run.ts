/** The programs of a training and one step of it; what is on the GPU can be saved and put back. */
import { compile } from '../../engine/compile.ts'
import { type Gpu, release } from '../../engine/gpu.ts'
import type { Program } from '../../engine/program.ts'
import { formatShape, sizeOf, type Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { networkParameters } from '../build.ts'
import type { Network, Weight } from '../description.ts'
import { product } from '../layer-rules.ts'
import { balancedDraw, batches, type Samples, shuffled } from './train-data.ts'
import { findInLayers, findInScans, findInWeights, NonFiniteLossError } from './train-diagnose.ts'
import { makeFeed, makePace, type Pace } from './train-feed.ts'
import type { Settings, TrainOptions } from './train-options.ts'
import { rateAt } from './train-schedule.ts'
import {
  type BatchGraph,
  batchGraph,
  type Graph,
  makeShared,
  rateUniforms,
  residentsOf,
  sumGraph,
} from './train-step.ts'

export interface Trainer {
  /** Optimizer steps of an epoch. */
  readonly steps: number
  readonly graphs: readonly Graph[]
  readonly programs: readonly Program[]
  readonly pace: Pace
  /** Submits one step. Steps come in order, from where restore() or the start left off. @returns how many scans it has */
  step(epoch: number, step: number): Promise<number>
  /** The learning rate of a step. */
  rate(epoch: number, step: number): number
  /**
   * Loss of each step of the epoch so far.
   * @param steps that were submitted
   * @throws NonFiniteLossError when one is not finite
   */
  losses(epoch: number, steps: number): Promise<Float32Array>
  /** Where the loss is scaled: by how much now, and how many steps were skipped because it was too much. */
  scaling(): Promise<{ lossScale: number; skipped: number } | undefined>
  /** Everything on the GPU that the rest of the training depends on, by name. */
  capture(): Promise<Map<string, Weight>>
  /** @throws InputError when something is missing or has another shape */
  restore(state: ReadonlyMap<string, Weight>, epochs: number, step: number): void
  destroy(): void
}

/** What an epoch consists of: steps of batches of scans. A function of labels, settings and epoch alone. */
export function planEpoch(labels: readonly number[], settings: Settings, epoch: number): number[][][] {
  const { seed, batch, last, sampler, accumulate } = settings
  const order = sampler === 'balanced' ? balancedDraw(labels, seed, epoch) : shuffled(labels.length, seed, epoch)
  const all = batches(order, batch, last)
  return Array.from({ length: Math.ceil(all.length / accumulate) }, (_, s) =>
    all.slice(s * accumulate, (s + 1) * accumulate),
  )
}

/** Batches from a step of an epoch to the end of the training. */
function* batchesFrom(labels: readonly number[], settings: Settings, epoch: number, step: number) {
  for (let e = epoch; e <= settings.epochs; e++) {
    for (const batch of planEpoch(labels, settings, e).slice(e === epoch ? step : 0)) yield* batch
  }
}

export async function makeTrainer(
  gpu: Gpu,
  network: Network,
  data: Samples,
  settings: Settings,
  prepare: TrainOptions['prepare'],
): Promise<Trainer> {
  const { labels } = data
  const { accumulate, batch, classWeights, seed, epochs, optimizer, precision } = settings
  const { input } = network.description
  const first = planEpoch(labels, settings, 1)
  const steps = first.length
  const runs = first.flat().length
  const graphSettings = { ...settings, prepare }
  const shared = makeShared(network, graphSettings, steps)
  const sizes = [...new Set(first.flat().map(({ length }) => length))]
  const graphs = sizes.map((size) => batchGraph(network, shared, graphSettings, size))
  const after = sumGraph(network, shared, graphSettings)
  const all = after ? [...graphs, after] : graphs
  const resident = new Set(gpu.resident.keys())
  const programs: Program[] = []
  const destroy = () => {
    for (const program of programs) program.destroy()
    release(
      gpu,
      [...residentsOf(all), shared.seed].filter((tensor) => !resident.has(tensor)),
    )
  }
  try {
    for (const { effects } of all) {
      programs.push(await compile(gpu, {}, { effects, runs: epochs * runs, precision }))
    }
  } catch (error) {
    destroy()
    throw error
  }
  const of = new Map(graphs.map((graph, k) => [sizes[k]!, { graph, program: programs[k]! }]))
  const stepping = after && programs.at(-1)!
  const any = programs[0]!
  const read = (tensor: Tensor) => any.read(tensor)
  const pace = makePace(4 * batch * product(input))
  const state = stateOf(network, shared)
  let rate = Number.NaN
  let plan: { epoch: number; steps: number[][][] } | undefined
  let feed = makeFeed(data, batchesFrom(labels, settings, 1, 0), input)
  const planned = (epoch: number) => {
    if (plan?.epoch !== epoch) plan = { epoch, steps: planEpoch(labels, settings, epoch) }
    return plan.steps
  }
  /** Runs over batches before a step: what the random numbers of dropout and augmentation are counted by. */
  const runsBefore = (epoch: number, step: number) => (epoch - 1) * runs + Math.min(step * accumulate, runs)

  const setRate = (value: number) => {
    if (value === rate) return
    rate = value
    all.forEach((graph, k) => {
      for (const { node } of graph.steps) programs[k]!.setUniforms(node, rateUniforms(optimizer, value))
    })
  }
  const write = (graph: BatchGraph, program: Program, chosen: readonly number[], values: Float32Array) => {
    program.write(graph.input, values)
    program.write(
      graph.labels,
      Uint32Array.from(chosen, (n) => labels[n]!),
    )
  }

  const diagnose = async (loss: number, epoch: number, step: number): Promise<never> => {
    const where = `the training loss is ${loss} in epoch ${epoch}, step ${step + 1} of ${steps}`
    const fail = ({ text, layer }: { text: string; layer: string }, scans: readonly string[], advice = true): never => {
      const end = advice ? `; lower the learning rate (${rate})` : ''
      throw new NonFiniteLossError(`${where}: ${text}${end}`, epoch, step + 1, scans, layer)
    }
    const chosen = planned(epoch)[step]!
    const scans = await findInScans(data, chosen.flat())
    if (scans) fail(scans, scans.scans, false)
    const names = (some: readonly number[]) => [...new Set(some)].map((n) => data.names?.[n] ?? `scan ${n}`)
    const weights = await findInWeights(network, read, false)
    if (weights) fail(weights, names(chosen.flat()))
    for (const [k, own] of chosen.entries()) {
      any.write(shared.seed, Uint32Array.of(seed, runsBefore(epoch, step) + k))
      const { values } = await makeFeed(data, [own].values(), input).next()
      const found = await findInLayers(gpu, network, values, { batch: own.length, seed: shared.seed, prepare })
      if (found) fail({ ...found, text: `${found.text} for ${names(own).join(', ')}` }, names(own))
    }
    return fail(
      { layer: 'loss', text: `all layers are finite for ${names(chosen.flat()).join(', ')}` },
      names(chosen.flat()),
    )
  }

  return {
    steps,
    graphs: all,
    programs,
    pace,
    rate: (epoch, step) => rateAt(settings, epoch, step, steps),
    async step(epoch, step) {
      const chosen = planned(epoch)[step]!
      const total = chosen.flat().reduce((sum, n) => sum + classWeights[labels[n]!]!, 0)
      for (const k of chosen.keys()) {
        const own = await feed.next()
        await pace.room()
        if (k === 0) setRate(rateAt(settings, epoch, step, steps))
        const { graph, program } = of.get(own.chosen.length)!
        write(graph, program, own.chosen, own.values)
        if (stepping) {
          program.write(graph.scale, Float32Array.of(total > 0 ? 1 / total : 0))
          program.write(graph.start, Float32Array.of(k === 0 ? 1 : 0))
        }
        program.run()
        if (stepping && k === chosen.length - 1) stepping.run()
        pace.submitted(program.done())
        feed.ahead()
      }
      return chosen.flat().length
    },
    async losses(epoch, count) {
      const losses = (await read(shared.trace)).slice(0, count)
      const wrong = losses.findIndex((loss) => !Number.isFinite(loss))
      return wrong < 0 ? losses : diagnose(losses[wrong]!, epoch, wrong)
    },
    async scaling() {
      if (!shared.scaling) return undefined
      const { scale, tally } = shared.scaling
      return { lossScale: (await read(scale))[0]!, skipped: (await read(tally))[1]! }
    },
    async capture() {
      const saved = new Map<string, Weight>()
      for (const [name, tensor] of state) saved.set(name, { shape: tensor.shape, data: await read(tensor) })
      return saved
    },
    restore(saved, over, step) {
      for (const [name, tensor] of state) {
        const weight = saved.get(name)
        if (weight?.data.length !== sizeOf(tensor.shape)) {
          const found = weight ? `has the shape ${formatShape(weight.shape)}` : 'is missing'
          throw new InputError(`the checkpoint is damaged: "${name}" ${found}, need ${formatShape(tensor.shape)}`)
        }
        any.write(tensor, weight.data)
      }
      any.write(shared.seed, Uint32Array.of(seed, runsBefore(over + 1, step)))
      feed = makeFeed(data, batchesFrom(labels, settings, over + 1, step), input)
    },
    destroy,
  }
}

/** Tensors of a training's state by name; the dropout's step follows from where the training is. */
function stateOf(network: Network, shared: ReturnType<typeof makeShared>): Map<string, Tensor> {
  const state = new Map<string, Tensor>([
    ['counter', shared.counter],
    ['trace', shared.trace],
  ])
  if (shared.scaling) {
    state.set('loss scale', shared.scaling.scale)
    state.set('loss scale tally', shared.scaling.tally)
  }
  for (const [name, tensor] of networkParameters(network)) state.set(`weight ${name}`, tensor)
  for (const [name, moments] of shared.moments) {
    moments.forEach((tensor, k) => {
      state.set(`moment ${k + 1} ${name}`, tensor)
    })
  }
  return state
}

/** The weights of a network out of a captured state. */
export function weightsOf(state: ReadonlyMap<string, Weight>): Map<string, Weight> {
  return new Map([...state].flatMap(([name, weight]) => (name.startsWith('weight ') ? [[name.slice(7), weight]] : [])))
}
