/**
 * `npm run bench`: times each hot kernel on this machine's adapter, prints a table, and writes bench/results/<adapter>.json.
 * `npm run bench -- --help` lists the options.
 */
import { Command } from 'commander'
import { compile } from '../src/engine/compile.ts'
import { closeGpu, type Gpu, openGpu, release } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import type { Program } from '../src/engine/program.ts'
import { sizeOf } from '../src/engine/tensor.ts'
import { cropped, layers, pickLayers } from './layers.ts'
import { measure, type Task, type Timing } from './measure.ts'
import { list, positive, someOf } from './options.ts'
import { comparedWith, ratioTo, referenceProgram, SLOWER } from './reference.ts'
import { readSection, resultsFolder, saveSection } from './results.ts'
import { type Case, suites } from './suites.ts'
import { digits, table } from './table.ts'
import { values } from './values.ts'

interface Row extends Timing {
  readonly suite: string
  readonly pass: string
  readonly layer: string
  /** Time as a multiple of the reference kernel's, measured in turns. */
  readonly ratio: number
  /** Absent where a kernel does next to no arithmetic. */
  readonly gflops: number | undefined
  /** Bytes of all operands, each counted once a kernel, over the time. */
  readonly gigabytesPerSecond: number
  readonly flops: number
  readonly bytes: number
  readonly kernels: readonly string[]
}

const options = new Command('bench')
  .description('Times each hot kernel at the layers of Conv5_FC3 and prints GFLOP/s and GB/s.')
  .option(
    '--suite <names>',
    `some of ${Object.keys(suites).join(', ')}`,
    someOf(Object.keys(suites)),
    Object.keys(suites),
  )
  .option('--layer <words>', 'layers whose name has one of these words, e.g. 8-\\>16,8x10x8', list)
  .option('--repetitions <n>', 'samples of each at most; medians are reported', positive, 5)
  .option('--seconds <n>', 'no further samples of a layer after so long', positive, 5)
  .option('--quick', 'volumes of at most 8 voxels an axis, one sample: does it work at all?', false)
  .option('--out <folder>', 'where the JSON goes', resultsFolder)
  .addHelpText('after', '\nExample:\n  npm run bench -- --suite conv --layer "16->32" --repetitions 9')
  .parse()
  .opts<{ suite: string[]; layer?: string[]; repetitions: number; seconds: number; quick: boolean; out: string }>()

const all = options.quick ? layers.map((layer) => cropped(layer, [8, 8, 8])) : layers
const repetitions = options.quick ? 1 : options.repetitions
const gpu = await openGpu()
const reference = await referenceProgram(gpu)
const rows: Row[] = []
const nameOf = ({ suite, pass, layer }: Pick<Row, 'suite' | 'pass' | 'layer'>) => `${suite} ${pass} ${layer}`
const before = readSection(gpu, options.out, 'kernels') as { rows: Row[] } | undefined
const recorded = new Map(before?.rows.map((row) => [nameOf(row), row]))
/** Everything was measured, so what else is on file is of kernels that are no more. */
const whole = options.suite.length === Object.keys(suites).length && !options.layer && !options.quick
/** What was measured, and before the end of a whole run what is on file of the others. */
const save = (ended: boolean) => {
  const measured = new Set(rows.map(nameOf))
  const others = [...recorded.values()].filter((row) => !(ended && whole) && !measured.has(nameOf(row)))
  return saveSection(gpu, options.out, 'kernels', { repetitions, rows: [...rows, ...others] })
}
for (const name of options.suite) {
  const { cases, at } = suites[name]!
  const chosen = at ? [all.at(at === 'first' ? 0 : -1)!] : pickLayers(all, options.layer)
  for (const layer of chosen) {
    rows.push(...(await timeTogether(gpu, cases(layer))))
    // After each layer, so that a run that is stopped leaves what it has measured.
    save(false)
    process.stderr.write(`${name} ${layer.name}\n`)
  }
}
const header = ['suite', 'pass', 'layer', 'ms', 'CPU ms', 'GFLOP/s', 'GB/s', 'x reference', 'vs recorded']
const cells = rows.map((r) => [
  r.suite,
  r.pass,
  r.layer,
  digits(r.milliseconds),
  digits(r.cpuMilliseconds),
  digits(r.gflops),
  digits(r.gigabytesPerSecond),
  digits(r.ratio),
  comparedWith(recorded.get(nameOf(r))?.ratio, r.ratio),
])
process.stdout.write(`${gpu.name}, medians of up to ${repetitions} samples\n\n${table(header, cells)}\n`)
const slower = cells.filter((row) => row.at(-1)!.endsWith(SLOWER)).length
if (recorded.size > 0) process.stdout.write(`\n${slower} of ${cells.length} are notably slower than recorded\n`)
process.stdout.write(`\n${save(true)}\n`)
reference.destroy()
closeGpu(gpu)
closePlatform()

/** Times cases in turns, then frees what they held. */
async function timeTogether(gpu: Gpu, cases: readonly Case[]): Promise<Row[]> {
  const programs: Program[] = []
  for (const { outputs, options } of cases) {
    const program = await compile(gpu, outputs, options)
    for (const [k, t] of program.inputs.entries()) program.write(t, values(sizeOf(t.shape), 10 + k))
    program.run()
    await program.done()
    programs.push(program)
  }
  // The reference right before each case, so that both find the machine in the same mood.
  const tasks = programs.flatMap((program, k) => [taskOf('reference', reference), taskOf(cases[k]!.pass, program)])
  const timings = await measure(tasks, repetitions, options.seconds)
  const found = programs.map(({ launches }, k): Row => {
    const [yardstick, timing] = [timings[2 * k]!, timings[2 * k + 1]!]
    const { suite, pass, layer } = cases[k]!
    const flops = launches.reduce((sum, launch) => sum + launch.flops, 0)
    const bytes = launches.reduce((sum, launch) => sum + launch.bytes, 0)
    const perSecond = 1e6 * timing.milliseconds
    const gflops = flops > 0 ? flops / perSecond : undefined
    const ratio = ratioTo(yardstick, timing, gpu.software)
    const kernels = launches.map((launch) => launch.kernel)
    const speed = { gflops, gigabytesPerSecond: bytes / perSecond, flops, bytes }
    return { suite, pass, layer, ...timing, ratio, ...speed, kernels }
  })
  for (const program of programs) program.destroy()
  release(gpu, [...gpu.resident.keys()])
  return found
}

function taskOf(name: string, program: Program): Task {
  return {
    name,
    run: (times) => {
      program.run(times)
      return program.done()
    },
  }
}
