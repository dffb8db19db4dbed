/** The training loop: all work on the GPU; the host feeds batches, reads one trace an epoch, and keeps the books. */
import { type Gpu, megabytes } from '../../engine/gpu.ts'
import type { MemoryReport } from '../../engine/plan.ts'
import { InputError } from '../../io/errors.ts'
import { networkFromParameters } from '../build.ts'
import type { Network } from '../description.ts'
import { type Identity, identify, readCheckpoint, writeCheckpoint } from './train-checkpoint.ts'
import type { Samples } from './train-data.ts'
import { findInScans, findInWeights, NonFiniteLossError } from './train-diagnose.ts'
import { type Evaluation, type Evaluator, makeEvaluator } from './train-evaluate.ts'
import { largestBatch, planTraining, totalMemory } from './train-memory.ts'
import { checkOptions, type Settings, type TrainOptions } from './train-options.ts'
import { bestEpochs, type EpochReport, isOver, type Metric } from './train-progress.ts'
import { makeTrainer, type Trainer, weightsOf } from './train-run.ts'

export { inMemory, type Samples } from './train-data.ts'
export { NonFiniteLossError } from './train-diagnose.ts'
export type { OptimizerChoice, StepOptions, TrainOptions } from './train-options.ts'
export type { EpochReport, Metric } from './train-progress.ts'

/** A network and the epoch it is from. */
export interface Kept {
  readonly network: Network
  readonly report: EpochReport
}

export interface TrainResult {
  /** With the weights of the best epoch by the metric that was chosen. */
  readonly network: Network
  readonly history: readonly EpochReport[]
  /** The best epoch's line. */
  readonly best: EpochReport
  /** The best by each metric that is known. */
  readonly bestBy: Partial<Record<Metric, Kept>>
  /** With the weights after the last epoch. */
  readonly last: Network
  /** GPU memory of training and evaluation, in bytes. */
  readonly memory: MemoryReport
}

/** Steps after which the host looks whether the loss is still a number, besides the end of each epoch. */
const LOOK = 64

/**
 * Trains a network. The network that is given stays as it is.
 *
 * A step is forward with batch statistics and dropout, backward, optimizer, running statistics. With `accumulate` the
 * gradients of several batches are summed on the GPU before the optimizer steps: the loss is the mean over all their
 * scans as if they were one batch, save that batch normalisation takes its statistics from each batch by itself. The
 * scans are put into a new order each epoch. The same network, scans, options and adapter give the same bits, also when
 * the training was ended at any time and goes on from its last checkpoint.
 *
 * @param data inputs [C, D, H, W] of the network, and classes
 * @throws InputError for scans or options that do not fit, or a checkpoint of another training
 * @throws NonFiniteLossError when the loss stops being a number, saying where that began
 * @throws GpuError when the GPU has not enough memory or is lost
 */
export async function train(gpu: Gpu, network: Network, data: Samples, options: TrainOptions): Promise<TrainResult> {
  const settings = checkOptions(network, data, options)
  refuseTooLarge(gpu, network, settings, options)
  options.signal?.throwIfAborted()
  // A map of its own, because a network's weights on the GPU belong to its map.
  const own: Network = { ...network, weights: new Map(network.weights) }
  const { batch, classWeights } = settings
  const { validation, prepare } = options
  const trainer = await makeTrainer(gpu, own, data, settings, prepare)
  let evaluator: Evaluator | undefined
  try {
    if (validation) evaluator = await makeEvaluator(gpu, own, validation, { batch, classWeights })
    const { resume, onCheckpoint } = options
    const identity = resume || onCheckpoint ? identify(network, data, settings, options) : {}
    return await loop(own, { trainer, evaluator, settings, options, identity })
  } finally {
    evaluator?.destroy()
    trainer.destroy()
  }
}

function refuseTooLarge(gpu: Gpu, network: Network, { batch }: Settings, options: TrainOptions): void {
  const limit = options.memoryLimit ?? Number.POSITIVE_INFINITY
  if (limit === Number.POSITIVE_INFINITY) return
  const { total } = planTraining(gpu, network, options, batch)
  if (total <= limit) return
  const most = largestBatch(gpu, network, options, limit, batch)
  const advice = most > 0 ? `batches of ${most} fit` : 'not even batches of one scan fit'
  throw new InputError(
    `training with batches of ${batch} needs ${megabytes(total)} of GPU memory, more than the ${megabytes(limit)} allowed; ${advice}`,
  )
}

interface Work {
  readonly trainer: Trainer
  readonly evaluator: Evaluator | undefined
  readonly settings: Settings
  readonly options: TrainOptions
  readonly identity: Identity
}

async function loop(network: Network, { trainer, evaluator, settings, options, identity }: Work): Promise<TrainResult> {
  const { signal, onCheckpoint, checkpointSteps = Number.POSITIVE_INFINITY } = options
  const resumed = options.resume && readCheckpoint(options.resume, identity)
  const start = performance.now() - 1000 * (resumed?.seconds ?? 0)
  const history = [...(resumed?.history ?? [])]
  const kept = new Map(resumed?.kept)
  let from = resumed?.step ?? 0
  if (resumed) trainer.restore(resumed.state, resumed.epochs, resumed.step)

  const seconds = () => (performance.now() - start) / 1000
  const checkpoint = async (step: number) => {
    if (!onCheckpoint) return
    const state = await trainer.capture()
    await onCheckpoint(
      writeCheckpoint({ identity, epochs: history.length, step, history, seconds: seconds(), state, kept }),
    )
  }
  for (let epoch = history.length + 1; epoch <= settings.epochs && !isOver(history, settings); epoch++) {
    const began = performance.now()
    const idle = trainer.pace.idle()
    let scans = 0
    let otherwise = 0
    trainer.pace.excuse()
    for (let step = from; step < trainer.steps; step++) {
      scans += await trainer.step(epoch, step)
      const done = step + 1
      const due = signal?.aborted || (done % checkpointSteps === 0 && done < trainer.steps)
      if (!due && done % LOOK !== 0) continue
      const paused = performance.now()
      await trainer.losses(epoch, done)
      if (due) await checkpoint(done)
      signal?.throwIfAborted()
      otherwise += due ? performance.now() - paused : 0
      trainer.pace.excuse()
    }
    from = 0
    const losses = await trainer.losses(epoch, trainer.steps)
    const taken = performance.now() - began - otherwise
    const evaluation = await evaluator?.evaluate()
    if (evaluation && !Number.isFinite(evaluation.loss)) {
      await refuseValidation(network, evaluation, { trainer, settings, options }, epoch)
    }
    history.push({
      epoch,
      loss: losses.reduce((a, b) => a + b, 0) / losses.length,
      ...(evaluation && {
        validationLoss: evaluation.loss,
        balancedAccuracy: evaluation.balancedAccuracy,
        auc: evaluation.auc,
      }),
      learningRate: trainer.rate(epoch, trainer.steps - 1),
      ...(await trainer.scaling()),
      seconds: seconds(),
      waited: scans > 0 ? (trainer.pace.idle() - idle) / taken : 0,
      scansPerSecond: (1000 * scans) / taken,
    })
    const wanted = new Set(Object.values(bestEpochs(history)).map((entry) => entry.epoch))
    for (const known of kept.keys()) if (!wanted.has(known)) kept.delete(known)
    if (wanted.has(epoch))
      kept.set(epoch, (await networkFromParameters(network, (t) => trainer.programs[0]!.read(t))).weights)
    options.onEpoch?.(history.at(-1)!)
    await checkpoint(0)
    signal?.throwIfAborted()
  }
  const keptBy = (report: EpochReport): Kept => ({ report, network: { ...network, weights: kept.get(report.epoch)! } })
  const bestBy = Object.fromEntries(
    Object.entries(bestEpochs(history)).map(([metric, report]) => [metric, keptBy(report)]),
  )
  const best = (bestBy as TrainResult['bestBy'])[settings.metric]!
  const programs = [...trainer.programs, ...(evaluator ? [evaluator.program] : [])]
  const graphs = [...trainer.graphs, ...(evaluator ? [evaluator.graph] : [])]
  return {
    network: best.network,
    history,
    best: best.report,
    bestBy,
    last: { ...network, weights: weightsOf(await trainer.capture()) },
    memory: totalMemory(programs, graphs),
  }
}

async function refuseValidation(
  network: Network,
  { loss }: Evaluation,
  { trainer, settings, options }: Pick<Work, 'trainer' | 'settings' | 'options'>,
  epoch: number,
): Promise<never> {
  const samples = options.validation!
  const scans = await findInScans(samples, [...samples.labels.keys()])
  const found = scans ?? (await findInWeights(network, (tensor) => trainer.programs[0]!.read(tensor), true))
  const text = found?.text ?? 'the outputs are too large'
  const advice = scans ? '' : `; lower the learning rate (${settings.learningRate})`
  const message = `the validation loss is ${loss} after epoch ${epoch}: ${text}${advice}`
  throw new NonFiniteLossError(message, epoch, trainer.steps, found?.scans ?? [], found?.layer ?? 'loss')
}
