/** voxplain predict: class probabilities of scans. */
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import type { Precision } from '../engine/precision.ts'
import { onEach } from '../engine/session.ts'
import { makePredictor } from '../explain/predict.ts'
import { argmax } from '../model/evaluation/metrics.ts'
import type { CohortCommandOptions } from './cohort-options.ts'
import { describeGpu, describeMemory, withSession } from './gpu.ts'
import { addImportOptions, type ImportCommandOptions, importOptions, openNetwork, withHint } from './network.ts'
import { bytesOption } from './options.ts'
import { addScanOptions, listScans, personOf } from './scan-list.ts'
import { exitCode, forEachScan, tellAbout } from './scans.ts'
import { formatTable, makeReporter, type Terminal } from './terminal.ts'

interface Options extends CohortCommandOptions, ImportCommandOptions {
  recipe?: string
  memoryLimit?: number
  precision: Precision
  json?: boolean
}

const EXAMPLES = `
Examples:
  voxplain predict network.safetensors sub-*/anat/*_probseg.nii.gz
  voxplain predict network.safetensors sub-01_gm.nii.gz --covariates age=71,sex=F,tiv=1450
  voxplain predict network.safetensors adni/participants.tsv --json
`

export function addPredict(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('predict')
    .description('class probabilities and logits of scans')
    .argument('<network>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .argument('<scans...>', 'NIfTI volumes, .nii or .nii.gz, or one table of a cohort, .tsv or .csv')
  addScanOptions(addImportOptions(command))
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', EXAMPLES)
    .action(async (network: string, scans: string[], options: Options) => {
      finish(await predict(network, scans, options, terminal))
    })
}

async function predict(path: string, paths: string[], options: Options, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const loaded = await openNetwork(path, options.recipe, await importOptions(options))
  const { network } = loaded
  const { scans: listed, notes } = await listScans(paths, network, options)
  const scans = listed.map((one) => one.path)
  for (const note of [...loaded.notes, ...notes]) reporter.note(note)
  const { classes } = network.description.recipe
  return withSession(async (session) => {
    const predictorOn = onEach((gpu) => makePredictor(gpu, network, options))
    const { memory } = await session.run(predictorOn)
    reporter.note(`${describeMemory(memory)} on ${session.gpu.name}`)
    const line = makeLines(scans, classes)
    reporter.print(
      line(
        'scan',
        'predicted',
        classes.map((name) => `P(${name})`),
        'logits',
      ),
    )
    const outcomes = await forEachScan(scans, reporter, async (scan, file, index) => {
      const { covariates } = listed[index]!
      const prediction = await withHint(loaded, scan, () =>
        session.run(async (gpu) => (await predictorOn(gpu)).predict(scan, covariates)),
      )
      tellAbout(file, prediction, reporter)
      const { probabilities, logits } = prediction
      const predicted = classes[argmax(probabilities)]!
      const shown = probabilities.map((p) => p.toFixed(5))
      reporter.print(line(basename(file), predicted, shown, logits.map((z) => z.toFixed(5)).join('  ')))
      return { predicted, ...prediction }
    })
    reporter.document({
      network: { file: path, name: network.description.name, recipe: network.description.recipe.name },
      classes,
      scans: outcomes.map((o, n) => ({
        scan: o.scan,
        ...personOf(listed[n]!),
        ...('result' in o ? o.result : { error: o.error }),
      })),
      notes: [...loaded.notes, ...notes],
      precision: options.precision,
      memory,
      ...describeGpu(session.gpu),
    })
    return exitCode(outcomes)
  }, reporter)
}

/** Lines of a table that is printed while it grows: widths come from what is known before. */
function makeLines(scans: readonly string[], classes: readonly string[]) {
  const widest = (texts: readonly string[]) => texts.reduce((a, b) => (b.length > a.length ? b : a), '')
  const model = [widest([...scans.map((s) => basename(s)), 'scan']), widest([...classes, 'predicted'])]
  const numbers = classes.map((name) => widest([`P(${name})`, '0.00000']))
  return (scan: string, predicted: string, probabilities: readonly string[], logits: string): string =>
    formatTable([
      [scan, predicted, ...probabilities, logits],
      [...model, ...numbers, ''],
    ])[0]!
}
