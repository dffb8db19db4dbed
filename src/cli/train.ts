/** voxplain train: a network from a table of scans and labels. */
import { stat, unlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { initialise } from '../model/architectures.ts'
import { fitOnControls, keepLoaded, residualLoad, samplesOf } from '../model/crossval/scan-set.ts'
import { saveNetwork } from '../model/formats/format.ts'
import { product } from '../model/layer-rules.ts'
import { withResidualModel } from '../model/recipe/recipe-input.ts'
import { holdOut } from '../model/training/splits.ts'
import { train } from '../model/training/train.ts'
import { checkpointFile } from '../model/training/train-files.node.ts'
import { addCohortOptions } from './cohort-options.ts'
import { describeGpu, withSession } from './gpu.ts'
import { numberOption } from './options.ts'
import { requireWritableFile } from './outputs.ts'
import { makeReporter, type Reporter, type Terminal } from './terminal.ts'
import { describeEpoch, makeTrainingReport, stoppable, tellPlan } from './train-report.ts'
import {
  addScanOptions,
  inputOn,
  openLabelledCohort,
  openSets,
  residualChoice,
  type ScanCommandOptions,
} from './train-scans.ts'
import {
  addTrainingOptions,
  openArchitecture,
  type TrainingCommandOptions,
  trainingOptions,
  trainingRecipe,
} from './training-options.ts'

interface TrainCommandOptions extends ScanCommandOptions, TrainingCommandOptions {
  out: string
  validation: number
  checkpoint?: string | false
  resume?: boolean
  json?: boolean
}

const HELP = `
A checkpoint is written after every epoch. A training that was stopped, even by kill -9, goes on with --resume and ends with
the very bits it would have had. --json: one document on stdout, and a line of JSON on stderr for each epoch.

Examples:
  voxplain train cohort/participants.tsv --out network.safetensors --epochs 15
  voxplain train adni.tsv --caps caps --label AD=1,CN=0 --drop-unmapped --out ad.safetensors --architecture conv5Fc3
    --learning-rate 1e-4 --epochs 100 --patience 10 --metric balancedAccuracy --augment flip,shift=2 --residualise age,sex,tiv
`

export function addTrain(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('train')
    .description('train a network on the scans of a cohort')
    .argument('<cohort>', 'table of labelled scans (see voxplain cohort)')
    .requiredOption('--out <network.safetensors>', 'where to write the network')
  addCohortOptions(command).addOption(
    new Option('--validation <share>', 'of the participants; they pick the epoch')
      .default(0.2)
      .argParser(numberOption(0, 0.9)),
  )
  addScanOptions(command)
  addTrainingOptions(command)
    .option('--checkpoint <file>', 'where to keep a checkpoint (default: beside --out until it is done)')
    .option('--no-checkpoint', 'keep none')
    .option('--resume', 'go on from the checkpoint')
    .option('--json', 'one JSON document on stdout, events on stderr')
    .addHelpText('after', HELP)
    .action(async (table: string, options: TrainCommandOptions) => {
      finish(await trainCommand(table, options, makeReporter(terminal, options.json ?? false), terminal))
    })
}

async function trainCommand(
  table: string,
  options: TrainCommandOptions,
  reporter: Reporter,
  terminal: Terminal,
): Promise<number> {
  const { out, epochs, seed, architecture, dropout } = options
  const { cohort, report, grid } = await openLabelledCohort(table, options)
  const { classes } = cohort
  const residual = residualChoice(options, classes)
  const split = holdOut(cohort, { validation: options.validation, seed })
  const recipe = await trainingRecipe(options, classes, grid)
  const inputShape = inputOn(recipe, grid)
  const description = (await openArchitecture(architecture))({ inputShape, recipe, classes, dropout })
  const loop = trainingOptions(options, recipe, grid)
  await requireWritableFile(out)
  const kept = await openCheckpoint(options)
  for (const note of report.notes) reporter.note(note)
  const notes: string[] = []
  const result = await withSession(
    (session) =>
      stoppable(reporter, async (signal) => {
        const started = initialise(description, seed)
        tellPlan(session.gpu, started, loop, split.train.length, reporter)
        const { sets, room } = openSets([{ name: 'training', cohort }], recipe, inputShape, options.cache, (note) => {
          notes.push(note)
          reporter.warn(note)
        })
        const set = sets[0]!
        const reading = reporter.progress('reading scans')
        await set.readAhead(reading)
        reading.clear()
        const fitted = residual && (await fitOnControls(set, split.train, inputShape, residual))
        for (const note of fitted?.notes ?? []) reporter.note(note)
        const network = fitted ? withResidualModel(started, fitted.model) : started
        const load =
          fitted && keepLoaded(residualLoad(set, fitted.model, residual!.covariates), 4 * product(inputShape), room)
        const training = samplesOf(set, split.train, classes, { load })
        const validation = split.validation.length > 0 ? samplesOf(set, split.validation, classes, { load }) : undefined
        const progress = makeTrainingReport(terminal, reporter, epochs)
        const onEpoch = progress.epoch
        // A GPU that is lost costs what was done since the last checkpoint.
        const trained = await session.run(async (gpu) => {
          const checkpoint =
            kept.path === undefined || session.losses === 0 ? kept.options : await checkpointFile(kept.path)
          return train(gpu, network, training, { ...loop, ...checkpoint, validation, onEpoch, signal })
        })
        progress.clear()
        await writeFileAtomic(out, saveNetwork(trained.network))
        await kept.done()
        const { history, best, memory } = trained
        return { history, best, memory, notes, ...describeGpu(session.gpu) }
      }),
    reporter,
  )
  if (!result) {
    reporter.warn(kept.path === undefined ? 'stopped; nothing was kept' : `stopped; go on with --resume (${kept.path})`)
    return 1
  }
  const samples = { training: split.train.length, validation: split.validation.length }
  const counts = `${samples.training} scans${samples.validation ? `, ${samples.validation} for validation` : ''}`
  const name = description.name
  reporter.print(`${out}: ${name} trained on ${counts} of ${basename(table)}; best ${describeEpoch(result.best)}`)
  const { prepare: _, ...settings } = loop
  reporter.document({
    network: out,
    architecture: name,
    classes,
    options: { ...settings, dropout, residual },
    samples,
    ...result,
  })
  return 0
}

/** The checkpoint's file, and what is to be done with it in the end. */
async function openCheckpoint({ out, checkpoint, resume }: TrainCommandOptions) {
  if (checkpoint === false) {
    if (resume) throw new InputError('--resume needs the checkpoint that --no-checkpoint forbids; give one of them')
    return { path: undefined, options: {}, done: async () => undefined }
  }
  const path = checkpoint ?? `${out}.checkpoint`
  const there = await stat(path).then(
    () => true,
    () => false,
  )
  if (there && !resume) {
    throw new InputError(`${path} holds a training that was broken off; go on with --resume, or remove it`)
  }
  if (!there && resume) throw new InputError(`there is no checkpoint ${path} to go on from; leave --resume out`)
  await requireWritableFile(path)
  return {
    path,
    options: await checkpointFile(path),
    // One that the user named is kept: a longer training can go on from it.
    done: async () => {
      if (checkpoint === undefined) await unlink(path).catch(() => undefined)
    },
  }
}
