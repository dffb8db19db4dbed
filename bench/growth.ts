/**
 * `npm run bench:growth`: how the mask step of Conv5_FC3 grows with voxels and with scans, and what a step costs the CPU
 * that submits it. Prints tables and writes bench/results/<adapter>.json. `npm run bench:growth -- --help` lists the options.
 */
import { Command, InvalidArgumentError } from 'commander'
import { compile } from '../src/engine/compile.ts'
import { closeGpu, type Gpu, openGpu, release } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import type { Program } from '../src/engine/program.ts'
import { type MaskOptions, optimiseMasks, planMasks } from '../src/explain/mask.ts'
import { batchEffects, buildGraph } from '../src/explain/mask-graph.ts'
import { maskSettings } from '../src/explain/mask-options.ts'
import { resetMasks, startMasks } from '../src/explain/mask-state.ts'
import { conv5Fc3, initialise } from '../src/model/architectures.ts'
import type { Network } from '../src/model/description.ts'
import { measure, median } from './measure.ts'
import { resultsFolder, saveSection } from './results.ts'
import { digits, table } from './table.ts'
import { values } from './values.ts'

type Size = readonly [number, number, number]

const positive = (text: string) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a positive integer')
  return value
}

const options = new Command('growth')
  .description('Times the mask step of Conv5_FC3 against voxels and scans, and the CPU time of submitting it.')
  .option('--repetitions <n>', 'samples of each at most; medians are reported', positive, 5)
  .option('--seconds <n>', 'no further samples after so long', positive, 60)
  .option('--steps <n>', 'mask steps of each scan when scans are counted', positive, 20)
  .option('--quick', 'small volumes, few scans, one sample: does it work at all?', false)
  .option('--out <folder>', 'where the JSON goes', resultsFolder)
  .addHelpText('after', '\nExample:\n  npm run bench:growth -- --repetitions 9')
  .parse()
  .opts<{ repetitions: number; seconds: number; steps: number; quick: boolean; out: string }>()

const whole: Size = options.quick ? [16, 19, 16] : [121, 145, 121]
const shares = options.quick ? [1 / 8, 1] : [1 / 8, 1 / 4, 1 / 2, 1]
/** A scan whose deep layers alone leave a GPU idle. */
const small: Size = options.quick ? [8, 10, 8] : [31, 37, 31]
const counts = options.quick ? [1, 3] : [1, 2, 4, 8, 16, 32, 64]
const steps = options.quick ? 2 : options.steps
const repetitions = options.quick ? 1 : options.repetitions
/** Voxels of 1.5 mm, as CAT12 and SPM write them; a trace that no timing fills. */
const settings: MaskOptions = { target: 1, spacing: [1.5, 1.5, 1.5], tolerance: 0 }

const gpu = await openGpu()
const voxels = await againstVoxels(gpu)
const scans = await againstScans(gpu)
const submission = await submitting(gpu)
print()
const content = { network: 'Conv5_FC3', repetitions, voxels, scans, submission }
process.stdout.write(`\n${saveSection(gpu, options.out, 'growth', content)}\n`)
closeGpu(gpu)
closePlatform()

function networkOf(size: Size): Network {
  return initialise(conv5Fc3({ inputShape: [1, ...size] }), 1)
}

function scanOf(size: Size, seed: number): Float32Array {
  return values(size[0] * size[1] * size[2], seed).map((v) => 0.5 + 0.5 * v)
}

/** The program of optimiseMasks for one scan, with a mask that is under way. */
async function stepOf(gpu: Gpu, network: Network, size: Size): Promise<{ program: Program; free(): void }> {
  const graph = buildGraph(network, maskSettings({ ...settings, iterations: 100_000 }, 2), 1)
  const { probabilities, mask } = graph
  const program = await compile(gpu, { probabilities }, { effects: batchEffects(graph), frozen: true })
  program.write(graph.x, scanOf(size, 1))
  program.write(graph.target, new Float32Array([1]))
  resetMasks(program, mask)
  startMasks(program, mask, 1)
  program.run()
  await program.done()
  const free = () => {
    program.destroy()
    release(gpu, [...gpu.resident.keys()])
  }
  return { program, free }
}

/** Time and planned memory of a step for shares of the whole volume. */
async function againstVoxels(gpu: Gpu) {
  const sizes = shares.map((share) => whole.map((d) => Math.round(d * Math.cbrt(share))) as unknown as Size)
  const made = []
  for (const size of sizes) made.push({ size, ...(await stepOf(gpu, networkOf(size), size)) })
  const tasks = made.map(({ size, program }) => ({
    name: size.join('x'),
    run: (times: number) => {
      program.run(times)
      return program.done()
    },
  }))
  const timings = await measure(tasks, repetitions, options.seconds)
  const rows = made.map(({ size, program }, k) => ({
    size,
    voxels: size[0] * size[1] * size[2],
    ...timings[k]!,
    // Weights and optimizer state of the network do not grow with the scan in any simple way, and are shared.
    bytes: program.memory.temporaries + program.memory.fixed,
    totalBytes: program.memory.total,
  }))
  for (const { free } of made) free()
  const log = (pick: (row: (typeof rows)[number]) => number) => rows.map((row) => Math.log(pick(row)))
  return {
    rows,
    /** Of time ~ voxels^exponent, least squares of the logarithms. */
    exponent: fit(
      log((r) => r.voxels),
      log((r) => r.milliseconds),
    ).slope,
    cpuExponent: fit(
      log((r) => r.voxels),
      log((r) => r.cpuMilliseconds),
    ).slope,
    /** Of bytes = intercept + slope voxels. */
    memory: fit(
      rows.map((r) => r.voxels),
      rows.map((r) => r.bytes),
    ),
  }
}

/** Whole optimisations of n scans: from the scans to the masks, compiling the program included, its kernels not. */
async function againstScans(gpu: Gpu) {
  const network = networkOf(small)
  const masks: MaskOptions = { ...settings, iterations: steps }
  const explain = async (count: number) => {
    const list = Array.from({ length: count }, (_, k) => ({ tensor: scanOf(small, 10 + k) }))
    const [began, before] = [performance.now(), process.cpuUsage()]
    let finite = true
    for await (const outcome of optimiseMasks(gpu, network, list, masks)) finite &&= 'result' in outcome
    if (!finite) throw new Error('a mask failed: these times mean nothing')
    const { user, system } = process.cpuUsage(before)
    return { milliseconds: performance.now() - began, cpuMilliseconds: (user + system) / 1000 }
  }
  const samples = counts.map((): Awaited<ReturnType<typeof explain>>[] => [])
  // The first round compiles the kernels of each batch size.
  for (let round = 0; round <= repetitions; round++) {
    for (const [k, count] of counts.entries()) {
      const elapsed = await explain(count)
      if (round > 0) samples[k]!.push(elapsed)
    }
  }
  const rows = counts.map((count, k) => {
    const milliseconds = median(samples[k]!.map((sample) => sample.milliseconds))
    const cpuMilliseconds = median(samples[k]!.map((sample) => sample.cpuMilliseconds))
    const { batch, total } = planMasks(gpu, network, masks, count)
    const scansPerSecond = (1000 * count) / milliseconds
    const times = { milliseconds, cpuMilliseconds, samples: samples[k]!.map((sample) => sample.milliseconds) }
    return { scans: count, batch, totalBytes: total, ...times, scansPerSecond }
  })
  const rates = rows.map((row) => row.scansPerSecond)
  return { size: small, steps, rows, lowestToHighest: Math.min(...rates) / Math.max(...rates) }
}

/** Time that run() takes to encode and submit, a step; the number of kernels does not depend on the volume. */
async function submitting(gpu: Gpu) {
  const { program, free } = await stepOf(gpu, networkOf(small), small)
  const times = 10
  const samples: number[] = []
  for (let k = 0; k < 4 * repetitions + 1; k++) {
    const began = performance.now()
    program.run(times)
    samples.push((performance.now() - began) / times)
    await program.done()
  }
  const kernels = program.launches.length
  free()
  return { kernels, steps: times, milliseconds: median(samples), lowest: Math.min(...samples), samples }
}

/** Least squares of y = intercept + slope x, and how far y is from it at most, relative to y. */
function fit(x: readonly number[], y: readonly number[]) {
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length
  const [mx, my] = [mean(x), mean(y)]
  const slope = mean(x.map((v, k) => (v - mx) * (y[k]! - my))) / mean(x.map((v) => (v - mx) ** 2))
  const intercept = my - slope * mx
  const error = Math.max(...x.map((v, k) => Math.abs((intercept + slope * v) / y[k]! - 1)))
  return { slope, intercept, error }
}

function print(): void {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
  const sizes = voxels.rows.map((r) => [
    r.size.join('x'),
    String(r.voxels),
    digits(r.milliseconds),
    digits(r.cpuMilliseconds),
    digits((1e6 * r.milliseconds) / r.voxels),
    megabytes(r.bytes),
    megabytes(r.totalBytes),
  ])
  const many = scans.rows.map((r) => [
    String(r.scans),
    String(r.batch),
    digits(r.milliseconds),
    digits(r.cpuMilliseconds / r.scans / steps),
    digits(r.scansPerSecond),
    digits(r.scansPerSecond * steps),
    megabytes(r.totalBytes),
  ])
  const { memory, exponent, cpuExponent } = voxels
  const lines = [
    `${gpu.name}: mask step of Conv5_FC3, medians of up to ${repetitions} samples`,
    '',
    table(['scan', 'voxels', 'ms', 'CPU ms', 'ns/voxel', 'MB without weights', 'MB'], sizes),
    '',
    `time ~ voxels^${exponent.toFixed(3)} (CPU time ^${cpuExponent.toFixed(3)}); ` +
      `memory without weights ${megabytes(memory.intercept)} MB + ${memory.slope.toFixed(1)} bytes/voxel, ` +
      `within ${(100 * memory.error).toFixed(1)} %`,
    '',
    `masks of scans of ${small.join('x')}, ${steps} steps each, from scans to masks`,
    '',
    table(['scans', 'batch', 'ms', 'CPU ms a step and scan', 'scans/s', 'steps scans/s', 'MB'], many),
    '',
    `lowest throughput ${(100 * scans.lowestToHighest).toFixed(0)} % of the highest`,
    '',
    `submitting: ${submission.milliseconds.toFixed(3)} ms a step of ${submission.kernels} kernels ` +
      `(lowest ${submission.lowest.toFixed(3)}), ${submission.steps} steps a submission`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
