/** voxplain search: networks drawn from a space, trained one after the other, the best kept. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import { fitOnControls, keepLoaded, residualLoad, samplesOf } from '../model/crossval/scan-set.ts'
import { product } from '../model/layer-rules.ts'
import { withResidualModel } from '../model/recipe/recipe-input.ts'
import {
  bestTrial,
  defaultSpace,
  readSpace,
  type SearchResult,
  type SearchSpace,
  search,
  type TrialOutcome,
} from '../model/search/search.ts'
import { searchFolder } from '../model/search/trial-files.node.ts'
import { holdOut } from '../model/training/splits.ts'
import type { Metric } from '../model/training/train-progress.ts'
import { addCohortOptions } from './cohort-options.ts'
import { describeGpu, withSession } from './gpu.ts'
import { formatJson } from './json.ts'
import { integerOption, numberOption } from './options.ts'
import { requireWritable } from './outputs.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'
import { makeTrainingReport, stoppable } from './train-report.ts'
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
  type LoopOptions,
  type TrainingCommandOptions,
  trainingOptions,
  trainingRecipe,
} from './training-options.ts'

interface SearchCommandOptions extends ScanCommandOptions, TrainingCommandOptions {
  space?: string
  printSpace?: boolean
  trials: number
  out?: string
  test: number
  validation: number
  maxParameters?: number
  resume?: boolean
  json?: boolean
}

/** Options of a training that the space has instead. */
const DRAWN = ['architecture', 'dropout', 'batch', 'learningRate', 'weightDecay']
/** What a training may take on the GPU unless --memory says otherwise: what most GPUs have. */
const MEMORY = 8e9

const HELP = `
A space is a JSON object; what it leaves out is as --print-space shows. Each field is a value, or one of
  {"choice": [4, 8, 16]}  {"randint": [2, 5]}  {"uniform": [0, 0.9]}  {"exponent": [2, 5]}   (10 to the minus 2 ... 5)
Networks that need more than --memory are logged as rejected and not started. A search that was stopped, even by kill -9,
goes on with --resume and ends with the very files it would have had; with more --trials it goes on as well.

Examples:
  voxplain search --print-space > space.json
  voxplain search cohort/participants.tsv --space space.json --trials 20 --epochs 15 --out search
`

export function addSearch(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('search')
    .description('random search over networks and training options; keeps every trial and exports the best network')
    .argument('[cohort]', 'table of labelled scans (see voxplain cohort)')
    .option('--out <folder>', 'for trials.tsv, a folder for each trial, and network.safetensors, the best')
    .option('--space <file.json>', 'what is drawn from (default: see --print-space)')
    .option('--print-space', 'print the default space, or that of --space in full, and do nothing else')
    .addOption(new Option('--trials <count>').default(20).argParser(integerOption(1, 100000)))
    .addOption(
      new Option('--max-parameters <count>', 'reject larger networks (default: --memory decides)').argParser(
        integerOption(1),
      ),
    )
  addCohortOptions(command)
    .addOption(share('--validation <share>', 'of the participants; they pick the epoch and the trial', 0.2))
    .addOption(share('--test <share>', 'of the participants, kept out of the search altogether', 0))
  addScanOptions(command)
  addTrainingOptions(command)
    .option('--resume', 'go on with the search in --out')
    .option('--json', 'one JSON document on stdout, events on stderr')
    .addHelpText('after', HELP)
    .action(async (table: string | undefined, options: SearchCommandOptions, own: Command) => {
      const reporter = makeReporter(terminal, options.json ?? false)
      refuseDrawn(own)
      const space = await openSpace(options.space)
      if (options.printSpace) terminal.out(formatJson(space))
      else finish(await searchCommand(table, space, options, reporter, terminal))
    })
  for (const option of command.options) if (DRAWN.includes(option.attributeName())) option.hideHelp()
}

function share(flags: string, text: string, value: number): Option {
  return new Option(flags, text).default(value).argParser(numberOption(0, 0.9))
}

function refuseDrawn(command: Command): void {
  const given = DRAWN.find((name) => command.getOptionValueSource(name) === 'cli')
  if (given === undefined) return
  const flag = command.options.find((option) => option.attributeName() === given)!.long
  const advice = given === 'architecture' ? 'the space describes the networks' : `give the space a fixed "${given}"`
  throw new InputError(`${flag} is drawn from the space; ${advice}`)
}

async function openSpace(file: string | undefined): Promise<SearchSpace> {
  if (file === undefined) return defaultSpace
  return readSpace(new TextDecoder().decode(await readFileChecked(file)), file)
}

async function searchCommand(
  table: string | undefined,
  space: SearchSpace,
  options: SearchCommandOptions,
  reporter: Reporter,
  terminal: Terminal,
): Promise<number> {
  const { out, seed, trials, epochs, metric, validation, test } = options
  if (table === undefined) throw new InputError('no cohort was given; name a table of labelled scans')
  if (out === undefined) throw new InputError('--out is missing; name a folder for the trials')
  if (validation === 0) throw new InputError('--validation is 0; a search needs scans that decide which trial is best')
  const { cohort, report, grid } = await openLabelledCohort(table, options)
  const { classes } = cohort
  const residual = residualChoice(options, classes)
  const split = holdOut(cohort, { validation, test, seed })
  const recipe = await trainingRecipe(options, classes, grid)
  const inputShape = inputOn(recipe, grid)
  const loop = trainingOptions(options, recipe, grid)
  const limits = { memory: loop.memoryLimit ?? MEMORY, parameters: options.maxParameters }
  await requireWritable(out)
  const rows = { train: split.train, validation: split.validation, test: split.test }
  const scans = cohort.rows.map(({ scan, label, cells }) => JSON.stringify([scan, label, residual ? cells : '']))
  const about = { classes, recipe, residual, input: inputShape, rows: digest(JSON.stringify([rows, scans])) }
  const identity = { seed, space, training: settingsOf(loop), limits, ...about }
  const store = await searchFolder(out, identity, options.resume ?? false)
  for (const note of report.notes) reporter.note(note)
  const result = await withSession(
    (session) =>
      stoppable(reporter, async (signal) => {
        const opened = openSets([{ name: 'search', cohort }], recipe, inputShape, options.cache, reporter.warn)
        const set = opened.sets[0]!
        const reading = reporter.progress('reading scans')
        await set.readAhead(reading)
        reading.clear()
        const fitted = residual && (await fitOnControls(set, split.train, inputShape, residual))
        for (const note of fitted?.notes ?? []) reporter.note(note)
        const load =
          fitted &&
          keepLoaded(residualLoad(set, fitted.model, residual!.covariates), 4 * product(inputShape), opened.room)
        // A GPU that is lost costs what was done since the last checkpoint.
        const found = await session.run(async (gpu, kept) => {
          const progress = makeTrainingReport(terminal, reporter, epochs * trials)
          const ended = await search(gpu, samplesOf(set, split.train, classes, { load }), {
            ...{ space, trials, seed, metric, limits },
            network: { inputShape, recipe, classes },
            complete: fitted && ((network) => withResidualModel(network, fitted.model)),
            training: { ...loop, signal },
            validation: samplesOf(set, split.validation, classes, { load }),
            store: {
              ...store,
              async finish(outcome, trained) {
                await store.finish(outcome, trained)
                kept()
              },
            },
            onEpoch: (entry, trial) => progress.epoch(entry, `trial ${trial}`, { trial }),
            onTrial(outcome) {
              progress.skip(epochs - (outcome.epochs ?? 0))
              progress.event('trial', { ...outcome })
              reporter.note(describeTrial(outcome))
            },
          })
          progress.clear()
          return ended
        })
        return { ...found, ...describeGpu(session.gpu) }
      }),
    reporter,
  )
  if (!result) {
    reporter.warn(`stopped; go on with --resume (${out})`)
    return 1
  }
  return tell(out, metric, result, split, reporter)
}

/** Of a training, what its results depend on; the space has the rest. */
function settingsOf(loop: LoopOptions) {
  const { epochs, accumulate, optimizer, schedule, warmUp, sampler, classWeights, about } = loop
  const { metric, patience, tolerance, precision } = loop
  const order = { epochs, accumulate, optimizer, schedule, warmUp, sampler, classWeights, about }
  return { ...order, metric, patience, tolerance, precision }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function describeTrial({ trial, status, reason, best, parameters }: TrialOutcome): string {
  if (status !== 'done') return `trial ${trial} ${status}: ${reason}`
  const numbers = `validation loss ${shown(best!.validationLoss)}, balanced accuracy ${shown(best!.balancedAccuracy)}`
  return `trial ${trial}: ${parameters!.toLocaleString('en')} parameters, best epoch ${best!.epoch}, ${numbers}`
}

const shown = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(3))

/** The trials, best first, and where the best is. */
function tell(
  out: string,
  metric: Metric,
  { outcomes, best, ...about }: SearchResult & ReturnType<typeof describeGpu>,
  split: { train: readonly number[]; validation: readonly number[]; test: readonly number[] },
  reporter: Reporter,
): number {
  const left = [...outcomes]
  const ordered: TrialOutcome[] = []
  for (let next = bestTrial(left, metric); next; next = bestTrial(left, metric)) {
    ordered.push(...left.splice(left.indexOf(next), 1))
  }
  const rows = ordered.map(({ trial, best: report, parameters, choice }) => [
    ...[`${trial}`, shown(report!.validationLoss), shown(report!.balancedAccuracy), shown(report!.auc)],
    ...[`${choice.blocks}`, parameters!.toLocaleString('en'), choice.norm, choice.reduction],
    ...[`${choice.dropout}`, `${choice.learningRate}`, `${choice.weightDecay}`],
  ])
  const heads = [
    'trial',
    'loss',
    'bal.acc.',
    'AUC',
    'blocks',
    'parameters',
    'norm',
    'reduction',
    'dropout',
    'rate',
    'decay',
  ]
  if (rows.length > 0) for (const line of formatTable([heads, ...rows], [0, 1, 2, 3, 4, 5])) reporter.print(line)
  const count = (status: TrialOutcome['status']) => outcomes.filter((outcome) => outcome.status === status).length
  const counts = `${count('done')} trials trained, ${count('rejected')} rejected, ${count('diverged')} diverged`
  const file = join(out, 'network.safetensors')
  reporter.print(best ? `${counts}; the best by ${metric}, trial ${best.outcome.trial}, is in ${file}` : counts)
  const samples = { training: split.train.length, validation: split.validation.length, test: split.test.length }
  reporter.document({
    network: best ? file : null,
    best: best?.outcome.trial ?? null,
    metric,
    samples,
    trials: outcomes,
    ...about,
  })
  if (!best) reporter.warn(`no trial ended with a network; ${join(out, 'trials.tsv')} says why`)
  return best ? 0 : 1
}
