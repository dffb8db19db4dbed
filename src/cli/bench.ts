/** voxplain bench: where the time of a step goes, dispatch by dispatch; and single operations (bench-conv.ts). */
import { type Command, Option } from 'commander'
import { type Ceilings, measureCeilings } from '../engine/ceilings.ts'
import { compile } from '../engine/compile.ts'
import { costTable, predict, totalCost } from '../engine/cost.ts'
import type { Gpu } from '../engine/gpu.ts'
import type { Precision } from '../engine/precision.ts'
import type { Program } from '../engine/program.ts'
import { formatShape } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import { architectures, initialise } from '../model/architectures.ts'
import type { Network } from '../model/description.ts'
import { addBenchConv } from './bench-conv.ts'
import { costLines, describeCeilings, type Order } from './bench-cost.ts'
import { steps } from './bench-programs.ts'
import { describeGpu, describeMemory, withBenchGpu } from './gpu.ts'
import { openNetwork } from './network.ts'
import { integerOption, numberOption, pairOption, shapeOption } from './options.ts'
import { digits, makeReporter, type Terminal } from './terminal.ts'
import { timeInTurns } from './timing.ts'

interface Options {
  program: keyof typeof steps
  network: string
  size?: number[]
  batch: number
  fuse: boolean
  precision: Precision
  sort: Order
  on?: readonly [number, number]
  repetitions: number
  seconds: number
  json?: boolean
}

/** A scan of 1.5 mm, as CAT12 and ClinicaDL make them. */
const SIZE = [121, 145, 121]

const HELP = `
MB and flop/B count every operand of a dispatch once; MFLOP are those its kernel tells of, which elementwise ones do not.
"least ms" is the roofline: the longer of moving the bytes and doing the flops at the ceilings, which are measured first.
Over 100 % of the ceiling: operands stay in a cache, or are not read whole.

Examples:
  voxplain bench --program mask --network conv5Fc3 --size 61x73x61 --sort time
  voxplain bench conv3d --shape 1x8x61x73x61 --filters 16 --pass forward
`

export function addBench(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const bench = program
    .command('bench')
    .description('where the time of a mask, prediction or training step goes; or the speed of one operation')
    .enablePositionalOptions()
    .addOption(new Option('--program <name>', 'which step').choices(Object.keys(steps)))
    .addOption(
      new Option(
        '--network <file|name>',
        `a network's file, or ${Object.keys(architectures).join(', ')} with random weights`,
      ),
    )
    .addOption(
      new Option('--size <DxHxW>', `of the scan, for a named network (default: ${SIZE.join('x')})`).argParser(
        shapeOption(3),
      ),
    )
    .addOption(new Option('--batch <scans>', 'scans a step').default(1).argParser(integerOption(1, 1024)))
    .option('--no-fuse', 'every elementwise operation as a kernel of its own')
    .addOption(new Option('--precision <type>', 'of stored values').choices(['f32', 'f16']).default('f32'))
    .addOption(
      new Option('--sort <by>', 'dispatches as they run, or the slowest first')
        .choices(['order', 'time'])
        .default('order'),
    )
    .addOption(
      new Option('--on <GB/s,GFLOP/s>', 'the least time on another device, of these ceilings').argParser(pairOption),
    )
    .addOption(
      new Option('--repetitions <count>', 'samples at most; medians').default(3).argParser(integerOption(1, 1000)),
    )
    .addOption(
      new Option('--seconds <s>', 'no further samples of the whole step after').default(20).argParser(numberOption(0)),
    )
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', HELP)
    .allowExcessArguments()
    .action(async (options: Options, { args }: Command) => {
      requireTask(options, args)
      finish(await benchProgram(options, terminal))
    })
  addBenchConv(bench, terminal, finish)
}

/** Not done by commander, which would ask for the same options in front of an operation. */
function requireTask({ program, network }: Partial<Options>, [operation]: readonly string[]): void {
  if (operation !== undefined) throw new InputError(`bench: no operation is called "${operation}"; there is conv3d`)
  if (program === undefined || network === undefined) {
    throw new InputError('bench needs --program and --network, or an operation: conv3d; see --help')
  }
}

async function benchProgram(options: Options, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const network = await networkOf(options)
  const { batch, fuse, precision, repetitions, seconds, on } = options
  const { outputs, options: compileOptions, start } = steps[options.program](network, batch)
  return withBenchGpu(async (gpu) => {
    const ceilings = await measureCeilings(gpu)
    const program = await compile(gpu, outputs, { ...compileOptions, fuse, precision })
    try {
      start(program)
      const step = await timeStep(program, repetitions, seconds)
      const rows = await costTable(program, ceilings, { repetitions })
      const total = totalCost(rows)
      const elsewhere = on && { bandwidth: on[0], rate: on[1], ...predict(rows, { bandwidth: on[0], rate: on[1] }) }
      const { name, input } = network.description
      reporter.document({
        program: options.program,
        network: name,
        input,
        batch,
        fuse,
        precision,
        ceilings,
        step,
        rows,
        total,
        prediction: elsewhere,
        memory: program.memory,
        ...describeGpu(gpu),
      })
      reporter.note(describeMemory(program.memory))
      reporter.print(
        `${options.program} step of ${name}, ${formatShape([batch, ...input])}, on ${describe(gpu, ceilings)}`,
      )
      for (const line of costLines(rows, options.sort)) reporter.print(line)
      reporter.print(
        `whole step: ${digits(step.milliseconds)} ms (${digits(step.cpuMilliseconds)} CPU ms), ` +
          `of them ${digits(step.submitMilliseconds)} ms to encode and submit`,
      )
      if (elsewhere) {
        reporter.print(
          `at ${digits(elsewhere.bandwidth)} GB/s and ${digits(elsewhere.rate)} GFLOP/s: at least ${digits(elsewhere.milliseconds)} ms`,
        )
      }
      return 0
    } finally {
      program.destroy()
    }
  })
}

const describe = (gpu: Gpu, ceilings: Ceilings) => `${gpu.name} (${describeCeilings(ceilings)})`

async function networkOf({ network, size }: Options): Promise<Network> {
  if (Object.hasOwn(architectures, network)) {
    const make = architectures[network as keyof typeof architectures]
    return initialise(make({ inputShape: [1, ...(size ?? SIZE)] }), 1)
  }
  const names = Object.keys(architectures).join(', ')
  if (!/[./\\]/.test(network)) throw new InputError(`--network ${network}: no file, and none of ${names}`)
  const { network: loaded } = await openNetwork(network)
  const { input } = loaded.description
  if (size && size.join() !== input.slice(1).join()) {
    throw new InputError(
      `--size ${size.join('x')}: ${network} takes ${input.slice(1).join('x')}, which cannot be changed`,
    )
  }
  return loaded
}

/** Times whole steps, and the host's part of them. */
async function timeStep(program: Program, repetitions: number, seconds: number) {
  program.run()
  await program.done()
  let submitting = 0
  let runs = 0
  const run = async (times: number) => {
    const start = performance.now()
    program.run(times)
    submitting += performance.now() - start
    runs += times
    await program.done()
  }
  const [timing] = await timeInTurns([{ run }], { repetitions, seconds })
  return { ...timing!, submitMilliseconds: submitting / runs }
}
