/**
 * A small training loop: Adam on cross-entropy, everything on the GPU; the host uploads batches and reads one trace an epoch.
 */
import { backward } from '../engine/backward.ts'
import { compile } from '../engine/compile.ts'
import { type Gpu, release } from '../engine/gpu.ts'
import { advance, dropoutSeed } from '../engine/ops/dropout.ts'
import { crossEntropy } from '../engine/ops/loss.ts'
import { adam, adamUniforms, stepCounter } from '../engine/ops/optimizer.ts'
import { record } from '../engine/ops/record.ts'
import type { MemoryReport } from '../engine/plan.ts'
import type { Program } from '../engine/program.ts'
import { constant, input as placeholder, type Tensor } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import { buildNetwork, networkFromParameters } from './build.ts'
import { classCount, type Network } from './description.ts'
import { product } from './layer-rules.ts'
import { balancedClassWeights, batches, checkSamples, type Samples, shuffled } from './train-data.ts'
import { type Evaluator, MOST_QUEUED_BYTES, makeEvaluator } from './train-evaluate.ts'

export type { Samples } from './train-data.ts'

export interface TrainOptions {
  /** Passes over the training scans, at most. */
  epochs: number
  /** Scans a step; default 8, never more than there are. */
  batch?: number
  /** Of Adam; default 1e-4. */
  learningRate?: number
  /** 'cosine' lets the learning rate fall to nothing over the epochs, half a cosine wave in steps of an epoch (Loshchilov
   *  and Hutter 2017), which settles short trainings. Default 'constant'. */
  schedule?: 'constant' | 'cosine'
  /** L2 penalty that joins the gradient, as torch.optim.Adam does; default 1e-4. */
  weightDecay?: number
  /** Orders the scans and draws the dropout; default 1. (The initial weights come with the network.) */
  seed?: number
  /** Scans that decide which epoch was best. Without them it is the one of the lowest training loss. */
  validation?: Samples
  /** One a class, or 'balanced' for N / (classes * samples of the class). Default: all scans count the same. */
  classWeights?: readonly number[] | 'balanced'
  /** Stop after this many epochs in a row that were no better. Default: never. */
  patience?: number
  /** Called after each epoch. */
  onEpoch?: (entry: EpochReport) => void
}

/** One line of the history. */
export interface EpochReport {
  /** From 1. */
  readonly epoch: number
  /** Mean of the training loss over the epoch's steps, dropout included. */
  readonly loss: number
  readonly validationLoss?: number
  readonly balancedAccuracy?: number
  /** Of the last class against the others. */
  readonly auc?: number
  /** Time since the training began. */
  readonly seconds: number
}

export interface TrainResult {
  /** With the weights of the best epoch. */
  readonly network: Network
  readonly history: readonly EpochReport[]
  /** The best epoch's line. */
  readonly best: EpochReport
  /** GPU memory of the training program, in bytes. */
  readonly memory: MemoryReport
}

/**
 * Trains a network. The network that is given stays as it is.
 *
 * A step is one run of one program: forward with batch statistics and dropout, backward, Adam, running statistics. The
 * scans are put into a new order each epoch; the last batch is filled up from the start of that order, so all steps have
 * the same shape and no scan is left out. The same network, scans, options and adapter give the same bits.
 *
 * @param data inputs [C, D, H, W] of the network, and classes
 * @throws InputError for scans or options that do not fit, and when the loss stops being a number (naming epoch and step)
 * @throws GpuError when the GPU has not enough memory or is lost
 */
export async function train(gpu: Gpu, network: Network, data: Samples, options: TrainOptions): Promise<TrainResult> {
  const start = performance.now()
  const settings = checkOptions(network, data, options)
  // A map of its own, because a network's weights on the GPU belong to its map.
  const own: Network = { description: network.description, weights: new Map(network.weights) }
  const owned: Tensor[] = []
  let trainer: Trainer | undefined
  let evaluator: Evaluator | undefined
  try {
    trainer = await makeTrainer(gpu, own, data, settings, owned)
    const { validation, classWeights, batch } = settings
    if (validation) evaluator = await makeEvaluator(gpu, own, validation, { batch, classWeights })
    return await loop(own, trainer, evaluator, settings, start)
  } finally {
    trainer?.program.destroy()
    evaluator?.destroy()
    release(gpu, owned)
  }
}

type Settings = Required<Omit<TrainOptions, 'classWeights' | 'validation' | 'onEpoch'>> &
  Pick<TrainOptions, 'validation' | 'onEpoch'> & { readonly classWeights: readonly number[] }

function checkOptions(network: Network, data: Samples, options: TrainOptions): Settings {
  const { epochs, batch = 8, learningRate = 1e-4, weightDecay = 1e-4, seed = 1 } = options
  const { validation, onEpoch, patience = Number.POSITIVE_INFINITY, schedule = 'constant' } = options
  const classes = classCount(network.description)
  checkSamples(data, network.description, 'training')
  if (validation) checkSamples(validation, network.description, 'validation')
  const requireNumber = (name: string, value: number, least: number, whole: boolean) => {
    if (value >= least && (!whole || Number.isInteger(value) || value === Number.POSITIVE_INFINITY)) return
    throw new InputError(`${name} is ${value}, need a ${whole ? 'whole ' : ''}number of at least ${least}`)
  }
  requireNumber('epochs', Number.isFinite(epochs) ? epochs : Number.NaN, 1, true)
  requireNumber('batch', batch, 1, true)
  requireNumber('patience', patience, 1, true)
  requireNumber('learningRate', learningRate, 0, false)
  requireNumber('weightDecay', weightDecay, 0, false)
  requireNumber('seed', seed, 0, true)
  if (schedule !== 'constant' && schedule !== 'cosine') {
    throw new InputError(`schedule is ${JSON.stringify(schedule)}, need 'constant' or 'cosine'`)
  }
  const given = options.classWeights ?? new Array<number>(classes).fill(1)
  const classWeights = given === 'balanced' ? balancedClassWeights(data.labels, classes) : given
  if (classWeights.length !== classes || !classWeights.every((w) => w >= 0 && Number.isFinite(w))) {
    throw new InputError(`classWeights are [${classWeights.join(', ')}], need ${classes} numbers of at least 0`)
  }
  const size = Math.min(batch, data.tensors.length)
  return { epochs, batch: size, learningRate, weightDecay, seed, validation, onEpoch, patience, schedule, classWeights }
}

interface Trainer {
  readonly program: Program
  /** Runs one epoch; the loss of each step. */
  epoch(epoch: number): Promise<Float32Array>
}

/** @param owned gets the tensors to release in the end */
async function makeTrainer(
  gpu: Gpu,
  network: Network,
  { tensors, labels }: Samples,
  { batch, learningRate, weightDecay, seed, classWeights, epochs, schedule }: Settings,
  owned: Tensor[],
): Promise<Trainer> {
  const dropout = dropoutSeed(seed)
  const built = buildNetwork(network, { batch, training: { seed: dropout } })
  const truth = placeholder([batch], 'labels', 'u32')
  const weights = constant([classWeights.length], Float32Array.from(classWeights), 'class weights')
  const loss = crossEntropy(built.logits, truth, { weights })
  const trainable = [...built.trainable.values()]
  const gradients = backward(loss, trainable)
  const counter = stepCounter()
  const steps = trainable.map((tensor, k) => adam(tensor, gradients[k]!, { learningRate, weightDecay, counter }))
  const kept = record(loss, counter, Math.ceil(tensors.length / batch))
  const effects = [...built.effects, ...steps.map(({ node }) => node), kept.node, advance(dropout)]
  owned.push(dropout, weights, kept.trace, ...built.parameters.values(), ...steps.flatMap(({ state }) => state))
  const program = await compile(
    gpu,
    { trace: kept.trace },
    { effects, runs: epochs * Math.ceil(tensors.length / batch) },
  )
  const size = product(network.description.input)
  const upload = new Float32Array(batch * size)
  return {
    program,
    async epoch(epoch) {
      if (schedule === 'cosine') {
        const rate = learningRate * 0.5 * (1 + Math.cos((Math.PI * (epoch - 1)) / epochs))
        for (const { node } of steps) program.setUniforms(node, adamUniforms({ learningRate: rate }))
      }
      let queued = 0
      for (const chosen of batches(shuffled(tensors.length, seed, epoch), batch)) {
        for (const [k, n] of chosen.entries()) upload.set(tensors[n]!, k * size)
        program.write(built.input, upload)
        program.write(
          truth,
          Uint32Array.from(chosen, (n) => labels[n]!),
        )
        program.run()
        queued += upload.byteLength
        if (queued > MOST_QUEUED_BYTES) {
          await program.done()
          queued = 0
        }
      }
      return program.read(kept.trace)
    },
  }
}

async function loop(
  network: Network,
  { program, epoch: runEpoch }: Trainer,
  evaluator: Evaluator | undefined,
  { epochs, patience, onEpoch, learningRate }: Settings,
  start: number,
): Promise<TrainResult> {
  const history: EpochReport[] = []
  let best: { report: EpochReport; network: Network } | undefined
  const advice = `lower the learning rate (${learningRate}) or check the scans for values that are not finite`
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const losses = await runEpoch(epoch)
    const step = losses.findIndex((value) => !Number.isFinite(value))
    if (step >= 0) {
      throw new InputError(
        `the training loss is ${losses[step]} in epoch ${epoch}, step ${step + 1} of ${losses.length}: ${advice}`,
      )
    }
    const evaluation = await evaluator?.evaluate()
    if (evaluation && !Number.isFinite(evaluation.loss)) {
      throw new InputError(`the validation loss is ${evaluation.loss} after epoch ${epoch}: ${advice}`)
    }
    const report: EpochReport = {
      epoch,
      loss: losses.reduce((a, b) => a + b, 0) / losses.length,
      ...(evaluation && {
        validationLoss: evaluation.loss,
        balancedAccuracy: evaluation.balancedAccuracy,
        auc: evaluation.auc,
      }),
      seconds: (performance.now() - start) / 1000,
    }
    history.push(report)
    onEpoch?.(report)
    if (!best || judged(report) < judged(best.report)) {
      best = { report, network: await networkFromParameters(network, (tensor) => program.read(tensor)) }
    }
    if (epoch - best.report.epoch >= patience) break
  }
  return { network: best!.network, history, best: best!.report, memory: program.memory }
}

/** What the best epoch has the lowest of. */
function judged({ loss, validationLoss }: EpochReport): number {
  return validationLoss ?? loss
}
