/** voxplain judge: how good the maps of methods are, on one network and cohort. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { measures } from '../explain/judge/measures.ts'
import { judgeSettings } from '../explain/judge/options.ts'
import { svgToPng } from '../io/chart/chart-png.node.ts'
import { InputError } from '../io/errors.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { formatTsv } from '../io/tsv.ts'
import { applyRecipe } from '../model/recipe/recipe.ts'
import { networkDigest } from './explain-keep.ts'
import { describeGpu, withSession } from './gpu.ts'
import { formatJson } from './json.ts'
import { addJudgeOptions, type JudgeCommandOptions, judgeFlags, wantedMeasures } from './judge-options.ts'
import { judgePage } from './judge-page.ts'
import { judgePicture } from './judge-picture.ts'
import { type JudgeRecord, openRecords } from './judge-records.ts'
import { type JudgedScan, listJudged } from './judge-scans.ts'
import { failingReset, type MethodSummary, measuredOf, summarise, summaryTables } from './judge-summary.ts'
import { controlNames, judgeAll, judgedMethods, keyOfMap, meanOfScans, needsTruth } from './judge-work.ts'
import { classIndex, importOptions, type LoadedNetwork, openNetwork } from './network.ts'
import { requireWritable, writeTogether } from './outputs.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

const HELP = `
Writes judge.tsv (a row a scan and method), summary.tsv (a row a method and measure), curves.tsv, judge.png and .svg,
index.html, and records.jsonl, by which an interrupted or enlarged comparison goes on where it was.
True maps, where they are known, are found beside the scans of a phantom cohort, or named by --truth.

Examples:
  voxplain judge network.safetensors phantom/participants.tsv --target AD --out judged
  voxplain judge network.onnx sub-*_gm.nii.gz --method saliency,ig:steps=100,random --measures deletion,insertion --out judged
  voxplain judge network.h5 adni.tsv --classes AD --drop-unmapped --limit 20 --fill mean --out judged
`

export function addJudge(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('judge')
    .description('how good the maps of methods are: faithfulness, robustness, and how well they meet the truth')
    .argument('<network>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .argument('<scans...>', 'NIfTI volumes, or one table of them (see voxplain cohort)')
  addJudgeOptions(command)
  command.addHelpText('after', HELP).action(async (network: string, scans: string[], options: JudgeCommandOptions) => {
    finish(await judge(network, scans, options, makeReporter(terminal, options.json ?? false)))
  })
}

async function judge(path: string, paths: string[], options: JudgeCommandOptions, reporter: Reporter): Promise<number> {
  const wanted = wantedMeasures(options.measures)
  const loaded = await openNetwork(path, options.recipe, await importOptions(options))
  const { network } = loaded
  const choices = await judgedMethods(options.method, loaded)
  const target = options.target === undefined ? undefined : classIndex(network, options.target)
  judgeSettings(judgeFlags(options))
  const { scans, notes } = await listJudged(paths, loaded, options)
  const truths = scans.filter(({ truth }) => truth !== undefined).length
  await requireWritable(options.out)
  for (const note of [...loaded.notes, ...notes]) reporter.note(note)
  if (needsTruth(wanted) && truths < scans.length) {
    reporter.note(`${truths === 0 ? 'no' : `only ${truths}`} of ${scans.length} scans have a true map: see --truth`)
  }
  const reference = await openReference(loaded, scans, options, reporter)
  const records = await openRecords(options.out, {
    network: networkDigest(network),
    ...judgeFlags(options),
    target: options.target,
    // The mean of the scans changes with them.
    reference: options.reference ?? (options.fill === 'mean' ? scans.map(({ path }) => path) : undefined),
    truth: options.truth,
    precision: options.precision,
  })
  const asked = new Set(choices.flatMap((choice) => scans.map((scan) => keyOfMap(choice, scan))))
  return withSession(async (session) => {
    const task = { session, loaded, target, scans, choices, wanted, options, reference, records, reporter }
    const { judge, failed } = await judgeAll(task)
    const all = records.all().filter(({ key }) => asked.has(key))
    const summaries = summarise(
      all,
      choices.map(({ name }) => name),
      controlNames,
      wanted,
    )
    for (const [n, table] of summaryTables(summaries, 118).entries()) {
      if (n > 0) reporter.print('')
      for (const line of formatTable(table, table[0]!.map((_, c) => c).slice(1))) reporter.print(line)
    }
    const failing = failingReset(summaries)
    if (failing !== undefined) reporter.print(failing)
    const title = `${network.description.name}, ${new Set(all.map(({ scan }) => scan)).size} scans`
    const about = { network: path, settings: judge.settings, layers: judge.layers, ...describeGpu(session.gpu) }
    const files = await outputFiles(options.out, title, all, summaries, about)
    await writeTogether(files)
    reporter.note(`wrote ${files.length} files to ${options.out}`)
    reporter.document({ ...about, methods: summaries, scans: all })
    return failed || all.length === 0 ? 1 : 0
  }, reporter)
}

/** The mean image of --fill mean. */
async function openReference(
  loaded: LoadedNetwork,
  scans: readonly JudgedScan[],
  { fill, reference }: JudgeCommandOptions,
  reporter: Reporter,
): Promise<Float32Array | undefined> {
  if (fill !== 'mean') {
    if (reference !== undefined) throw new InputError('--reference is only for --fill mean')
    return undefined
  }
  if (reference === undefined) return meanOfScans(loaded, scans, reporter)
  const { residual: _, ...recipe } = loaded.network.description.recipe
  try {
    return applyRecipe(recipe, await readVolumeFile(reference), loaded.network.description.input).tensor
  } catch (error) {
    if (!(error instanceof InputError) || error.message.startsWith(reference)) throw error
    throw new InputError(`${reference}: ${error.message}`)
  }
}

async function outputFiles(
  folder: string,
  title: string,
  records: readonly JudgeRecord[],
  summaries: readonly MethodSummary[],
  about: { network: string; settings: ReturnType<typeof judgeSettings>; layers: readonly string[]; adapter: string },
): Promise<{ path: string; bytes: Uint8Array | string }[]> {
  const names = measuredOf(summaries)
  const svg = judgePicture(title, summaries, records, about.layers)
  const picture = svg === undefined ? undefined : await svgToPng(svg, 2)
  const scans = new Set(records.map(({ scan }) => scan)).size
  const files: Record<string, Uint8Array | string> = {
    'judge.tsv': formatTsv(
      ['scan', 'participant_id', 'session_id', 'label', 'method', 'target', 'probability', ...names],
      records.map(({ participant, session, values, curves: _, key: __, ...row }) => {
        return { ...row, participant_id: participant, session_id: session, ...values }
      }),
    ),
    'summary.tsv': formatTsv(
      ['method', 'measure', 'better', 'mean', 'standard_error', 'n', 'rank'],
      summaries.flatMap(({ method, cells }) =>
        names.flatMap((measure) => {
          const cell = cells[measure]
          if (!cell) return []
          const { mean, error, n, rank } = cell
          return [{ method, measure, better: measures[measure].better, mean, standard_error: error, n, rank }]
        }),
      ),
    ),
    'curves.tsv': formatTsv(['scan', 'method', 'curve', 'step', 'value'], curveRows(records, about.layers)),
    'judge.json': formatJson({ ...about, methods: summaries }),
    ...(svg && picture && { 'judge.svg': svg, 'judge.png': picture }),
    'index.html': judgePage({ ...about, scans, summaries, picture }),
  }
  return Object.entries(files).map(([name, bytes]) => ({ path: join(folder, name), bytes }))
}

/** Steps are counted from 0; those of both randomisations are called by the layer that was reset last. */
function curveRows(records: readonly JudgeRecord[], layers: readonly string[]) {
  return records.flatMap(({ scan, method, curves }) =>
    Object.entries(curves).flatMap(([curve, points]) =>
      (points as readonly (number | null)[]).map((value, k) => {
        return { scan, method, curve, step: /randomisation$/i.test(curve) ? layers[k]! : k, value }
      }),
    ),
  )
}
