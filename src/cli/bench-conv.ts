/** voxplain bench conv3d: one convolution of any shape, its passes and the variants of each. */
import { type Command, Option } from 'commander'
import { backward } from '../engine/backward.ts'
import '../engine/gradients/conv-weight.ts'
import { conv3d, convGeometry } from '../engine/ops/conv.ts'
import { formatShape, input, parameter, sizeOf, type Tensor } from '../engine/tensor.ts'
import { InputError } from '../io/errors.ts'
import { uniformStream } from '../model/random.ts'
import { type ConvProblem, convProducts, convReference, PASSES, type Pass } from './bench-reference.ts'
import { benchVariants, TOLERANCE, type VariantRow, type Wanted, type Work } from './bench-variants.ts'
import { describeGpu, withBenchGpu } from './gpu.ts'
import { integerOption, listOption, numberOption, shapeOption, tripleOption } from './options.ts'
import { digits, formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

type Triple = readonly [number, number, number]

interface Options {
  shape: number[]
  filters: number
  kernel: Triple
  stride: Triple
  padding: Triple
  dilation: Triple
  groups: number
  pass: Pass | 'all'
  variants: string[]
  frozen?: boolean
  check?: boolean
  repetitions: number
  seconds: number
  json?: boolean
}

/** The float64 reference takes about a minute for so many products. */
const MOST_PRODUCTS = 1e9

const EXAMPLE = `
Variants must agree with the preferred one (marked *) before any is timed. GFLOP/s counts a multiply and an add for each tap;
GB/s every operand of every kernel once. CPU ms is the time of all threads: what a software adapter computes with.

Example:
  voxplain bench conv3d --shape 1x8x61x73x61 --filters 16 --pass forward --variants all
`

export function addBenchConv(bench: Command, terminal: Terminal, finish: (code: number) => void): void {
  const size = (flags: string, text: string, value: number, least: number) =>
    new Option(flags, text).default([value, value, value], String(value)).argParser(tripleOption(least))
  bench
    .command('conv3d')
    .description('a convolution of any shape: time of each pass, in each of its variants')
    .addOption(new Option('--shape <NxCxDxHxW>', 'of the input').argParser(shapeOption(5)).makeOptionMandatory())
    .addOption(new Option('--filters <count>', 'output channels').argParser(integerOption(1)).makeOptionMandatory())
    .addOption(size('--kernel <size>', 'one number, or DxHxW', 3, 1))
    .addOption(size('--stride <voxels>', 'one number, or DxHxW', 1, 1))
    .addOption(size('--padding <voxels>', 'one number, or DxHxW', 1, 0))
    .addOption(size('--dilation <voxels>', 'one number, or DxHxW', 1, 1))
    .addOption(new Option('--groups <count>', 'of channels').default(1).argParser(integerOption(1)))
    .addOption(new Option('--pass <name>', 'what is computed').choices([...PASSES, 'all']).default('all'))
    .addOption(
      new Option('--variants <names>', 'all, preferred, or names').default(['all'], 'all').argParser(listOption),
    )
    .option('--frozen', 'weights do not change: what depends on them alone is done before, and not timed')
    .option('--check', 'compare with the definition in float64, too (small shapes)')
    .addOption(new Option('--repetitions <count>', 'samples at most').default(5).argParser(integerOption(1, 10000)))
    .addOption(new Option('--seconds <s>', 'no further samples of a pass after').default(10).argParser(numberOption(0)))
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', EXAMPLE)
    .action(async (options: Options) => {
      finish(await benchConv(options, terminal))
    })
}

async function benchConv(options: Options, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, options.json ?? false)
  const [word] = options.variants
  const wanted: Wanted =
    options.variants.length === 1 && (word === 'all' || word === 'preferred') ? word : options.variants
  const { problem, works } = convWorks(options)
  return withBenchGpu(async (gpu) => {
    const rows = await benchVariants(gpu, works, wanted, options)
    const { shape, filters, kernel, stride, padding, dilation, groups } = options
    const geometry = { shape, filters, kernel, stride, padding, dilation, groups, output: problem.y }
    reporter.document({ operation: 'conv3d', ...geometry, frozen: options.frozen ?? false, rows, ...describeGpu(gpu) })
    const words = `${formatShape(shape)} to ${formatShape(problem.y)}, kernel ${formatShape(kernel)}`
    reporter.print(`conv3d ${words} on ${gpu.name}, medians of up to ${options.repetitions} samples`)
    for (const line of variantTable(rows)) reporter.print(line)
    return reportWrong(rows, reporter)
  })
}

/** The passes that were asked for, as outputs of one graph, and their operands. */
function convWorks(options: Options): { problem: ConvProblem; works: Work[] } {
  const { shape, filters, kernel, groups, pass } = options
  const values = (of: readonly number[], name: string) => {
    const next = uniformStream(1, name)
    return new Float32Array(sizeOf(of)).map(() => 2 * next() - 1)
  }
  const geometry = convGeometry(options)
  const weights = [filters, Math.max(1, Math.floor(shape[1]! / groups)), ...kernel]
  const [x, w] = [input(shape), parameter(weights, values(weights, 'weights'))]
  const y = conv3d(x, w, options)
  const dy = input(y.shape)
  const [dx, dw] = backward(y, [x, w], { seed: dy })
  const problem = { x: shape, w: weights, y: y.shape, geometry }
  const products = convProducts(problem)
  if (options.check && products > MOST_PRODUCTS) {
    throw new InputError(
      `--check would take ${products.toPrecision(2)} multiply-adds a pass in float64, more than ${MOST_PRODUCTS}; use a smaller --shape`,
    )
  }
  const operands = { x: values(shape, 'x'), w: w.leaf!.data as Float32Array, dy: values(y.shape, 'dy') }
  const inputs = new Map<Tensor, Float32Array>([
    [x, operands.x],
    [dy, operands.dy],
  ])
  const outputs = { forward: y, data: dx!, weight: dw! }
  const works = PASSES.filter((name) => pass === 'all' || name === pass).map((name): Work => {
    const expected = options.check ? convReference(name, problem, operands) : undefined
    const flops = 2 * products
    return { name, output: outputs[name], inputs, expected, flops, options: { frozen: options.frozen } }
  })
  return { problem, works }
}

function variantTable(rows: readonly VariantRow[]): string[] {
  const checked = rows.some(({ error }) => error !== undefined)
  const part = (value: number | undefined) => (value === undefined ? '-' : value === 0 ? '0' : value.toExponential(1))
  const cells = rows.map((row) => [
    row.pass,
    `${row.variant}${row.preferred ? ' *' : ''}`,
    row.right ? digits(row.timing?.milliseconds) : 'WRONG',
    digits(row.timing?.cpuMilliseconds),
    digits(row.gflops),
    digits(row.gigabytesPerSecond),
    digits(row.bytes / 1e6),
    part(row.difference),
    ...(checked ? [part(row.error)] : []),
    row.kernels.join(', '),
  ])
  const header = ['pass', 'variant', 'ms', 'CPU ms', 'GFLOP/s', 'GB/s', 'MB', 'difference']
  return formatTable(
    [[...header, ...(checked ? ['error'] : []), 'kernels'], ...cells],
    checked ? [2, 3, 4, 5, 6, 7, 8] : [2, 3, 4, 5, 6, 7],
  )
}

/** Warns of variants that compute something else. Returns the exit code. */
export function reportWrong(rows: readonly VariantRow[], reporter: Reporter): number {
  const wrong = rows.filter(({ right }) => !right)
  for (const { pass, variant, difference, error } of wrong) {
    const off = Math.max(difference, error ?? 0).toExponential(1)
    reporter.warn(`${pass} ${variant} is off by ${off} of the largest value, more than ${TOLERANCE}; it was not timed`)
  }
  return wrong.length > 0 ? 1 : 0
}
