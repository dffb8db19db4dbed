/** voxplain explain: maps of what a network needs to see, one a scan or one for a group. */
import { type Command, Option } from 'commander'
import { type Lambdas, type MaskOptions, maskDefaults } from '../explain/mask.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { applyRecipe } from '../model/recipe/recipe.ts'
import { explainEach, explainTogether, type Setting, type Written } from './explain-work.ts'
import { describeGpu, withGpu } from './gpu.ts'
import { classIndex, type LoadedNetwork, openNetwork, withHint } from './network.ts'
import { bytesOption, integerOption, numberOption, numbersOption, seedOption } from './options.ts'
import { distinctStems, requireWritable } from './outputs.ts'
import { exitCode, type Outcome, requireFiles } from './scans.ts'
import { makeReporter, type Terminal } from './terminal.ts'

type MaskFlags = Pick<
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
  | 'seed'
  | 'score'
  | 'precision'
  | 'batch'
  | 'memoryLimit'
>

interface Options extends MaskFlags {
  out: string
  method: 'mask'
  target?: string
  lambda1?: number[]
  lambda2?: number[]
  group?: boolean
  recipe?: string
  reference?: string
  json?: boolean
}

const EXAMPLES = `
Writes <scan>_desc-mask_relevance.nii.gz (1 - mask, on the scan's own grid), .json (what was done) and .png into --out.

Examples:
  voxplain explain network.safetensors sub-01_gm.nii.gz --target AD --out maps
  voxplain explain network.safetensors patients/*.nii.gz --group --target AD --out maps --lambda1 2 --resolution 4
  voxplain explain network.safetensors sub-*_gm.nii.gz --out maps --lambda1 1,10,100 --lambda2 0.1,1
The last writes six maps a scan: <scan>_lambda1-1_lambda2-0.1_desc-mask_relevance.nii.gz and so on.
`

export function addExplain(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('explain')
    .description('maps of what the network needs to see for its decision')
    .argument('<network>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .argument('<scans...>', 'NIfTI volumes, .nii or .nii.gz')
    .requiredOption('--out <folder>', 'where to write; made if it is missing')
    .addOption(new Option('--method <name>', 'how to explain').choices(['mask']).default('mask'))
    .option('--target <class>', 'class whose score the mask drives down; default: the predicted one')
    .option('--group', 'one shared mask for all scans: group_desc-mask_relevance.*')
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .addOption(
      new Option(
        '--batch <scans>',
        'scans that the GPU works on at a time; default: as many as fill it and fit',
      ).argParser(integerOption(1, 1024)),
    )
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .option('--json', 'one JSON document on stdout')
  for (const option of maskOptions()) command.addOption(option)
  command.addHelpText('after', EXAMPLES).action(async (network: string, scans: string[], options: Options) => {
    finish(await explain(network, scans, options, terminal))
  })
}

/** A flag for every option of the mask; what is not given keeps maskDefaults. */
function maskOptions(): Option[] {
  const flag = (name: keyof MaskFlags | keyof Lambdas, flags: string, text: string) =>
    new Option(`--${flags}`, `${text} (default: ${name in maskDefaults ? maskDefaults[name as never] : 'about 12 mm'})`)
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
    flag('seed', 'seed <seed>', 'of the jitter').argParser(seedOption),
    flag('score', 'score <kind>', 'what is driven down').choices(['probability', 'logit']),
  ]
}

async function explain(path: string, scans: string[], options: Options, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const loaded = await openNetwork(path, options.recipe)
  const { network } = loaded
  const target = options.target === undefined ? undefined : classIndex(network, options.target)
  await requireFiles(scans)
  const stems = options.group ? ['group'] : distinctStems(scans)
  const reference = await openReference(loaded, scans.length, options)
  await requireWritable(options.out)
  for (const note of loaded.notes) reporter.note(note)
  return withGpu(async (gpu) => {
    const mask = { ...maskFlags(options), target, reference }
    const settings = settingsOf(options)
    const task = { path, loaded, mask, settings, reporter, scans, stems, gpu, ...options }
    const outcomes = await (options.group ? explainTogether(task) : explainEach(task))
    reporter.document({ network: path, scans: outcomes.map(documentOf), ...describeGpu(gpu) })
    return exitCode(outcomes)
  })
}

function maskFlags(options: Options): MaskFlags {
  const { beta1, beta2, fill, within, reduction, resolution, precision, batch, memoryLimit } = options
  const { jitter, iterations, tolerance, learningRate, seed, score } = options
  const regularisers = { beta1, beta2, fill, within, reduction, resolution, precision, batch, memoryLimit }
  return { ...regularisers, jitter, iterations, tolerance, learningRate, seed, score }
}

/** Every pair of the lambdas given; where there are several of one, its value goes into the names of the files. */
function settingsOf({ lambda1 = [maskDefaults.lambda1], lambda2 = [maskDefaults.lambda2] }: Options): Setting[] {
  return lambda1.flatMap((first) =>
    lambda2.map((second) => {
      const suffix = (lambda1.length > 1 ? `_lambda1-${first}` : '') + (lambda2.length > 1 ? `_lambda2-${second}` : '')
      return { lambda1: first, lambda2: second, suffix }
    }),
  )
}

/** The mean image of --fill mean as the network's input. */
async function openReference(
  loaded: LoadedNetwork,
  scans: number,
  options: Options,
): Promise<Float32Array | undefined> {
  const { reference, fill, group } = options
  if (reference !== undefined && fill !== 'mean') throw new InputError('--reference is only for --fill mean')
  if (fill === 'mean' && reference === undefined && !(group && scans > 1)) {
    throw new InputError('--fill mean needs --reference <scan>, the mean image, or a --group of two or more scans')
  }
  if (reference === undefined) return undefined
  const { recipe, input } = loaded.network.description
  const volume = await readVolumeFile(reference)
  return withHint(loaded, volume, async () => applyRecipe(recipe, volume, input).tensor).catch((error) => {
    throw error instanceof InputError ? new InputError(`${reference}: ${error.message}`) : error
  })
}

function documentOf(outcome: Outcome<Written>): object {
  return 'result' in outcome ? { scan: outcome.scan, files: outcome.result.files, ...outcome.result.report } : outcome
}
