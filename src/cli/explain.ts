/** voxplain explain: maps of what a network needs to see, one a scan or one for a group. */
import { basename, join } from 'node:path'
import { type Command, Option } from 'commander'
import type { Gpu } from '../engine/gpu.ts'
import { type Explanation, explainGroup, explainScan, tensorSpacing } from '../explain/explain.ts'
import { type MaskOptions, maskDefaults, planMask } from '../explain/mask.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import type { NiftiVolume } from '../io/nifti.ts'
import type { Volume } from '../io/volume.ts'
import { applyRecipe } from '../model/recipe.ts'
import { explanationFiles } from './explain-files.ts'
import { describeGpu, describeMemory, withGpu } from './gpu.ts'
import { classIndex, type LoadedNetwork, openNetwork, withHint } from './network.ts'
import { bytesOption, integerOption, numberOption, seedOption } from './options.ts'
import { distinctStems, requireWritable, writeTogether } from './outputs.ts'
import { exitCode, forEachScan, type Outcome, requireFiles, tellAbout } from './scans.ts'
import { makeReporter, type Reporter, type Terminal } from './terminal.ts'

type MaskFlags = Pick<
  MaskOptions,
  | 'lambda1'
  | 'lambda2'
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
>

interface Options extends MaskFlags {
  out: string
  method: 'mask'
  target?: string
  group?: boolean
  recipe?: string
  reference?: string
  memoryLimit?: number
  json?: boolean
}

const EXAMPLES = `
Writes <scan>_desc-mask_relevance.nii.gz (1 - mask, on the scan's own grid), .json (what was done) and .png into --out.

Examples:
  voxplain explain network.safetensors sub-01_gm.nii.gz --target AD --out maps
  voxplain explain network.safetensors patients/*.nii.gz --group --target AD --out maps --lambda1 2 --resolution 4
`

export function addExplain(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('explain')
    .description('maps of what the network needs to see for its decision')
    .argument('<network>', 'voxplain .safetensors or Keras .h5, .hdf5')
    .argument('<scans...>', 'NIfTI volumes, .nii or .nii.gz')
    .requiredOption('--out <folder>', 'where to write; made if it is missing')
    .addOption(new Option('--method <name>', 'how to explain').choices(['mask']).default('mask'))
    .option('--target <class>', 'class whose score the mask drives down; default: the predicted one')
    .option('--group', 'one shared mask for all scans: group_desc-mask_relevance.*')
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .option('--json', 'one JSON document on stdout')
  for (const option of maskOptions()) command.addOption(option)
  command.addHelpText('after', EXAMPLES).action(async (network: string, scans: string[], options: Options) => {
    finish(await explain(network, scans, options, terminal))
  })
}

/** A flag for every option of the mask; what is not given keeps maskDefaults. */
function maskOptions(): Option[] {
  const flag = (name: keyof MaskFlags, flags: string, text: string) =>
    new Option(`--${flags}`, `${text} (default: ${name === 'resolution' ? 'about 12 mm' : maskDefaults[name]})`)
  const weight = numberOption(0)
  const exponent = numberOption(1)
  return [
    flag('lambda1', 'lambda1 <weight>', 'weight of the area term |1 - m|^beta1').argParser(weight),
    flag('lambda2', 'lambda2 <weight>', 'weight of the smoothness term |grad m|^beta2').argParser(weight),
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
    flag('tolerance', 'tolerance <part>', 'stop when the loss changes by less; 0: never').argParser(weight),
    flag('learningRate', 'learning-rate <rate>', 'of Adam').argParser(numberOption(1e-9)),
    flag('seed', 'seed <seed>', 'of the jitter').argParser(seedOption),
    flag('score', 'score <kind>', 'what is driven down').choices(['probability', 'logit']),
  ]
}

/** Everything that a scan's explanation needs besides the scan. */
interface Task {
  readonly path: string
  readonly loaded: LoadedNetwork
  readonly options: Options
  readonly mask: MaskOptions
  readonly reporter: Reporter
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
    const mask = { ...maskFlags(options), target, reference, memoryLimit: options.memoryLimit }
    const task = { path, loaded, options, mask, reporter }
    const outcomes = await (options.group ? explainTogether(gpu, task, scans) : explainEach(gpu, task, scans, stems))
    reporter.document({ network: path, scans: outcomes.map(documentOf), ...describeGpu(gpu) })
    return exitCode(outcomes)
  })
}

function maskFlags(options: Options): MaskFlags {
  const { lambda1, lambda2, beta1, beta2, fill, within, reduction, resolution } = options
  const { jitter, iterations, tolerance, learningRate, seed, score } = options
  const regularisers = { lambda1, lambda2, beta1, beta2, fill, within, reduction, resolution }
  return { ...regularisers, jitter, iterations, tolerance, learningRate, seed, score }
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

interface Written {
  readonly files: readonly string[]
  readonly report: object
}

function explainEach(gpu: Gpu, task: Task, scans: readonly string[], stems: readonly string[]) {
  const { loaded, mask, reporter, options } = task
  let told = false
  return forEachScan(scans, reporter, async (scan, file, index) => {
    if (!told) tellPlan(gpu, task, scan, 1)
    told = true
    const place = scans.length > 1 ? `${index + 1}/${scans.length} ` : ''
    const explanation = await withHint(loaded, scan, () =>
      explainScan(gpu, loaded.network, scan, { ...mask, onProgress: showProgress(reporter, place + basename(file)) }),
    )
    tellAbout(file, explanation, reporter)
    return finish(gpu, task, scan, explanation, { scans: [file], failed: [] }, join(options.out, stems[index]!))
  })
}

/** One mask for all scans that can be used; the others are told of, and named in the result. */
async function explainTogether(gpu: Gpu, task: Task, scans: readonly string[]): Promise<Outcome<Written>[]> {
  const { loaded, mask, reporter, options } = task
  const { recipe, input } = loaded.network.description
  const outcomes = await forEachScan(scans, reporter, (scan, file) =>
    withHint(loaded, scan, async () => {
      tellAbout(file, applyRecipe(recipe, scan, input), reporter)
      return scan
    }),
  )
  const usable = outcomes.flatMap((outcome) => ('result' in outcome ? [outcome] : []))
  const failed = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome] : []))
  if (usable.length === 0) return failed
  const volumes = usable.map(({ result }) => result)
  tellPlan(gpu, task, volumes[0]!, volumes.length)
  const onProgress = showProgress(reporter, `group of ${volumes.length}`)
  const explanation = await explainGroup(gpu, loaded.network, volumes, { ...mask, onProgress })
  const used = usable.map(({ scan }) => scan)
  const result = await finish(gpu, task, volumes[0]!, explanation, { scans: used, failed }, join(options.out, 'group'))
  return [{ scan: 'group', result }, ...failed]
}

/** Says what the GPU will hold, before it does. */
function tellPlan(gpu: Gpu, { loaded, mask, reporter }: Task, scan: Volume, count: number): void {
  const spacing = tensorSpacing(loaded.network.description.recipe, scan.affine)
  reporter.note(`${describeMemory(planMask(gpu, loaded.network, { ...mask, spacing }, count))} on ${gpu.name}`)
}

function showProgress(reporter: Reporter, label: string): MaskOptions['onProgress'] {
  const bar = reporter.progress(label)
  return ({ iteration, iterations, total, score }) =>
    bar.update(iteration, iterations, `loss ${total.toFixed(4)} score ${score.toFixed(4)}`)
}

async function finish(
  gpu: Gpu,
  task: Task,
  background: NiftiVolume,
  explanation: Explanation<NiftiVolume>,
  sources: { scans: readonly string[]; failed: readonly { scan: string; error: string }[] },
  stem: string,
): Promise<Written> {
  const { path, loaded, reporter, options } = task
  const { method, reference } = options
  const about = { network: path, loaded, method, reference, ...sources, ...describeGpu(gpu) }
  const { files, report, summary } = explanationFiles(background, explanation, about, stem)
  await writeTogether(files)
  reporter.print(`${files[0]!.path}: ${summary}`)
  return { files: files.map((file) => file.path), report }
}

function documentOf(outcome: Outcome<Written>): object {
  return 'result' in outcome ? { scan: outcome.scan, files: outcome.result.files, ...outcome.result.report } : outcome
}
