/** voxplain tune: which kernels are fastest on this adapter for a network's shapes, measured and remembered. */
import { type Command, Option } from 'commander'
import type { CompileOptions } from '../engine/plan.ts'
import { formatShape, type Tensor } from '../engine/tensor.ts'
import { type TunedChoice, tune } from '../engine/tune.ts'
import { cacheFolder } from '../engine/tune-store.node.ts'
import { batchEffects, buildGraph } from '../explain/mask-graph.ts'
import { maskSettings } from '../explain/mask-options.ts'
import { buildNetwork } from '../model/build.ts'
import { classCount, type Network } from '../model/description.ts'
import { describeGpu, withGpu } from './gpu.ts'
import { openNetwork } from './network.ts'
import { integerOption, numberOption } from './options.ts'
import { digits, formatTable, makeReporter, type Terminal } from './terminal.ts'

interface Options {
  program: keyof typeof programs
  batch: number
  seconds: number
  again?: boolean
  json?: boolean
}

interface Task extends CompileOptions {
  readonly outputs: readonly Tensor[]
}

/** What is run over and over, by the name of --program; the mask with default options. */
const programs = {
  mask(network: Network, batch: number): Task {
    const graph = buildGraph(network, maskSettings({}, classCount(network.description)), batch)
    return { outputs: [graph.probabilities], effects: batchEffects(graph), frozen: true }
  },
  predict(network: Network, batch: number): Task {
    const { logits, probabilities } = buildNetwork(network, { batch })
    return { outputs: [logits, probabilities], frozen: true }
  },
}

const HELP = `
All variants of a kernel give the same numbers; what is found here changes only how long later commands take.
It is kept in the user's cache folder (VOXPLAIN_CACHE=<folder> for another, off for none), apart for each adapter and driver.

Example:
  voxplain tune network.safetensors --program mask
`

export function addTune(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('tune')
    .description('measures which kernels are fastest here for a network, and remembers them')
    .argument('<network>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .addOption(new Option('--program <name>', 'for what').choices(Object.keys(programs)).default('mask'))
    .addOption(new Option('--batch <scans>', 'scans at a time').default(1).argParser(integerOption(1, 1024)))
    .addOption(new Option('--seconds <s>', 'nothing new is begun after').default(60).argParser(numberOption(0)))
    .option('--again', 'measure also what is known')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', HELP)
    .action(async (network: string, options: Options) => {
      finish(await tuneNetwork(network, options, terminal))
    })
}

async function tuneNetwork(path: string, options: Options, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const { network } = await openNetwork(path)
  return withGpu(async (gpu) => {
    const { outputs, ...compile } = programs[options.program](network, options.batch)
    const bar = reporter.progress('tune')
    const { choices, seconds } = await tune(gpu, outputs, {
      ...compile,
      budget: 1000 * options.seconds,
      again: options.again,
      onProgress: (_, done, total) => bar.update(done, total),
    })
    bar.clear()
    reporter.document({
      network: path,
      program: options.program,
      input: network.description.input,
      batch: options.batch,
      seconds,
      choices: choices.map(({ choice, ...rest }) => ({ ...choice, ...rest })),
      ...describeGpu(gpu),
    })
    const input = formatShape([options.batch, ...network.description.input])
    if (choices.length === 0) reporter.print(`nothing to choose on ${gpu.name} for ${options.program} of ${input}`)
    else for (const line of formatTable([HEADER, ...choices.flatMap(rows)], [3])) reporter.print(line)
    const undecided = choices.filter((c) => c.how === 'undecided').length
    reporter.note(`${options.program} of ${input} on ${gpu.name}: ${seconds.toFixed(1)} s; ${describeCache()}`)
    if (undecided > 0)
      reporter.warn(
        `${undecided} undecided: no variant works, or the ${options.seconds} s were over; --seconds gives more`,
      )
    return 0
  })
}

const HEADER = ['kernel', 'for', 'variant', 'ms', '']

/** A line for each variant; the first one names the choice. */
function rows({ choice, nodes, winner, how, times }: TunedChoice): string[][] {
  const title = [choice.name, nodes > 1 ? `${choice.key} (${nodes} nodes)` : choice.key]
  const note = (variant: string) =>
    [variant === winner && (how === 'measured' ? 'fastest' : how), variant === choice.preferred && 'preferred']
      .filter(Boolean)
      .join(', ')
  const lines = choice.variants.map((variant) => {
    const time = times.find((t) => t.variant === variant)
    return [variant, digits(time?.milliseconds), time?.error ? `fails: ${time.error}` : note(variant)]
  })
  return lines.map((line, k) => [...(k === 0 ? title : ['', '']), ...line])
}

function describeCache(): string {
  const folder = cacheFolder()
  return folder ? `remembered in ${folder}` : 'not remembered (VOXPLAIN_CACHE=off)'
}
