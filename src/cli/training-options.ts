/** Options of the training loop, the same for every command that trains. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Precision } from '../engine/precision.ts'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import type { Grid } from '../io/resample.ts'
import { type ArchitectureOptions, architectureByName, architectures, networkFromJson } from '../model/architectures.ts'
import type { NetworkDescription } from '../model/description.ts'
import { plainRecipe, type Recipe } from '../model/recipe/recipe.ts'
import { type Augmentation, augmentInput, readAugmentation } from '../model/training/augment.ts'
import type { OptimizerChoice, TrainOptions } from '../model/training/train.ts'
import { requireClassifier } from '../model/training/train-options.ts'
import { METRICS, type Metric } from '../model/training/train-progress.ts'
import { readSchedule, type Schedule } from '../model/training/train-schedule.ts'
import { openRecipe } from './network.ts'
import { bytesOption, integerOption, numberOption, seedOption, shapeOption } from './options.ts'

export interface TrainingCommandOptions {
  architecture: string
  dropout?: number
  recipe?: string
  scaling?: Recipe['scaling']
  size?: number[]
  epochs: number
  batch: number
  accumulate: number
  optimizer: OptimizerChoice['kind']
  momentum?: number
  nesterov?: boolean
  amsgrad?: boolean
  learningRate: number
  schedule: Schedule
  warmUp: number
  weightDecay: number
  sampler: 'shuffle' | 'balanced'
  balanced?: boolean
  metric: Metric
  patience?: number
  tolerance: number
  augment?: Augmentation
  precision: Precision
  memory?: number
  checkpointSteps?: number
  seed: number
}

/** Adds them to a command. */
export function addTrainingOptions(command: Command): Command {
  const valued = <T>(flags: string, text: string, parser: (text: string) => T, value?: T) =>
    command.addOption(new Option(flags, text).default(value).argParser(parser))
  command
    .option(
      '--architecture <name|file.json>',
      `${Object.keys(architectures).join(', ')}, or a list of layers in JSON`,
      'smallCnn',
    )
    .option('--recipe <name|file.json>', 'how scans become the input; default: as stored, min-max scaled')
    .addOption(
      new Option('--scaling <kind>', "of the input, instead of the recipe's").choices([
        'min-max',
        'z-score',
        'z-score-nonzero',
        'none',
      ]),
    )
  valued('--size <voxels>', 'crop or pad the input to XxYxZ voxels, about its middle', shapeOption(3))
  valued('--dropout <share>', "default: the architecture's", numberOption(0, 0.99))
  valued('--epochs <count>', 'passes over the scans, at most', integerOption(1, 100000), 20)
  valued('--batch <scans>', 'scans on the GPU at a time', integerOption(1, 1024), 8)
  valued('--accumulate <batches>', 'batches whose gradients make one step', integerOption(1, 1024), 1)
  command.addOption(new Option('--optimizer <kind>').choices(['adam', 'adamw', 'sgd']).default('adam'))
  valued('--momentum <share>', 'of sgd (default: 0)', numberOption(0, 0.9999))
  command.option('--nesterov', 'for sgd with momentum').option('--amsgrad', 'for adam and adamw')
  valued('--learning-rate <rate>', 'of the optimizer', numberOption(0), 1e-3)
  const schedule = new Option('--schedule <kind>', 'constant, cosine, cosine=LOWEST, step=EPOCHS or step=EPOCHSxFACTOR')
  command.addOption(schedule.default({ kind: 'constant' }, 'constant').argParser(scheduleOption))
  valued('--warm-up <epochs>', 'over which the learning rate grows; may be a part of one', numberOption(0), 0)
  valued('--weight-decay <rate>', 'L2 for adam and sgd, decoupled for adamw', numberOption(0), 1e-4)
  command
    .addOption(
      new Option('--sampler <kind>', 'every scan once an epoch, or classes equally often')
        .choices(['shuffle', 'balanced'])
        .default('shuffle'),
    )
    .option('--balanced', 'weight the loss so that all classes count the same')
    .addOption(
      new Option('--metric <name>', 'of the validation, which picks the epoch').choices([...METRICS]).default('loss'),
    )
  valued('--patience <epochs>', 'stop after so many epochs without progress (default: never)', integerOption(1))
  valued('--tolerance <difference>', 'that counts as progress', numberOption(0), 0)
  valued('--augment <list>', 'random changes: flip,shift=VOXELS,noise=DEVIATION,smooth=VOXELS', augmentOption)
  command.addOption(
    new Option(
      '--precision <kind>',
      'of stored activations and gradients; f16 takes half the memory, where there is f16',
    )
      .choices(['f32', 'f16'])
      .default('f32'),
  )
  valued('--memory <bytes>', 'GPU memory to stay within, e.g. 8GB; says which batch fits', bytesOption)
  valued('--checkpoint-steps <count>', 'a checkpoint also after so many steps of an epoch', integerOption(1))
  valued('--seed <seed>', 'of weights, splits, order, dropout and augmentation', seedOption, 1)
  return command
}

function scheduleOption(text: string): Schedule {
  const [, kind, first, second] = /^(\w+)(?:=([^x]+)(?:x(.+))?)?$/.exec(text.trim()) ?? []
  const given = (value: string | undefined) => (value === undefined ? undefined : Number(value))
  try {
    if (kind === 'step' && first !== undefined)
      return readSchedule({ kind, epochs: Number(first), factor: given(second) })
    if (kind === 'cosine' && second === undefined) return readSchedule({ kind, lowest: given(first) })
    if (kind === 'constant' && first === undefined) return readSchedule(kind)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
  }
  throw new InvalidArgumentError(
    'Give constant, cosine, cosine=0.01 (lowest share), step=30 (epochs) or step=30x0.5 (epochs, factor).',
  )
}

const AUGMENTATIONS: Readonly<Record<string, keyof Augmentation>> = {
  flip: 'flip',
  shift: 'shift',
  noise: 'noise',
  smooth: 'smoothing',
  smoothing: 'smoothing',
}

function augmentOption(text: string): Augmentation {
  const json: Record<string, unknown> = {}
  for (const part of text.split(',')) {
    const [, word = '', value] = /^\s*(\w+)(?:=(.+?))?\s*$/.exec(part) ?? []
    const name = Object.hasOwn(AUGMENTATIONS, word) ? AUGMENTATIONS[word]! : undefined
    if (name === undefined || (name === 'flip') !== (value === undefined)) {
      throw new InvalidArgumentError(
        `"${part}" is none of flip, shift=VOXELS, shift=VOXELSxVOXELSxVOXELS, noise=DEVIATION, smooth=VOXELS.`,
      )
    }
    const numbers = value?.split('x').map(Number)
    json[name] = numbers === undefined ? true : numbers.length > 1 ? numbers : numbers[0]
  }
  try {
    return readAugmentation(json)
  } catch (error) {
    throw error instanceof InputError ? new InvalidArgumentError(`${error.message}.`) : error
  }
}

/** What depends on data, on where the training stands and on who listens is for the command to add. */
export type LoopOptions = Omit<TrainOptions, 'validation' | 'onEpoch' | 'onCheckpoint' | 'resume' | 'signal'>

/**
 * What the options ask for, in the words of train().
 * @param recipe, grid that inputs are made by; augmentation needs to know which axis is left-right
 * @throws InputError for options of another optimizer
 */
export function trainingOptions(options: TrainingCommandOptions, recipe: Recipe, grid: Grid): LoopOptions {
  const { epochs, batch, accumulate, learningRate, schedule, warmUp, weightDecay, sampler } = options
  const { metric, patience, tolerance, seed, precision, memory, checkpointSteps, balanced, augment } = options
  return {
    epochs,
    batch,
    accumulate,
    optimizer: optimizerChoice(options),
    learningRate,
    schedule,
    warmUp,
    weightDecay,
    sampler,
    ...(balanced && { classWeights: 'balanced' as const }),
    metric,
    patience,
    tolerance,
    seed,
    precision,
    memoryLimit: memory,
    checkpointSteps,
    ...(augment && {
      prepare: (input, drawn) => augmentInput(input, augment, { seed: drawn, recipe, affine: grid.affine }),
      about: { augmentation: JSON.stringify(augment) },
    }),
  }
}

function optimizerChoice({ optimizer, momentum, nesterov, amsgrad }: TrainingCommandOptions): OptimizerChoice {
  if (optimizer === 'sgd') {
    if (amsgrad) throw new InputError('--amsgrad is for adam and adamw; leave it out for sgd')
    return { kind: 'sgd', momentum, nesterov }
  }
  const other = momentum !== undefined ? '--momentum' : nesterov ? '--nesterov' : undefined
  if (other) throw new InputError(`${other} is for sgd; leave it out, or choose --optimizer sgd`)
  return { kind: optimizer, amsgrad }
}

export type MakeDescription = (options: ArchitectureOptions) => NetworkDescription

/**
 * The architecture that --architecture names, to be made for an input and classes.
 * @throws InputError for a file that cannot be read; what is made throws for an unknown name, unusable layers, a segmentation
 */
export async function openArchitecture(name: string): Promise<MakeDescription> {
  if (!/\.json$/i.test(name)) return (options) => architectureByName(name, options)
  const text = new TextDecoder().decode(await readFileChecked(name))
  return (options) => {
    const description = networkFromJson(text, options, name)
    requireClassifier(description)
    return description
  }
}

/**
 * The recipe that --recipe, --scaling and --size ask for.
 * @param grid that the scans lie on: a recipe without one gets it, so that a scan on another is noticed later
 * @throws InputError for a recipe that does not exist
 */
export async function trainingRecipe(
  { recipe, scaling, size }: Pick<TrainingCommandOptions, 'recipe' | 'scaling' | 'size'>,
  classes: readonly string[],
  grid: Grid,
): Promise<Recipe> {
  const base = recipe === undefined ? plainRecipe(classes.length) : await openRecipe(recipe)
  return {
    ...base,
    grid: base.grid ?? { shape: grid.shape, affine: grid.affine },
    ...(size && { size: size as [number, number, number] }),
    ...(scaling && { scaling }),
    classes,
  }
}
