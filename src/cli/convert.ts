/** voxplain convert: a network of any readable format as one of ours. */
import type { Command } from 'commander'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { classCount, type Network, withRecipe } from '../model/description.ts'
import { saveNetwork } from '../model/formats/format.ts'
import { exportOnnx } from '../model/formats/onnx-export.ts'
import { summarise } from '../model/summary.ts'
import { addImportOptions, describeRecipe, type ImportCommandOptions, importOptions, openNetwork } from './network.ts'
import { listOption } from './options.ts'
import { requireWritableFile } from './outputs.ts'
import { makeReporter, type Terminal } from './terminal.ts'

interface Options extends ImportCommandOptions {
  recipe?: string
  classes?: string[]
  json?: boolean
}

const WRITERS: Readonly<Record<string, (network: Network) => Uint8Array>> = {
  '.safetensors': saveNetwork,
  '.onnx': exportOnnx,
}

export function addConvert(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('convert')
    .description('turns a network of any readable format into one of ours, or ONNX')
    .argument(
      '<in>',
      'PyTorch .pt, .pth, .pth.tar, .safetensors, a MAPS folder; Keras .h5, .keras; TensorFlow.js model.json; ONNX',
    )
    .argument('<out>', `its ending says the format: ${Object.keys(WRITERS).join(', ')}`)
  addImportOptions(command)
    .option('--recipe <name|file.json>', "how scans become the network's input")
    .option('--classes <names>', "names of the network's outputs, in order, with commas between", listOption)
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  voxplain convert maps/split-0/best-loss/model.pth.tar network.safetensors --classes CN,AD\n',
    )
    .action(async (from: string, to: string, options: Options) => {
      await convert(from, to, options, terminal)
      finish(0)
    })
}

async function convert(from: string, to: string, options: Options, terminal: Terminal): Promise<void> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const ending = Object.keys(WRITERS).find((known) => to.toLowerCase().endsWith(known))
  if (!ending) throw new InputError(`${to} must end in ${Object.keys(WRITERS).join(' or ')}, which says its format`)
  const { network: read, notes } = await openNetwork(from, options.recipe, await importOptions(options))
  const network = options.classes ? withClasses(read, options.classes) : read
  await requireWritableFile(to)
  const bytes = WRITERS[ending]!(network)
  await writeFileAtomic(to, bytes)
  for (const note of notes) reporter.note(note)
  const { name, input, recipe } = network.description
  const { parameters } = summarise(network)
  reporter.document({ from, to, bytes: bytes.length, name, input, parameters, recipe, notes })
  reporter.print(`${to}: network "${name}", input ${input.join(' x ')}, ${parameters.toLocaleString('en')} parameters`)
  reporter.print(`recipe  ${describeRecipe(recipe)}`)
}

function withClasses(network: Network, classes: readonly string[]): Network {
  const count = classCount(network.description)
  if (classes.length !== count || new Set(classes).size < count) {
    throw new InputError(`--classes ${classes.join(',')}: ${count} different names are needed, one for each output`)
  }
  return { ...network, description: withRecipe(network.description, { ...network.description.recipe, classes }) }
}
