/** voxplain train: a network from a table of scans and diagnoses. */
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import { writeFileAtomic } from '../io/files.node.ts'
import { architectures, initialise } from '../model/architectures.ts'
import { saveNetwork } from '../model/formats/format.ts'
import { plainRecipe } from '../model/recipe/recipe.ts'
import { type EpochReport, train } from '../model/training/train.ts'
import { describeGpu, describeMemory, withGpu } from './gpu.ts'
import { openRecipe } from './network.ts'
import { integerOption, listOption, numberOption, seedOption } from './options.ts'
import { requireWritableFile } from './outputs.ts'
import { makeReporter, type Terminal } from './terminal.ts'
import { loadSamples, readTable, splitTable } from './train-table.ts'

export interface TrainCommandOptions {
  out: string
  architecture: keyof typeof architectures
  label: string
  path: string
  classes?: string[]
  recipe?: string
  epochs: number
  batch: number
  learningRate: number
  weightDecay: number
  dropout?: number
  validation: number
  patience?: number
  balanced?: boolean
  seed: number
  json?: boolean
}

const number = (flags: string, text: string, value: number | undefined, parser: (text: string) => number) =>
  new Option(flags, text).default(value).argParser(parser)

export function addTrain(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('train')
    .description('train a small network on the scans of a participants table')
    .argument('<participants.tsv>', 'BIDS table with a scan and a label in each row')
    .requiredOption('--out <network.safetensors>', 'where to write the network')
    .addOption(
      new Option('--architecture <name>', 'kind of network').choices(Object.keys(architectures)).default('smallCnn'),
    )
    .option('--label <column>', 'column of the class', 'diagnosis')
    .option('--path <column>', "column of the scan's path, relative to the table", 'path')
    .option('--classes <names>', 'classes in order; rows of others are left out (default: as they come)', listOption)
    .option('--recipe <name|file.json>', 'how scans become the input; default: as stored, min-max scaled')
    .addOption(number('--epochs <count>', 'passes over the scans', 20, integerOption(1, 100000)))
    .addOption(number('--batch <scans>', 'scans a step', 8, integerOption(1, 1024)))
    .addOption(number('--learning-rate <rate>', 'of Adam', 1e-3, numberOption(0)))
    .addOption(number('--weight-decay <rate>', 'of Adam', 1e-4, numberOption(0)))
    .addOption(number('--dropout <share>', "default: the architecture's", undefined, numberOption(0, 0.99)))
    .addOption(number('--validation <share>', 'of the participants; they pick the epoch', 0.2, numberOption(0, 0.9)))
    .addOption(number('--patience <epochs>', 'stop after so many epochs without progress', undefined, integerOption(1)))
    .option('--balanced', 'let all classes count the same')
    .addOption(number('--seed <seed>', 'of weights, split, order and dropout', 1, seedOption))
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  voxplain train cohort/participants.tsv --out network.safetensors --epochs 15\n',
    )
    .action(async (table: string, options: TrainCommandOptions) => {
      finish(await trainCommand(table, options, terminal))
    })
}

async function trainCommand(path: string, options: TrainCommandOptions, terminal: Terminal): Promise<number> {
  const { out, epochs, seed, architecture, dropout, batch, learningRate, weightDecay, patience } = options
  const reporter = makeReporter(terminal, options.json ?? false)
  const given = options.recipe === undefined ? undefined : await openRecipe(options.recipe)
  const table = await readTable(path, { ...options, classes: options.classes ?? given?.classes })
  const recipe = { ...(given ?? plainRecipe(table.classes.length)), classes: table.classes }
  const split = splitTable(table.rows, options.validation, seed)
  await requireWritableFile(out)
  if (table.leftOut > 0) reporter.note(`${table.leftOut} rows are of none of the classes ${table.classes.join(', ')}`)
  const reading = reporter.progress('reading scans')
  const samples = await loadSamples(split, recipe, (done, total) => reading.update(done, total))
  reading.clear()
  for (const note of samples.notes) reporter.warn(note)
  const description = architectures[architecture]({
    inputShape: samples.input,
    recipe: samples.recipe,
    classes: table.classes,
    dropout,
  })
  const network = initialise(description, seed)
  return withGpu(async (gpu) => {
    const bar = reporter.progress('training')
    const onEpoch = (entry: EpochReport) => bar.update(entry.epoch, epochs, describeEpoch(entry))
    const { training, validation } = samples
    const classWeights = options.balanced ? ('balanced' as const) : undefined
    const settings = { epochs, batch, learningRate, weightDecay, seed, patience, classWeights }
    const result = await train(gpu, network, training, { ...settings, validation, onEpoch })
    bar.clear()
    await writeFileAtomic(out, saveNetwork(result.network))
    reporter.note(`${describeMemory(result.memory)} on ${gpu.name}`)
    const counts = `${training.labels.length} scans${validation ? `, ${validation.labels.length} for validation` : ''}`
    reporter.print(
      `${out}: ${architecture} trained on ${counts} of ${basename(path)}; best ${describeEpoch(result.best)}`,
    )
    const { history, best, memory } = result
    const about = { architecture, classes: table.classes, options: { ...settings, dropout }, samples: split.counts }
    reporter.document({ network: out, ...about, best, history, memory, notes: samples.notes, ...describeGpu(gpu) })
    return 0
  })
}

function describeEpoch({ epoch, loss, validationLoss, balancedAccuracy, auc }: EpochReport): string {
  const parts = [`epoch ${epoch}`, `loss ${loss.toFixed(4)}`]
  if (validationLoss !== undefined) parts.push(`validation loss ${validationLoss.toFixed(4)}`)
  if (balancedAccuracy !== undefined) parts.push(`balanced accuracy ${balancedAccuracy.toFixed(3)}`)
  if (auc !== undefined) parts.push(`AUC ${auc.toFixed(3)}`)
  return parts.join(', ')
}
