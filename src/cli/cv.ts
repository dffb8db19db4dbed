/** voxplain cv: cross-validation of a kind of network on a cohort. */
import { join } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Gpu } from '../engine/gpu.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { formatTsv } from '../io/tsv.ts'
import { initialise } from '../model/architectures.ts'
import { crossValidate, type Part, requireApart, TEST, VALIDATION } from '../model/crossval/crossval.ts'
import { type CohortSummary, summariseNetworks, summaryColumns, summaryRows } from '../model/crossval/summary.ts'
import type { NetworkDescription } from '../model/description.ts'
import { parseContrast } from '../model/evaluation/contrast.ts'
import type { EvaluateOptions } from '../model/evaluation/evaluation.ts'
import { summarise } from '../model/summary.ts'
import { addCohortOptions } from './cohort-options.ts'
import { folderBooks, holdsStudy, openStudyFolder, readPart, type StoredPart } from './cv-folder.ts'
import { studyPage } from './cv-page.ts'
import { type CvCommandOptions, pageSettings, settingsOf } from './cv-settings.ts'
import { aloneIn, partsOf, sharedBooks } from './cv-shared.ts'
import { foldOf, namedTable, openStudy, type Study } from './cv-study.ts'
import { resultCells, resultHeads, resultRows } from './cv-table.ts'
import { describeGpu, withSession } from './gpu.ts'
import { integerOption, listOption, numberOption, seedOption } from './options.ts'
import { requireWritable } from './outputs.ts'
import { shardOption } from './shard.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'
import { describeEpoch, makeTrainingReport, stoppable, tellPlan } from './train-report.ts'
import { addScanOptions, inputOn, openSets, residualChoice } from './train-scans.ts'
import { addTrainingOptions, openArchitecture, trainingOptions, trainingRecipe } from './training-options.ts'

const HELP = `
Folds are drawn by participant and class; nobody is in two sets. Of a fold, the networks of all runs differ in their seed alone.
With --train-classes, participants of other classes are in folds, too, and are evaluated by the networks of their fold. A
study that was stopped, even by kill -9, goes on with --resume and ends with the very files it would have had.
With --shard several processes, on one machine or many, train the networks of one folder: each network by one of them. They
begin the study or go on with it; when all are done, the same command with --resume in the place of --shard writes the summary.

Examples:
  voxplain cv cohort/participants.tsv --folds 5 --runs 5 --test 0.2 --out study
  voxplain cv adni.tsv --train-classes AD,CN --cohort AIBL=aibl.tsv --cohort DELCODE=delcode.tsv --residualise age,sex,tiv
    --architecture dyrba --epochs 20 --out study
  voxplain cv cohort/participants.tsv --folds 5 --runs 5 --out study --shard $SLURM_ARRAY_TASK_ID/25
`

export function addCv(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('cv')
    .description('cross-validate a kind of network on a cohort: folds, repeated runs, test sets, a summary')
    .argument('<cohort>', 'table of labelled scans (see voxplain cohort)')
    .requiredOption('--out <folder>', 'for networks, predictions, metrics and the summary')
    .addOption(new Option('--folds <count>', 'of the participants').default(5).argParser(integerOption(2, 1000)))
    .addOption(new Option('--runs <count>', 'trainings of each fold').default(1).argParser(integerOption(1, 1000)))
    .addOption(
      new Option('--test <share>', 'of the participants, held out of all training and choices')
        .default(0)
        .argParser(numberOption(0, 0.9)),
    )
    .addOption(
      new Option('--cohort <name=table>', 'an independent cohort to test on; may come several times')
        .default([], 'none')
        .argParser(namedTable),
    )
    .option('--train-classes <names>', 'train on these; other classes are evaluated only', listOption)
    .option(
      '--contrast <pairs>',
      'patients:controls, e.g. AD:CN,MCI:CN (default: each label against the first class)',
      contrasts,
    )
    .option('--split-column <name>', 'column of the folds, or of train, validation and test')
    .option('--split-folder <folder>', 'folder of splits as ClinicaDL writes them')
    .option('--same-people', 'equal names in several cohorts are the same people, who may be in one only')
    .addOption(
      new Option('--shuffle-labels <seed>', 'deal labels out anew: the control for leakage').argParser(seedOption),
    )
  addCohortOptions(command)
  addScanOptions(command)
  addTrainingOptions(command)
    .addOption(new Option('--draws <count>', 'of the bootstrap').default(2000).argParser(integerOption(100, 1e6)))
    .addOption(
      new Option('--level <share>', 'confidence of intervals').default(0.95).argParser(numberOption(0.5, 0.999)),
    )
    .option('--resume', 'go on with the study in the folder')
    .addOption(
      new Option('--shard <i/n>', 'train the i-th of n parts of the networks, and no summary')
        .argParser(shardOption)
        .conflicts('resume'),
    )
    .option('--json', 'one JSON document on stdout, events on stderr')
    .addHelpText('after', HELP)
    .action(async (table: string, options: CvCommandOptions) => {
      finish(await cv(table, options, makeReporter(terminal, options.json ?? false), terminal))
    })
}

function contrasts(text: string) {
  try {
    return text.split(',').map((part) => parseContrast(part.trim()))
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

async function cv(table: string, options: CvCommandOptions, reporter: Reporter, terminal: Terminal): Promise<number> {
  const { out, seed, runs, level, dropout } = options
  const study = await openStudy(table, options)
  const { classes, grid } = study
  const recipe = await trainingRecipe(options, classes, grid)
  const inputShape = inputOn(recipe, grid)
  const description = (await openArchitecture(options.architecture))({ inputShape, recipe, classes, dropout })
  const loop = trainingOptions(options, recipe, grid)
  const residual = residualChoice(options, classes)
  await requireWritable(out)
  for (const note of study.notes) reporter.note(note)
  const evaluation = { contrasts: study.contrasts, classOf: study.classOf, replicates: options.draws, level, seed }
  const finished = await withSession(
    (session) =>
      stoppable(reporter, async (signal) => {
        const cohorts = [{ name: study.name, cohort: study.cohort }, ...study.others]
        const { sets, room } = openSets(cohorts, recipe, inputShape, options.cache, (note) => reporter.warn(note))
        const [set, ...others] = sets
        const plan = { set: set!, splits: study.splits, others, sameNames: options.samePeople }
        requireApart(plan)
        const least = Math.min(...study.splits.map(({ train }) => train.length))
        tellPlan(session.gpu, initialise(description, seed), loop, least, reporter)
        const about = { adapter: describeGpu(session.gpu).adapter, versions: describeGpu(session.gpu).versions }
        const settings = settingsOf(table, study, description, loop, options)
        const started = await aloneIn(out, signal, async () => {
          const resume = options.resume ?? (options.shard !== undefined && (await holdsStudy(out)))
          const began = await openStudyFolder(out, settings, about, resume)
          await writeFileAtomic(join(out, 'splits.tsv'), splitsTable(study))
          return began
        })
        if (JSON.stringify(started) !== JSON.stringify(about)) {
          reporter.warn(
            'the study was started with another adapter or version: its earlier networks may differ in the last bits',
          )
        }
        const reading = reporter.progress('reading scans')
        for (const one of sets) await one.readAhead(reading)
        reading.clear()
        const parts = study.splits.flatMap((_, fold) =>
          Array.from({ length: runs }, (__, run): Part => ({ fold, run })),
        )
        const own = partsOf(parts, options.shard)
        const books = sharedBooks(folderBooks(out, evaluation, seed), out, own, signal)
        const where = ({ fold, run }: Part) => `fold ${fold + 1}/${study.splits.length} run ${run + 1}/${runs}`
        const sparing = new Map<number, number>()
        // A GPU that is lost costs what was done since the last checkpoint.
        await session.run(async (gpu, kept) => {
          const progress = makeTrainingReport(terminal, reporter, parts.length * options.epochs)
          await crossValidate(gpu, {
            ...plan,
            description,
            runs,
            training: loop,
            residual,
            room,
            signal,
            books: {
              ...books,
              async isDone(part) {
                const done = await books.isDone(part)
                if (done) progress.skip(options.epochs)
                return done
              },
              async finish(result) {
                await books.finish(result)
                kept()
                const { fold, run, history, best } = result
                progress.skip(options.epochs - history.length)
                progress.event('network', { fold, run, epochs: history.length, best })
                if (!reporter.json) reporter.note(`${where(result)} done: ${describeEpoch(best)} chosen`)
              },
            },
            onEpoch: (part, entry) => progress.epoch(entry, where(part), { fold: part.fold, run: part.run }),
            onNote(fold, note) {
              // The same of many scans is one story: some of it will do.
              const told = sparing.get(fold) ?? 0
              sparing.set(fold, told + 1)
              if (told < MOST_NOTES) reporter.note(`fold ${fold + 1}: ${note}`)
              else if (told === MOST_NOTES) reporter.note(`fold ${fold + 1}: more notes of this kind are left out`)
            },
          }).finally(books.release)
          progress.clear()
        })
        if (options.shard) return own
        return aloneIn(out, signal, () =>
          summary(
            { study, description, parts, evaluation, started, residual: residual?.covariates ?? [] },
            options,
            session.gpu,
          ),
        )
      }),
    reporter,
  )
  if (!finished) {
    reporter.warn(`stopped; ${options.shard ? 'the same command goes on' : 'go on with --resume'} (${out})`)
    return 1
  }
  if (!('summaries' in finished)) {
    reporter.print(`${finished.length} networks of this part are there in ${out}`)
    reporter.document({ out, shard: options.shard, networks: finished })
    return 0
  }
  const { summaries, document } = finished
  const lines = [resultHeads(level), ...resultRows(summaries).map(resultCells)]
  for (const line of formatTable(lines)) reporter.print(line)
  reporter.print(`\n${join(out, 'summary.html')} has curves and all networks, ${join(out, 'summary.tsv')} all numbers`)
  reporter.document(document)
  return 0
}

/** Notes about scans that are told of each fold. */
const MOST_NOTES = 5

function splitsTable(study: Study): string {
  const folds = foldOf(study)
  const rows = study.cohort.rows.map(({ participant, session, givenLabel }, n) => {
    return { participant_id: participant, session_id: session, label: givenLabel, fold: folds[n] }
  })
  return formatTsv(['participant_id', 'session_id', 'label', 'fold'], rows)
}

interface Summing {
  readonly study: Study
  readonly description: NetworkDescription
  readonly parts: readonly Part[]
  readonly evaluation: EvaluateOptions
  readonly started: Readonly<Record<string, unknown>>
  readonly residual: readonly string[]
}

/** Sums up what is in the folder: the same files give the same summary, in however many goes they were made. */
async function summary(
  { study, description, parts, evaluation, started, residual }: Summing,
  options: CvCommandOptions,
  gpu: Gpu,
) {
  const { out, runs, level, shuffleLabels } = options
  const names = [VALIDATION, TEST, ...study.others.map(({ name }) => name)]
  const stored: StoredPart[] = []
  for (const part of parts) stored.push(await readPart(out, part, names, study.classes))
  const predictions = stored.map((part) => part.predictions)
  const summaries: CohortSummary[] = summariseNetworks(predictions, study.contrasts, evaluation)
  const { parameters } = summarise({ description })
  await writeFileAtomic(join(out, 'summary.tsv'), formatTsv(summaryColumns, summaryRows(summaries)))
  const document = {
    table: study.name,
    out,
    classes: study.classes,
    folds: study.splits.length,
    runs,
    parameters,
    summary: summaryRows(summaries),
    networks: stored.map(({ fold, run, epochs, best }) => ({ fold, run, epochs, best })),
    ...describeGpu(gpu),
  }
  const html = studyPage({
    name: study.name,
    architecture: description.name,
    parameters,
    folds: study.splits.length,
    runs,
    level,
    shuffled: shuffleLabels,
    residualised: residual,
    summaries,
    parts: stored,
    settings: pageSettings(study, description, options, started),
  })
  await writeFileAtomic(join(out, 'summary.html'), html)
  return { summaries, document }
}
