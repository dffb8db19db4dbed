/** What can be chosen in a training, with defaults and checks. */
import type { Precision } from '../../engine/precision.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { classCount, type Network, type NetworkDescription } from '../description.ts'
import { balancedClassWeights, checkSamples, type LastBatch, type Samples } from './train-data.ts'
import { type EpochReport, METRICS, type Metric } from './train-progress.ts'
import { readSchedule, type Schedule, type ScheduleOption } from './train-schedule.ts'

/** The optimizers of torch.optim, with its defaults. Weight decay is L2 for Adam and SGD, decoupled for AdamW. */
export type OptimizerChoice =
  | {
      readonly kind: 'adam' | 'adamw'
      /** Default 0.9. */
      readonly beta1?: number
      /** Default 0.999. */
      readonly beta2?: number
      /** Default 1e-8. */
      readonly epsilon?: number
      /** Default false. */
      readonly amsgrad?: boolean
    }
  | {
      readonly kind: 'sgd'
      /** Default 0. */
      readonly momentum?: number
      /** Default false. */
      readonly nesterov?: boolean
      /** Default 0. */
      readonly dampening?: number
    }

/** What a training step looks like; all that its memory depends on. */
export interface StepOptions {
  /** Micro-batches of `batch` scans whose gradients are summed before the optimizer steps; default 1. */
  accumulate?: number
  /** Default 'adam'. */
  optimizer?: OptimizerChoice['kind'] | OptimizerChoice
  /**
   * How large activations and gradients of the training steps are stored; default 'f32'. 'f16' takes about half the memory,
   * on adapters that have it: arithmetic, weights and moments stay f32, the loss is scaled so that gradients fit, and a
   * step whose gradients do not is skipped. Evaluation is f32 with both.
   */
  precision?: Precision
  /**
   * Graph function that the input of a batch goes through in training and not in evaluation: augmentation.
   * @param input [N, C, D, H, W]. @param seed u32 leaf [seed, step], another step in every run: the only source of
   *   randomness that it may use, so that a resumed training draws the same
   */
  prepare?: (input: Tensor, seed: Tensor) => Tensor
}

export interface TrainOptions extends StepOptions {
  /** Passes over the training scans, at most. */
  epochs: number
  /** Scans on the GPU at a time; default 8, never more than there are. */
  batch?: number
  /**
   * What becomes of scans that do not fill a batch: 'fill' (default) takes some from the start of the epoch's order again,
   * 'drop' leaves them out, 'small' makes a smaller batch (a second program).
   */
  last?: LastBatch
  /** 'shuffle' (default): every scan once an epoch; 'balanced': drawn with replacement, classes equally likely. */
  sampler?: 'shuffle' | 'balanced'
  /** Default 1e-4. */
  learningRate?: number
  /** Default 'constant'. */
  schedule?: ScheduleOption
  /** Epochs, also parts of one, over which the learning rate grows step by step to its full value; default 0. */
  warmUp?: number
  /** Default 1e-4. */
  weightDecay?: number
  /** Orders the scans and draws dropout and augmentation; default 1. (The initial weights come with the network.) */
  seed?: number
  /** Scans that decide which epoch was best. Without them it is the one of the lowest training loss. */
  validation?: Samples
  /** One a class, or 'balanced' for N / (classes * samples of the class). Default: all scans count the same. */
  classWeights?: readonly number[] | 'balanced'
  /** What early stopping goes by, and which epoch's network is the result; default 'loss'. The others need validation. */
  metric?: Metric
  /** Stop after this many epochs in a row without progress. Default: never. */
  patience?: number
  /** Progress is to be better than the best before by more than this, in the metric's unit; default 0. */
  tolerance?: number
  /** Called after each epoch. */
  onEpoch?: (entry: EpochReport) => void
  /**
   * Gets a checkpoint after every epoch, and whatever `checkpointSteps` says. The training goes on when it has returned.
   * See train-files.node.ts for one that writes a file.
   */
  onCheckpoint?: (bytes: Uint8Array) => Promise<void> | void
  /** Also a checkpoint after every so many steps of an epoch. Default: only after epochs. */
  checkpointSteps?: number
  /** A checkpoint to go on from. The rest of the training gives the bits it would have given without a break. */
  resume?: Uint8Array
  /** Whatever else makes this training what it is (preprocessing, augmentation): a resume that differs is refused. */
  about?: Readonly<Record<string, string | number | boolean>>
  /** Ends the training after the step under way, with a checkpoint, by throwing the signal's reason. */
  signal?: AbortSignal
  /** Most GPU memory in bytes; what needs more is refused before it starts, with the batch that would fit. */
  memoryLimit?: number
}

/** Checked options of which every one has a value; all that the result depends on, save for functions and data. */
export interface Settings {
  readonly epochs: number
  readonly batch: number
  readonly accumulate: number
  readonly last: LastBatch
  readonly sampler: 'shuffle' | 'balanced'
  readonly optimizer: OptimizerChoice
  readonly precision: Precision
  readonly learningRate: number
  readonly schedule: Schedule
  readonly warmUp: number
  readonly weightDecay: number
  readonly seed: number
  readonly classWeights: readonly number[]
  readonly metric: Metric
  /** 0: never stop. */
  readonly patience: number
  readonly tolerance: number
}

/** @throws InputError naming the option, or the scan, that does not fit */
export function checkOptions(network: Network, data: Samples, options: TrainOptions): Settings {
  requireClassifier(network.description)
  const classes = classCount(network.description)
  const { validation } = options
  checkSamples(data, network.description, 'training')
  if (validation) checkSamples(validation, network.description, 'validation')
  const number = (name: keyof TrainOptions, normal: number, least: number, whole = true): number => {
    const value = (options[name] as number | undefined) ?? normal
    if (Number.isFinite(value) && value >= least && (!whole || Number.isInteger(value))) return value
    throw new InputError(`${name} is ${value}, need a ${whole ? 'whole ' : ''}number of at least ${least}`)
  }
  const metric = oneOf('metric', options.metric ?? 'loss', METRICS)
  if (metric !== 'loss' && !validation) throw new InputError(`the metric ${metric} needs scans for validation`)
  if (metric === 'auc' && new Set(validation!.labels.map((label) => label === classes - 1)).size < 2) {
    throw new InputError('the metric auc needs scans of the last class and of others in the validation')
  }
  const given = options.classWeights ?? new Array<number>(classes).fill(1)
  const classWeights = given === 'balanced' ? balancedClassWeights(data.labels, classes) : given
  if (classWeights.length !== classes || !classWeights.every((w) => w >= 0 && Number.isFinite(w))) {
    throw new InputError(`classWeights are [${classWeights.join(', ')}], need ${classes} numbers of at least 0`)
  }
  if (options.checkpointSteps !== undefined) number('checkpointSteps', 1, 1)
  return {
    epochs: number('epochs', Number.NaN, 1),
    batch: Math.min(number('batch', 8, 1), data.count),
    accumulate: number('accumulate', 1, 1),
    last: oneOf('last', options.last ?? 'fill', ['fill', 'drop', 'small']),
    sampler: oneOf('sampler', options.sampler ?? 'shuffle', ['shuffle', 'balanced']),
    optimizer: checkOptimizer(options.optimizer),
    precision: oneOf('precision', options.precision ?? 'f32', ['f32', 'f16']),
    learningRate: number('learningRate', 1e-4, 0, false),
    schedule: readSchedule(options.schedule ?? 'constant'),
    warmUp: number('warmUp', 0, 0, false),
    weightDecay: number('weightDecay', 1e-4, 0, false),
    seed: number('seed', 1, 0),
    classWeights,
    metric,
    patience:
      options.patience === Number.POSITIVE_INFINITY || options.patience === undefined ? 0 : number('patience', 1, 1),
    tolerance: number('tolerance', 0, 0, false),
  }
}

/** @throws InputError for a network that no training here fits: labels are one a scan, and a segmentation needs one a voxel */
export function requireClassifier({ name, output }: NetworkDescription): void {
  if (output !== 'segmentation') return
  throw new InputError(
    `the network "${name}" is a segmentation, which cannot be trained here: labels are one a scan; give a network that ends with one number a class`,
  )
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw new InputError(`${name} is ${JSON.stringify(value)}, need one of ${allowed.join(', ')}`)
}

/** The optimizer with all its numbers. @throws InputError for one that is none, or numbers out of range */
export function checkOptimizer(given: StepOptions['optimizer'] = 'adam'): Required<OptimizerChoice> {
  const choice: OptimizerChoice = typeof given === 'string' ? { kind: given } : given
  const within = (name: string, value: number, limit: number): number => {
    if (value >= 0 && value < limit) return value
    throw new InputError(`optimizer: ${name} is ${value}, need a number from 0 to below ${limit}`)
  }
  if (choice.kind === 'sgd') {
    const { momentum = 0, nesterov = false, dampening = 0 } = choice
    if (nesterov && (momentum === 0 || dampening > 0)) {
      throw new InputError(`optimizer: nesterov needs momentum above 0 and no dampening, got ${momentum}, ${dampening}`)
    }
    const own = { momentum: within('momentum', momentum, 1), dampening: within('dampening', dampening, 1) }
    return { kind: 'sgd', nesterov, ...own }
  }
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, amsgrad = false } = choice
  return {
    kind: oneOf('optimizer', choice.kind, ['adam', 'adamw']),
    beta1: within('beta1', beta1, 1),
    beta2: within('beta2', beta2, 1),
    epsilon: within('epsilon', epsilon, Number.POSITIVE_INFINITY),
    amsgrad,
  }
}
