/** The options of voxplain explain: flags, what they mean together, and what is refused before any work. */
import { type Command, Option } from 'commander'
import { lrp } from '../explain/lrp/lrp.ts'
import { type Lambdas, type MaskOptions, maskDefaults } from '../explain/mask.ts'
import { mask } from '../explain/mask-method.ts'
import { type MethodChoice, methodsFromJson, parseMethods } from '../explain/methods.ts'
import { atlasOcclusion } from '../explain/perturb/atlas-occlusion.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import type { Network } from '../model/description.ts'
import { prepareInput } from '../model/recipe/recipe-input.ts'
import type { CohortCommandOptions } from './cohort-options.ts'
import { addPolishOptions, type PolishOptions } from './explain-polish.ts'
import { type ImportCommandOptions, type LoadedNetwork, readJsonFile } from './network.ts'
import { bytesOption, integerOption, listOption, numberOption, numbersOption, seedOption } from './options.ts'

export type MaskFlags = Pick<
  MaskOptions,
  | 'beta1'
  | 'beta2'
  | 'fill'
  | 'within'
  | 'reduction'
  | 'resolution'
  | 'jitter'
  | 'iterations'
  | 'tolerance'
  | 'learningRate'
  | 'score'
>

/** What all methods are told. */
export interface CommonFlags extends Pick<MaskOptions, 'precision' | 'batch' | 'memoryLimit' | 'seed'> {}

export interface ExplainCommandOptions
  extends MaskFlags,
    CommonFlags,
    CohortCommandOptions,
    ImportCommandOptions,
    PolishOptions {
  out: string
  method: string
  target?: string[]
  lambda1?: number[]
  lambda2?: number[]
  group?: boolean
  recipe?: string
  reference?: string
  force?: boolean
  conservation?: boolean
  atlas?: string
  atlasNames?: string
  json?: boolean
}

/** Adds them to the command. */
export function addExplainOptions(command: Command): void {
  command
    .option('--method <names>', 'how to explain: names as in mask,lrp:epsilonPlus,ig:steps=100, or a .json', 'mask')
    .option('--list-methods', 'list all methods with their settings, and do nothing else')
    .option('--target <classes>', 'class to explain, or several; default: the predicted one', listOption)
    .option('--group', 'one shared mask for all scans: group_desc-mask_relevance.*')
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .option('--atlas <file.nii>', 'label volume in the space of the scans, for atlasOcclusion')
    .option('--atlas-names <table>', 'names of its labels (default: a table of the same name beside it)')
    .option('--conservation', 'lrp: also show how much relevance arrives at every layer')
    .option('--force', 'make maps anew that are there already, of the same scan, network and settings')
    .addOption(
      new Option(
        '--batch <scans>',
        'scans that the GPU works on at a time; default: as many as fill it and fit',
      ).argParser(integerOption(1, 1024)),
    )
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .addOption(new Option('--seed <seed>', 'of all random numbers (default: 0)').argParser(seedOption))
    .option('--json', 'one JSON document on stdout')
  addPolishOptions(command)
  for (const option of maskOptions()) command.addOption(option)
}

/** A flag for every option of the mask; what is not given keeps maskDefaults. */
export function maskOptions(): Option[] {
  const flag = (name: keyof MaskFlags | keyof Lambdas, flags: string, text: string) =>
    new Option(
      `--${flags}`,
      `mask: ${text} (default: ${name in maskDefaults ? maskDefaults[name as never] : 'about 12 mm'})`,
    )
  const weights = numbersOption(0)
  const exponent = numberOption(1)
  return [
    flag('lambda1', 'lambda1 <weights>', 'weight of the area term |1 - m|^beta1; several: a map for each').argParser(
      weights,
    ),
    flag('lambda2', 'lambda2 <weights>', 'weight of the smoothness term |grad m|^beta2; several: as well').argParser(
      weights,
    ),
    flag('beta1', 'beta1 <exponent>', 'exponent of the area term').argParser(exponent),
    flag('beta2', 'beta2 <exponent>', 'exponent of the smoothness term').argParser(exponent),
    flag('fill', 'fill <kind>', 'what replaces masked voxels').choices(['one', 'zero', 'mean', 'blur']),
    flag('within', 'within <where>', 'where the mask acts; tissue: where the scan is not 0').choices([
      'volume',
      'tissue',
    ]),
    new Option('--reference <scan>', 'with --fill mean: the mean image; default: the mean of the scans of a --group'),
    flag('reduction', 'reduction <kind>', 'whether terms are means or sums over voxels').choices(['mean', 'sum']),
    flag('resolution', 'resolution <voxels>', 'edge of a mask cell; 1 is full resolution').argParser(
      integerOption(1, 64),
    ),
    flag('jitter', 'jitter <voxels>', 'random shift of the mask in each step').argParser(integerOption(0, 64)),
    flag('iterations', 'iterations <count>', 'steps at most').argParser(integerOption(1, 100000)),
    flag('tolerance', 'tolerance <part>', 'stop when the loss changes by less; 0: never').argParser(numberOption(0)),
    flag('learningRate', 'learning-rate <rate>', 'of Adam').argParser(numberOption(1e-9)),
    flag('score', 'score <kind>', 'what is driven down').choices(['probability', 'logit']),
  ]
}

/**
 * The methods of --method: words, or a .json file that lists them. In a setting @file.json stands for what is in it, and the
 * @name of any other file for a scan as the network's input.
 * @throws InputError naming the word, the setting and what there is
 */
export async function openMethods(
  { method: text, conservation }: Pick<ExplainCommandOptions, 'method' | 'conservation'>,
  { network }: LoadedNetwork,
): Promise<MethodChoice[]> {
  try {
    const choices = isJson(text)
      ? methodsFromJson(await readJsonFile(text, 'the list of methods'))
      : parseMethods(text, await openDocuments(text, network))
    if (!conservation) return choices
    if (choices.every(({ method }) => method !== lrp)) throw new InputError('--conservation is for the method lrp')
    return choices.map((choice) =>
      choice.method === lrp ? { ...choice, settings: { ...choice.settings, conservation } } : choice,
    )
  } catch (error) {
    throw error instanceof InputError ? new InputError(`--method ${text}: ${error.message}`) : error
  }
}

const isJson = (path: string) => /^[^,:=]+\.json$/i.test(path)

async function openDocuments(text: string, network: Network): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>()
  for (const [, name] of text.matchAll(/[:=]@([^,:]+)/g)) {
    const path = name!.trim()
    const read = async () => prepareInput(network, await readVolumeFile(path)).tensor
    found.set(path, isJson(path) ? await readJsonFile(path, 'the setting') : await read())
  }
  return found
}

/** One pair of lambdas, and what its files are called beside those of the others; empty where it is the only one. */
export interface MaskVariant extends Lambdas {
  readonly suffix: string
}

/** A mask of --method with everything that words and flags say about it; words go before flags. */
export interface MaskPlan {
  readonly options: MaskOptions
  /** File of the mean image, where one was given. */
  readonly reference: string | undefined
  readonly variants: readonly MaskVariant[]
}

export const isMask = ({ method }: MethodChoice) => method === mask

/** What the common flags say, for any method. */
export function commonFlags({ precision, batch, memoryLimit, seed }: ExplainCommandOptions): CommonFlags {
  return { precision, batch, memoryLimit, seed }
}

/** @param reference the mean image of --fill mean, as the network's input. */
export function maskPlan(
  { given }: MethodChoice,
  options: ExplainCommandOptions,
  reference: Float32Array | undefined,
): MaskPlan {
  const { lambda1, lambda2, resolution, ...words } = given as MaskFlags & Partial<Lambdas> & { resolution?: unknown }
  const size = typeof resolution === 'number' ? { resolution } : resolution === 'auto' ? { resolution: undefined } : {}
  const flags = { ...maskFlags(options), ...commonFlags(options), ...words, ...size }
  return {
    options: { ...flags, ...(flags.fill === 'mean' && { reference }) },
    reference: flags.fill === 'mean' ? options.reference : undefined,
    variants: variantsOf(
      lambda1 === undefined ? options.lambda1 : [lambda1],
      lambda2 === undefined ? options.lambda2 : [lambda2],
    ),
  }
}

/** What the flags of a command say about masks, its other options left out. */
export function maskFlags(options: MaskFlags): MaskFlags {
  const { beta1, beta2, fill, within, reduction, resolution } = options
  const { jitter, iterations, tolerance, learningRate, score } = options
  return { beta1, beta2, fill, within, reduction, resolution, jitter, iterations, tolerance, learningRate, score }
}

/** Every pair of the lambdas given; where there are several of one, its value goes into the names of the files. */
function variantsOf(lambda1 = [maskDefaults.lambda1], lambda2 = [maskDefaults.lambda2]): MaskVariant[] {
  return lambda1.flatMap((first) =>
    lambda2.map((second) => {
      const suffix = (lambda1.length > 1 ? `_lambda1-${first}` : '') + (lambda2.length > 1 ? `_lambda2-${second}` : '')
      return { lambda1: first, lambda2: second, suffix }
    }),
  )
}

/** @throws InputError for flags that do not go together */
export function checkTogether(choices: readonly MethodChoice[], options: ExplainCommandOptions): void {
  const masks = choices.filter(isMask)
  if (options.group && masks.length < choices.length) {
    const other = choices.find((choice) => !isMask(choice))!
    throw new InputError(`--group is one mask for all scans: it goes with --method mask, not with ${other.method.name}`)
  }
  const regional = choices.some(({ method }) => method === atlasOcclusion)
  if (regional !== (options.atlas !== undefined)) {
    throw new InputError(
      regional
        ? 'atlasOcclusion needs --atlas <file.nii>, a label volume in the space of the scans'
        : '--atlas is for the method atlasOcclusion',
    )
  }
  const { reference, lambda1, lambda2, ...others } = options
  const flags = { reference, lambda1, lambda2, ...maskFlags(others as ExplainCommandOptions) }
  const stray = Object.entries(flags).find(([, value]) => value !== undefined)?.[0]
  if (masks.length === 0 && stray) {
    const flag = stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new InputError(`--${flag} is for the method mask, which --method ${options.method} does not name`)
  }
}
