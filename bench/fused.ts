/**
 * `npm run bench:fused`: the whole mask step of Conv5_FC3 as masks are made, against the same step kernel by kernel, which
 * computes everything. Both take the same steps, in turns; what they end with is compared. `-- --help` lists the options.
 */
import { Command } from 'commander'
import { steps } from '../src/cli/bench-programs.ts'
import { timeOnce } from '../src/cli/timing.ts'
import { type CompileOptions, compile } from '../src/engine/compile.ts'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { conv5Fc3, initialise } from '../src/model/architectures.ts'
import type { Size } from './layers.ts'
import { median } from './measure.ts'
import { positive, size } from './options.ts'
import { resultsFolder, saveSection } from './results.ts'
import { digits, table } from './table.ts'

const options = new Command('fused')
  .description('Times the mask step of Conv5_FC3 on a brain phantom, fused and kernel by kernel.')
  .option('--size <DxHxW>', 'voxels of the scan', size, [121, 145, 121] as const)
  .option('--repetitions <n>', 'steps of each that are timed, in turns; medians are reported', positive, 5)
  .option('--out <folder>', 'where the JSON goes', resultsFolder)
  .addHelpText('after', '\nExample:\n  npm run bench:fused -- --size 61x73x61')
  .parse()
  .opts<{ size: Size; repetitions: number; out: string }>()

/** Steps of a mask, for which a CPU adapter's kernels are worth compiling. */
const RUNS = 60

const gpu = await openGpu()
const step = steps.mask(initialise(conv5Fc3({ inputShape: [1, ...options.size] }), 1), 1)
const fused = await started({})
const single = await started({ live: undefined, fuse: false })
const sides = [fused, single]
for (let k = 0; k < options.repetitions; k++) {
  for (const { task, wall, cpu } of sides) {
    const { milliseconds, cpuMilliseconds } = await timeOnce(task, 1)
    wall.push(milliseconds)
    cpu.push(cpuMilliseconds)
  }
}
const [found, wanted] = [await fused.answer(), await single.answer()]
const difference = Math.max(...found.map((v, k) => Math.abs(v - wanted[k]!) / Math.abs(wanted[k]!)))
const results = sides.map(({ wall, cpu }) => ({ milliseconds: median(wall), cpuMilliseconds: median(cpu), cpu }))
const [short, long] = results as [(typeof results)[0], (typeof results)[0]]
const ratio = {
  milliseconds: long.milliseconds / short.milliseconds,
  cpuMilliseconds: long.cpuMilliseconds / short.cpuMilliseconds,
}
const row = (name: string, of: typeof ratio) => [name, digits(of.milliseconds), digits(of.cpuMilliseconds)]
const rows = [row('fused', short), row('kernel by kernel', long), row('ratio', ratio)]
process.stdout.write(`${table(['mask step', 'ms', 'CPU ms'], rows)}\n`)
process.stdout.write(
  `probabilities after ${options.repetitions + 1} steps: at most ${digits(difference)} apart, relatively\n`,
)
const content = { size: options.size, repetitions: options.repetitions, fused: short, single: long, ratio, difference }
process.stdout.write(`${saveSection(gpu, options.out, 'fused', content)}\n`)
for (const { program } of sides) program.destroy()
closeGpu(gpu)
closePlatform()

/** The step's program with its mask under way. */
async function started(changed: CompileOptions) {
  const program = await compile(gpu, step.outputs, { ...step.options, runs: RUNS, ...changed })
  step.start(program)
  program.run()
  await program.done()
  const task = {
    run(times: number) {
      program.run(times)
      return program.done()
    },
  }
  return {
    program,
    task,
    wall: [] as number[],
    cpu: [] as number[],
    answer: () => program.read(step.outputs.probabilities!),
  }
}
