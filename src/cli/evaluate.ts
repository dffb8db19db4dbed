/** voxplain evaluate: how good a network is on cohorts, every number with its interval. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { InputError } from '../io/errors.ts'
import { type Contrast, contrastsInLabels, defaultContrasts, parseContrast } from '../model/evaluation/contrast.ts'
import { evaluatePredictions } from '../model/evaluation/evaluation.ts'
import { formatEstimate } from '../model/evaluation/evaluation-table.ts'
import { addCohortOptions } from './cohort-options.ts'
import {
  checkContrasts,
  type EvaluateCommandOptions,
  labelsOf,
  type NamedFile,
  predictCohorts,
  readPredictionFiles,
  requireFileNames,
} from './evaluate-inputs.ts'
import { contrastTable, evaluationFiles, type NamedEvaluation } from './evaluate-output.ts'
import { versions } from './gpu.ts'
import { addImportOptions } from './network.ts'
import { bytesOption, integerOption, numberOption, seedOption } from './options.ts'
import { requireWritable, writeTogether } from './outputs.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

const HELP = `
A contrast A:B takes the scans labelled A or B. Their score is P(A) / (P(A) + P(B)); above 1/2 counts as A. A label that is
no class of the network (MCI, for a network of CN and AD) may be on one side: P is then that of all classes not of the other.
AUC intervals are DeLong's on the logit scale; all others are bootstrap percentiles, subjects drawn within each side.

Examples:
  voxplain evaluate network.safetensors adni/participants.tsv --contrast AD:CN,MCI:CN --out evaluation
  voxplain evaluate network.safetensors --cohort ADNI2=adni2.tsv --cohort AIBL=aibl.tsv --out evaluation
  voxplain evaluate --predictions fold-1_predictions.tsv --classes CN,AD
`

export function addEvaluate(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('evaluate')
    .description('AUC, balanced accuracy and more of a network on cohorts, with intervals and ROC curves')
    .argument('[network]', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .argument('[cohort]', 'table of labelled scans (see voxplain cohort)')
    .addOption(many('--cohort <name=table>', 'a further cohort and what to call it; may come several times'))
    .addOption(many('--predictions <[name=]table>', 'evaluate these predictions instead; may come several times'))
    .option(
      '--contrast <pairs>',
      'patients:controls, e.g. AD:CN,MCI:CN (default: each class against the first)',
      contrasts,
    )
    .option('--out <folder>', 'for tables, predictions and pictures')
  addCohortOptions(addImportOptions(command))
    .addOption(new Option('--draws <count>', 'of the bootstrap').default(2000).argParser(integerOption(100, 1e6)))
    .addOption(
      new Option('--level <share>', 'confidence of intervals').default(0.95).argParser(numberOption(0.5, 0.999)),
    )
    .addOption(new Option('--seed <seed>', 'of the bootstrap').default(1).argParser(seedOption))
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', HELP)
    .action(async (network: string | undefined, cohort: string | undefined, options: EvaluateCommandOptions) => {
      finish(await evaluate(network, cohort, options, makeReporter(terminal, options.json ?? false)))
    })
}

/** An option that may come several times, with values of the form name=file or file. */
function many(flags: string, text: string): Option {
  const read = (value: string, earlier: NamedFile[]): NamedFile[] => {
    const [, name, file] = /^(?:([^=/\\]+)=)?(.+)$/.exec(value) ?? []
    if (file === undefined) throw new InvalidArgumentError('Give a file, or name=file.')
    return [...earlier, { name: name?.trim(), file }]
  }
  return new Option(flags, text).default([], 'none').argParser(read)
}

function contrasts(text: string): Contrast[] {
  return text.split(',').map((part) => parseContrast(part.trim()))
}

async function evaluate(
  network: string | undefined,
  cohort: string | undefined,
  options: EvaluateCommandOptions,
  reporter: Reporter,
): Promise<number> {
  const cohorts = [...(cohort === undefined ? [] : [{ name: undefined, file: cohort }]), ...options.cohort]
  const given = options.predictions.length > 0
  if (given ? network !== undefined || cohorts.length > 0 : network === undefined || cohorts.length === 0) {
    throw new InputError('give a network and a cohort to evaluate it on, or --predictions alone')
  }
  requireFileNames(given ? options.predictions : cohorts)
  const read = given ? await readPredictionFiles(options) : undefined
  if (options.out !== undefined) await requireWritable(options.out)
  const { sets, failed, about, classOf } = read ?? (await predictCohorts(network!, cohorts, options, reporter))
  checkContrasts(sets, options.contrast ?? [], classOf)
  const { draws: replicates, level, seed, contrast: wanted } = options
  // Told by class where nobody names any, but a class may be of several labels and have the name of none.
  const contrasts = wanted ?? contrastsInLabels(defaultContrasts(sets[0]!.predictions.classes), labelsOf(sets), classOf)
  const evaluations = sets.map(({ name, predictions }): NamedEvaluation => {
    const settings = { contrasts, classOf, replicates, level, seed }
    return { name, evaluation: evaluatePredictions(predictions, settings) }
  })
  printEvaluations(evaluations, reporter)
  const document = {
    ...about,
    level,
    bootstrap: { draws: replicates, seed },
    cohorts: evaluations.map(({ name, evaluation }) => ({ name, ...evaluation })),
    versions: versions(),
  }
  if (options.out !== undefined) {
    const files = await evaluationFiles(options.out, sets, evaluations, document, !given)
    await writeTogether(files)
    reporter.note(`wrote ${files.length} files to ${options.out}`)
  }
  reporter.document(document)
  return failed ? 1 : 0
}

function printEvaluations(evaluations: readonly NamedEvaluation[], reporter: Reporter): void {
  for (const { name, evaluation } of evaluations) {
    const { scans, subjects, otherScans, classes } = evaluation
    const others = otherScans > 0 ? `, ${otherScans} of them of none of the classes ${classes.join(', ')}` : ''
    reporter.print(`${name}: ${scans} scans of ${subjects} subjects${others}`)
    if (classes.length > 2) {
      const numbers = [evaluation.balancedAccuracy, evaluation.accuracy].map((estimate) => formatEstimate(estimate))
      reporter.print(`  over ${classes.length} classes: balanced accuracy ${numbers[0]}, accuracy ${numbers[1]}`)
    }
  }
  for (const [n, { name }] of (evaluations[0]?.evaluation.contrasts ?? []).entries()) {
    reporter.print(`\n${name}`)
    for (const line of formatTable(contrastTable(evaluations, n))) reporter.print(line)
  }
}
