/**
 * `npm run bench:pipeline`: voxplain explain on gzipped scans, which reads, computes and writes at the same time and takes
 * several scans at a time, against the same work scan by scan, one step after the other. Both make the same files. Prints
 * scans/s of both, their ratio, and for how long the GPU had nothing to do; writes bench/results/<adapter>.json.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { makeCrew } from '../src/cli/explain-crew.ts'
import { writeMap } from '../src/cli/explain-files.ts'
import { openMethods } from '../src/cli/explain-options.ts'
import type { Task } from '../src/cli/explain-task.ts'
import { explainEach } from '../src/cli/explain-work.ts'
import { versions } from '../src/cli/gpu.ts'
import { makeReporter } from '../src/cli/terminal.ts'
import { type Gpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { openSession } from '../src/engine/session.ts'
import { prepareScan } from '../src/explain/explain.ts'
import { InputError } from '../src/io/errors.ts'
import { readVolumeFile } from '../src/io/files.node.ts'
import { writeVolume } from '../src/io/nifti.ts'
import { architectures, initialise } from '../src/model/architectures.ts'
import { invertRecipe, plainRecipe } from '../src/model/recipe/recipe.ts'
import { median } from './measure.ts'
import { resultsFolder, saveSection } from './results.ts'
import { table } from './table.ts'
import { values } from './values.ts'

const positive = (text: string) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a positive integer')
  return value
}

const options = new Command('pipeline')
  .description('Times explain on gzipped scans against the same work scan by scan.')
  .option('--scans <n>', 'scans of a round', positive, 24)
  .option('--rounds <n>', 'of each way, taking turns; medians are reported', positive, 3)
  .option('--edge <n>', 'edge of a scan in voxels', positive, 48)
  .option('--method <name>', 'that needs no class of its own', 'saliency')
  .option('--quick', 'small and few: does it work at all?', false)
  .option('--out <folder>', 'where the JSON goes', resultsFolder)
  .parse()
  .opts<{ scans: number; rounds: number; edge: number; method: string; quick: boolean; out: string }>()

const edge = options.quick ? 12 : options.edge
const count = options.quick ? 4 : options.scans
const rounds = options.quick ? 1 : options.rounds

/** When there is work on the GPU, in ms since the watch was last asked. */
function watchGpu({ device }: Gpu): () => number {
  const { queue } = device
  const submit = queue.submit.bind(queue)
  let [open, since, busy] = [0, 0, 0]
  queue.submit = (buffers) => {
    submit(buffers)
    if (open++ === 0) since = performance.now()
    void queue.onSubmittedWorkDone().then(() => {
      if (--open === 0) busy += performance.now() - since
    })
  }
  return () => {
    const found = busy
    busy = 0
    return found
  }
}

const folder = await mkdtemp(join(tmpdir(), 'voxplain-pipeline-'))
const session = await openSession(() => openGpu())
const { gpu } = session
const busyTime = watchGpu(gpu)
const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
const description = architectures.smallCnn({ inputShape: [1, edge, edge, edge], recipe, classes: recipe.classes })
const loaded = { network: initialise(description, 5), notes: [], suggested: [] }
const choices = await openMethods({ method: options.method }, loaded)

async function makeTask(out: string, paths: readonly string[], batch: number | undefined): Promise<Task> {
  const about = { network: 'smallCnn', loaded, adapter: gpu.name, software: gpu.software, versions: versions() }
  return {
    ...{ session, about, targets: [1], out, force: true, polish: undefined, atlas: undefined, facts: {} },
    methods: choices.map((choice) => ({ choice, variants: [{ suffix: '', settings: choice.settings }] })),
    scans: paths.map((path) => ({ path, covariates: {} })),
    stems: paths.map((_, n) => String(n)),
    flags: { batch },
    reporter: makeReporter({ out() {}, err() {}, interactive: false, columns: 80 }, false),
  }
}

/** The same files, one step after the other. */
async function oneByOne(task: Task): Promise<void> {
  const crew = makeCrew(task)
  for (const [n, { path, covariates }] of task.scans.entries()) {
    const volume = await readVolumeFile(path)
    const prepared = prepareScan(loaded.network, volume, covariates)
    for (const [m, { choice, variants }] of task.methods.entries()) {
      const input = { tensor: prepared.tensor, spacing: prepared.spacing, target: 1 }
      const [made] = await crew.run(m, [{ input, variant: variants[0]!, file: path }], () => undefined)
      if (made instanceof InputError) throw made
      const { attribution, change, summary, details } = made!
      const map = invertRecipe(recipe, attribution.relevance, volume)
      const { nonFinite, notes } = prepared
      const stem = join(task.out, `${n}_desc-${choice.name}_relevance`)
      const whole = { stem, choice, key: '', polish: undefined, target: 1, map, background: volume, scans: [path] }
      await writeMap({ ...whole, covariates: [covariates], nonFinite, notes, details, change, summary }, task.about)
    }
  }
  crew.destroy()
}

const paths: string[] = []
for (let n = 0; n < count; n++) {
  const noise = values(edge ** 3, n + 1)
  const data = noise.map((v, i) => {
    const at = [i % edge, Math.floor(i / edge) % edge, Math.floor(i / edge ** 2)].map((c) => c / edge - 0.5)
    return Math.max(0, 1 - 2 * Math.hypot(...at)) * (1 + 0.2 * v)
  })
  const affine = [3, 0, 0, 0, 0, 3, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]
  const path = join(folder, `sub-${n}.nii.gz`)
  await writeFile(path, writeVolume({ shape: [edge, edge, edge], affine, data }, { gzip: true }))
  paths.push(path)
}

const ways = {
  'scan by scan': async () => oneByOne(await makeTask(folder, paths, 1)),
  'pipeline, one at a time': async () => void (await explainEach(await makeTask(folder, paths, 1))),
  pipeline: async () => void (await explainEach(await makeTask(folder, paths, undefined))),
}
const samples = Object.fromEntries(
  Object.keys(ways).map((name) => [name, { seconds: [] as number[], cpu: [] as number[], idle: [] as number[] }]),
)
// Once unmeasured: kernels are compiled once a GPU, and a round should not wait for that.
for (const work of Object.values(ways)) await work()
for (let round = 0; round < rounds; round++) {
  for (const [name, work] of Object.entries(ways)) {
    busyTime()
    const [began, cpu] = [performance.now(), process.cpuUsage()]
    await work()
    const milliseconds = performance.now() - began
    const { user, system } = process.cpuUsage(cpu)
    samples[name]!.seconds.push(milliseconds / 1000)
    samples[name]!.cpu.push((user + system) / 1e6)
    samples[name]!.idle.push(Math.max(0, 1 - busyTime() / milliseconds))
  }
}
session.close()
closePlatform()
await rm(folder, { recursive: true, force: true })

const slow = median(samples['scan by scan']!.seconds)
const rows = Object.entries(samples).map(([name, { seconds, cpu, idle }]) => {
  const wall = median(seconds)
  return {
    name,
    scansPerSecond: count / wall,
    ratio: slow / wall,
    idle: median(idle),
    /** Cores that were busy on average. */
    cores: median(cpu.map((c, n) => c / seconds[n]!)),
    cpuSeconds: median(cpu) / count,
  }
})
const cells = rows.map(({ name, scansPerSecond, ratio, idle, cores, cpuSeconds }) => [
  name,
  scansPerSecond.toFixed(2),
  `${ratio.toFixed(2)}x`,
  `${(100 * idle).toFixed(0)} %`,
  `${cores.toFixed(2)} of ${availableParallelism()}`,
  cpuSeconds.toFixed(2),
])
process.stdout.write(`${count} gzipped scans of ${edge}^3 voxels, smallCnn, ${options.method}, on ${gpu.name}\n\n`)
process.stdout.write(`${table(['way', 'scans/s', 'ratio', 'GPU idle', 'cores busy', 'CPU s a scan'], cells)}\n\n`)
const content = { scans: count, edge, method: options.method, rounds, rows, samples }
process.stdout.write(`${saveSection(gpu, options.out, 'pipeline', content)}\n`)
