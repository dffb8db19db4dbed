/** voxplain predict: class probabilities of scans. */
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import type { Precision } from '../engine/precision.ts'
import { makePredictor } from '../explain/predict.ts'
import { argmax } from '../model/evaluation/metrics.ts'
import { describeGpu, describeMemory, withGpu } from './gpu.ts'
import { openNetwork, withHint } from './network.ts'
import { bytesOption } from './options.ts'
import { exitCode, forEachScan, requireFiles, tellAbout } from './scans.ts'
import { formatTable, makeReporter, type Terminal } from './terminal.ts'

interface Options {
  recipe?: string
  memoryLimit?: number
  precision: Precision
  json?: boolean
}

export function addPredict(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('predict')
    .description('class probabilities and logits of scans')
    .argument('<network>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .argument('<scans...>', 'NIfTI volumes, .nii or .nii.gz')
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  voxplain predict network.safetensors sub-*/anat/*_probseg.nii.gz\n')
    .action(async (network: string, scans: string[], options: Options) => {
      finish(await predict(network, scans, options, terminal))
    })
}

async function predict(path: string, scans: string[], options: Options, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const loaded = await openNetwork(path, options.recipe)
  await requireFiles(scans)
  for (const note of loaded.notes) reporter.note(note)
  const { network } = loaded
  const { classes } = network.description.recipe
  return withGpu(async (gpu) => {
    const predictor = await makePredictor(gpu, network, options)
    try {
      reporter.note(`${describeMemory(predictor.memory)} on ${gpu.name}`)
      const line = makeLines(scans, classes)
      reporter.print(
        line(
          'scan',
          'predicted',
          classes.map((name) => `P(${name})`),
          'logits',
        ),
      )
      const outcomes = await forEachScan(scans, reporter, async (scan, file) => {
        const prediction = await withHint(loaded, scan, () => predictor.predict(scan))
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
        scans: outcomes.map((o) => ('result' in o ? { scan: o.scan, ...o.result } : o)),
        notes: loaded.notes,
        precision: options.precision,
        memory: predictor.memory,
        ...describeGpu(gpu),
      })
      return exitCode(outcomes)
    } finally {
      predictor.destroy()
    }
  })
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
