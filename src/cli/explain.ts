/** voxplain explain: maps of what a network sees in scans, by any of many methods. */
import type { Command } from 'commander'
import type { MethodChoice } from '../explain/methods.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { applyRecipe } from '../model/recipe/recipe.ts'
import { openAtlas } from './explain-atlas.ts'
import type { Written } from './explain-files.ts'
import { networkDigest } from './explain-keep.ts'
import { printMethods } from './explain-list.ts'
import {
  addExplainOptions,
  checkTogether,
  commonFlags,
  type ExplainCommandOptions,
  isMask,
  maskPlan,
  openMethods,
} from './explain-options.ts'
import { polishPlan } from './explain-polish.ts'
import type { PlannedMethod, Task } from './explain-task.ts'
import { explainTogether } from './explain-together.ts'
import { explainEach } from './explain-work.ts'
import { describeGpu, versions, withSession } from './gpu.ts'
import { addImportOptions, classIndex, importOptions, type LoadedNetwork, openNetwork, withHint } from './network.ts'
import { requireWritable } from './outputs.ts'
import { addScanOptions, listScans, stemsOf } from './scan-list.ts'
import { exitCode, type Outcome } from './scans.ts'
import { makeReporter, type Terminal } from './terminal.ts'

const HELP = `
Writes for each scan and method <scan>_desc-<method>_relevance.nii.gz (on the scan's own grid), .json (what was done) and
.png into --out. Maps that are there already, of the same scan, network and settings, are kept: a run that was broken off
goes on where it was.

Examples:
  voxplain explain network.safetensors sub-01_gm.nii.gz --target AD --out maps
  voxplain explain network.safetensors adni/participants.tsv --method lrp:epsilonPlus,ig:steps=100,mask --out maps
  voxplain explain network.safetensors patients/*.nii.gz --group --target AD --out maps --lambda1 2 --resolution 4
  voxplain explain network.safetensors sub-*_gm.nii.gz --out maps --lambda1 1,10,100 --lambda2 0.1,1
The last writes six maps a scan: <scan>_lambda1-1_lambda2-0.1_desc-mask_relevance.nii.gz and so on.
`

export function addExplain(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('explain')
    .description('maps of what the network needs to see for its decision')
    .argument('<network>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .argument('<scans...>', 'NIfTI volumes, .nii or .nii.gz, or one table of a cohort, .tsv or .csv')
    .requiredOption('--out <folder>', 'where to write; made if it is missing')
  addExplainOptions(command)
  addScanOptions(addImportOptions(command))
    .on('option:list-methods', () => printMethods(terminal))
    .addHelpText('after', HELP)
    .action(async (network: string, scans: string[], options: ExplainCommandOptions) => {
      finish(await explain(network, scans, options, terminal))
    })
}

async function explain(
  path: string,
  paths: string[],
  options: ExplainCommandOptions,
  terminal: Terminal,
): Promise<number> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const loaded = await openNetwork(path, options.recipe, await importOptions(options))
  const choices = await openMethods(options, loaded)
  checkTogether(choices, options)
  const { network } = loaded
  const targets = options.target?.map((name) => classIndex(network, name)) ?? [undefined]
  if (new Set(targets).size < targets.length) throw new InputError('--target names a class twice')
  const { scans, notes } = await listScans(paths, network, options)
  const stems = options.group ? ['group'] : stemsOf(scans)
  const methods = await planMethods(choices, loaded, scans.length, options)
  const polish = polishPlan(options)
  const atlas = options.atlas === undefined ? undefined : await openAtlas(options.atlas, options.atlasNames)
  await requireWritable(options.out)
  for (const note of [...loaded.notes, ...notes]) reporter.note(note)
  return withSession(async (session) => {
    const { gpu } = session
    const about = { network: path, loaded, ...describeGpu(gpu) }
    const { precision, seed = 0 } = options
    const facts = { voxplain: versions().voxplain, network: networkDigest(network), precision, seed, polish, atlas }
    const rest = {
      reporter,
      scans,
      stems,
      out: options.out,
      force: options.force ?? false,
      flags: commonFlags(options),
    }
    const task: Task = { session, about, methods, targets, facts, polish, atlas, ...rest }
    const outcomes = await (options.group ? explainTogether(task) : explainEach(task))
    reporter.document({ network: path, scans: outcomes.map(documentOf), ...describeGpu(gpu) })
    return exitCode(outcomes)
  }, reporter)
}

/** Methods with all that words and flags say about them. */
export async function planMethods(
  choices: readonly MethodChoice[],
  loaded: LoadedNetwork,
  scans: number,
  options: ExplainCommandOptions,
): Promise<PlannedMethod[]> {
  const fills = choices.filter(isMask).map((choice) => maskPlan(choice, options, undefined).options.fill)
  const reference = await openReference(loaded, scans, fills.includes('mean'), options)
  return choices.map((choice): PlannedMethod => {
    if (!isMask(choice)) return { choice, variants: [{ suffix: '', settings: choice.settings }] }
    const mask = maskPlan(choice, options, reference)
    const { batch: _, memoryLimit: __, ...told } = mask.options
    const variants = mask.variants.map(({ suffix, ...lambdas }) => ({ suffix, settings: { ...told, ...lambdas } }))
    return { choice, mask, variants }
  })
}

/** The mean image of --fill mean as the network's input, before residualisation. */
async function openReference(
  loaded: LoadedNetwork,
  scans: number,
  wanted: boolean,
  { reference, group }: ExplainCommandOptions,
): Promise<Float32Array | undefined> {
  if (reference !== undefined && !wanted) throw new InputError('--reference is only for --fill mean')
  if (wanted && reference === undefined && !(group && scans > 1)) {
    throw new InputError('--fill mean needs --reference <scan>, the mean image, or a --group of two or more scans')
  }
  if (reference === undefined) return undefined
  const { recipe, input } = loaded.network.description
  const { residual: _, ...plain } = recipe
  const volume = await readVolumeFile(reference)
  return withHint(loaded, volume, async () => applyRecipe(plain, volume, input).tensor).catch((error) => {
    throw error instanceof InputError ? new InputError(`${reference}: ${error.message}`) : error
  })
}

function documentOf(outcome: Outcome<Written>): object {
  return 'result' in outcome ? { scan: outcome.scan, files: outcome.result.files, ...outcome.result.report } : outcome
}
