/** Cross-validation: every fold trained as often as there are runs, each network tested on all that it has not seen. */
import { type Gpu, release } from '../../engine/gpu.ts'
import type { Cohort } from '../../io/cohort/cohort.ts'
import { InputError } from '../../io/errors.ts'
import { initialise } from '../architectures.ts'
import type { Network, NetworkDescription } from '../description.ts'
import { type PredictionRow, type Predictions, predictionRow } from '../evaluation/predictions.ts'
import { product } from '../layer-rules.ts'
import { withResidualModel } from '../recipe/recipe-input.ts'
import type { ResidualModel } from '../recipe/residual.ts'
import { requireNoLeaks, requireSoundSplit, type Split } from '../training/splits.ts'
import { type EpochReport, type TrainOptions, type TrainResult, train } from '../training/train.ts'
import type { Samples } from '../training/train-data.ts'
import { makeEvaluator } from '../training/train-evaluate.ts'
import { residentsOf } from '../training/train-step.ts'
import {
  fitOnControls,
  keepLoaded,
  type LoadScan,
  type ResidualChoice,
  residualLoad,
  rowsOfClasses,
  type ScanSet,
  samplesOf,
} from './scan-set.ts'

/** One training of one fold, both counted from 0. */
export interface Part {
  readonly fold: number
  readonly run: number
}

/** A cohort's name and what a network said of its scans. */
export interface NamedPredictions {
  readonly name: string
  readonly predictions: Predictions
}

export interface PartResult extends Part {
  readonly network: Network
  readonly history: readonly EpochReport[]
  /** The epoch that the network is from. */
  readonly best: EpochReport
  /** Of the fold's validation scans, of the test set where there is one, and of the other cohorts. */
  readonly predictions: readonly NamedPredictions[]
}

/** Keeps what was done, so that a study that ended may go on. */
export interface Books {
  /** Whether finish() was here before with this part. */
  isDone(part: Part): Promise<boolean> | boolean
  /** Where the part's training goes on from, and where its checkpoints go. */
  checkpoint(part: Part): Promise<Pick<TrainOptions, 'resume' | 'onCheckpoint'>>
  finish(result: PartResult): Promise<void>
}

export interface CrossvalOptions {
  /** The network; its recipe's classes are those that are trained. Labels that are none of them are evaluated only. */
  readonly description: NetworkDescription
  readonly set: ScanSet
  /** One a fold (see stratifiedFolds). */
  readonly splits: readonly Split[]
  /** Trainings of each fold, with the seeds `seed`, `seed` + 1, ...; default 1. */
  readonly runs?: number
  /** Cohorts that take no part in any training or choice. */
  readonly others?: readonly ScanSet[]
  /** Equal names in several cohorts are the same person, which is refused. Default false: only equal files are. */
  readonly sameNames?: boolean
  readonly training: Omit<TrainOptions, 'validation' | 'onEpoch' | 'resume' | 'onCheckpoint' | 'signal'>
  /** Fitted anew for each fold, on its training controls alone. */
  readonly residual?: ResidualChoice
  /** Bytes of memory for residuals that are kept from epoch to epoch; without room they are computed again. Default 0. */
  readonly room?: number
  readonly books: Books
  readonly onEpoch?: (part: Part, entry: EpochReport) => void
  /** What the user should know about a fold. */
  readonly onNote?: (fold: number, note: string) => void
  /** Ends the study with a checkpoint of the training under way, by throwing the signal's reason. */
  readonly signal?: AbortSignal
}

/** What the evaluated sets of the cohort itself are called. */
export const VALIDATION = 'validation'
export const TEST = 'test'

/**
 * Trains and tests all parts that are not done yet, fold by fold. A part is a function of the options, its fold and its run
 * alone: not of which parts were done before, nor of whether its training was broken off in between.
 * @throws InputError for a participant or file in two sets, before any work, and whatever train() throws
 */
export async function crossValidate(gpu: Gpu, options: CrossvalOptions): Promise<void> {
  const { set, splits, runs = 1, books } = options
  requireApart(options)
  for (const [fold, split] of splits.entries()) {
    let inputs: FoldInputs | undefined
    for (let run = 0; run < runs; run++) {
      const part = { fold, run }
      if (await books.isDone(part)) continue
      options.signal?.throwIfAborted()
      inputs ??= await prepareFold(set, split, fold, options)
      const result = await trainPart(gpu, part, inputs, options)
      const predictions = await predictAll(gpu, result.network, inputs.tested, options.training.batch)
      await books.finish({ ...part, network: result.network, history: result.history, best: result.best, predictions })
    }
  }
}

/** @throws InputError naming who, or which file, is in two sets */
export function requireApart({
  set,
  splits,
  others = [],
  sameNames = false,
}: Pick<CrossvalOptions, 'set' | 'splits' | 'others' | 'sameNames'>): void {
  for (const split of splits) requireSoundSplit(set.cohort, split)
  for (const other of others) {
    const sets = { [set.name]: set.cohort.rows, [other.name]: other.cohort.rows }
    if (set.name === other.name) throw new InputError(`two cohorts are called "${set.name}"; name them apart`)
    requireNoLeaks(sets, { sameNames })
  }
}

/** A set of scans to be tested. */
interface Tested {
  readonly name: string
  readonly cohort: Cohort
  readonly rows: readonly number[]
  readonly samples: Samples
}

interface FoldInputs {
  readonly model: ResidualModel | undefined
  readonly training: Samples
  readonly validation: Samples
  readonly tested: readonly Tested[]
}

async function prepareFold(set: ScanSet, split: Split, fold: number, options: CrossvalOptions): Promise<FoldInputs> {
  const { description, residual, others = [], onNote, room = 0 } = options
  const { input, recipe } = description
  const { classes } = recipe
  const { cohort } = set
  const trained = rowsOfClasses(cohort, split.train, classes)
  const fitted = residual && (await fitOnControls(set, trained, input, residual))
  for (const note of fitted?.notes ?? []) onNote?.(fold, note)
  const all = cohort.rows.length + others.reduce((sum, other) => sum + other.cohort.rows.length, 0)
  const told = new Set<string>()
  const loadOf = (one: ScanSet): LoadScan => {
    if (!fitted) return one.load
    const load = residualLoad(one, fitted.model, residual!.covariates, (row, note) => {
      const text = `${one.cohort.rows[row]!.participant}: ${note}`
      if (!told.has(text)) onNote?.(fold, text)
      told.add(text)
    })
    return keepLoaded(load, 4 * product(input), (room * one.cohort.rows.length) / all)
  }
  const load = loadOf(set)
  const tested = (one: ScanSet, rows: readonly number[], name: string, own: LoadScan): Tested[] =>
    rows.length === 0
      ? []
      : [{ name, cohort: one.cohort, rows, samples: samplesOf(one, rows, classes, { load: own, other: 0 }) }]
  return {
    model: fitted?.model,
    training: samplesOf(set, trained, classes, { load }),
    validation: samplesOf(set, rowsOfClasses(cohort, split.validation, classes), classes, { load }),
    tested: [
      ...tested(set, split.validation, VALIDATION, load),
      ...tested(set, split.test, TEST, load),
      ...others.flatMap((other) => tested(other, [...other.cohort.rows.keys()], other.name, loadOf(other))),
    ],
  }
}

async function trainPart(gpu: Gpu, part: Part, inputs: FoldInputs, options: CrossvalOptions): Promise<TrainResult> {
  const { description, training, books, onEpoch, signal } = options
  const seed = (training.seed ?? 1) + part.run
  const plain = initialise(description, seed)
  const network = inputs.model ? withResidualModel(plain, inputs.model) : plain
  return train(gpu, network, inputs.training, {
    ...training,
    seed,
    validation: inputs.validation,
    signal,
    onEpoch: (entry) => onEpoch?.(part, entry),
    ...(await books.checkpoint(part)),
  })
}

/** All sets by one program. */
async function predictAll(
  gpu: Gpu,
  network: Network,
  sets: readonly Tested[],
  batch: number | undefined,
): Promise<NamedPredictions[]> {
  const { classes } = network.description.recipe
  const places = sets.flatMap((set) => set.rows.map((_, k) => ({ set, k })))
  const all: Samples = {
    count: places.length,
    labels: sets.flatMap(({ samples }) => samples.labels),
    names: sets.flatMap(({ samples }) => samples.names!),
    load: (n) => places[n]!.set.samples.load(places[n]!.k),
  }
  const evaluator = await makeEvaluator(gpu, network, all, { batch })
  try {
    const { probabilities } = await evaluator.evaluate()
    let at = 0
    return sets.map(({ name, cohort, rows }) => {
      const own = rows.map((n): PredictionRow => {
        const { participant, session, givenLabel: trueLabel } = cohort.rows[n]!
        return predictionRow(classes, { participant, session, trueLabel, probabilities: probabilities[at++]! })
      })
      return { name, predictions: { classes, rows: own } }
    })
  } finally {
    evaluator.destroy()
    release(gpu, residentsOf([evaluator.graph]))
  }
}
