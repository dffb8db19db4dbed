/** The options of voxplain judge. */
import { type Command, Option } from 'commander'
import type { Precision } from '../engine/precision.ts'
import { type MeasureName, measureNames, measures } from '../explain/judge/measures.ts'
import { type JudgeSettings, judgeDefaults } from '../explain/judge/options.ts'
import { InputError } from '../io/errors.ts'
import type { CohortCommandOptions } from './cohort-options.ts'
import { addImportOptions, type ImportCommandOptions } from './network.ts'
import { bytesOption, integerOption, listOption, numberOption, seedOption } from './options.ts'
import { addScanOptions } from './scan-list.ts'

export interface JudgeCommandOptions extends Partial<JudgeSettings>, CohortCommandOptions, ImportCommandOptions {
  out: string
  method?: string
  measures?: string[]
  truth?: string
  target?: string
  limit?: number
  reference?: string
  recipe?: string
  batch?: number
  memoryLimit?: number
  precision: Precision
  json?: boolean
}

/** Adds them to the command, whose last argument is `<scans...>`. */
export function addJudgeOptions(command: Command): void {
  const number = (
    flags: string,
    text: string,
    key: keyof typeof judgeDefaults | 'patch',
    parse: (t: string) => number,
  ) => new Option(flags, `${text} (default: ${key === 'patch' ? 'about 8 mm' : judgeDefaults[key]})`).argParser(parse)
  const choice = (flags: string, text: string, key: keyof typeof judgeDefaults, choices: readonly string[]) =>
    new Option(flags, `${text} (default: ${judgeDefaults[key]})`).choices(choices)
  const own = [
    choice('--fill <kind>', 'what replaces voxels', 'fill', ['zero', 'one', 'mean', 'blur']),
    choice('--within <where>', 'which voxels are replaced; tissue: where the scan is not 0', 'within', [
      'tissue',
      'volume',
    ]),
    new Option('--reference <scan>', 'with --fill mean: the mean image; default: the mean of the scans'),
    number('--steps <count>', 'points of a curve', 'steps', integerOption(1, 1000)),
    number('--patch <voxels>', 'edge of the cubes of regions and random sets', 'patch', integerOption(1, 64)),
    number('--regions <count>', 'cubes that regionPerturbation replaces at most', 'regions', integerOption(1, 1e6)),
    number('--runs <count>', 'random sets of faithfulnessCorrelation', 'runs', integerOption(3, 1e5)),
    number('--share <part>', 'of the cubes in each of them', 'share', numberOption(1e-6, 0.999999)),
    number('--samples <count>', 'noisy scans of maxSensitivity', 'samples', integerOption(1, 1e4)),
    number('--radius <part>', "largest noise as a part of the scan's range", 'radius', numberOption(1e-9, 1)),
    number('--draws <count>', 'random networks for each layer that is reset', 'draws', integerOption(1, 1000)),
    choice('--sign <kind>', 'what of the relevance is compared with the truth', 'sign', ['absolute', 'positive']),
    number(
      '--threshold <part>',
      'true is what exceeds this part of the largest truth',
      'threshold',
      numberOption(0, 0.999999),
    ),
    number('--seed <seed>', 'of all random numbers', 'seed', seedOption),
  ]
  command
    .requiredOption('--out <folder>', 'where to write; made if it is missing. Scans that were judged there are kept')
    .option(
      '--method <names>',
      'methods to compare, as of explain, or a .json; random and scan are controls (default: all that need no atlas)',
    )
    .option('--measures <names>', `of ${measureNames.join(', ')} (default: all)`, listOption)
    .option(
      '--truth <column|pattern|file>',
      'true maps: a column, files below the table, or one for all (default: atrophy maps of a phantom)',
    )
    .option('--target <class>', 'class to explain; default: the predicted one of each scan')
    .option('--limit <scans>', 'judge the first scans only', integerOption(1))
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
  addScanOptions(command)
  addImportOptions(command)
  for (const option of own) command.addOption(option)
  command
    .option('--batch <scans>', 'perturbed scans that the GPU works on at a time (default: 4)', integerOption(1, 1024))
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--json', 'one JSON document on stdout')
}

/** What the flags say about measures. */
export function judgeFlags(options: JudgeCommandOptions): Partial<JudgeSettings> {
  const { fill, within, steps, patch, regions, runs, share, samples, radius, draws, sign, threshold, seed } = options
  return { fill, within, steps, patch, regions, runs, share, samples, radius, draws, sign, threshold, seed }
}

/** @throws InputError for a measure that there is not */
export function wantedMeasures(names: readonly string[] | undefined): readonly MeasureName[] {
  if (names === undefined) return measureNames
  const odd = names.find((name) => !Object.hasOwn(measures, name))
  if (odd === undefined) return measureNames.filter((name) => names.includes(name))
  throw new InputError(`--measures: there is no "${odd}"; there are ${measureNames.join(', ')}`)
}
