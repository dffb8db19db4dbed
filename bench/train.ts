/**
 * `npm run bench:train`: scans a second of an epoch read from files, the share of its time in which the GPU waits for
 * data, and the training step against TensorFlow.js and PyTorch. Prints tables and writes bench/results/<adapter>.json.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { inputOn, openLabelledCohort, openSets } from '../src/cli/train-scans.ts'
import { trainingRecipe } from '../src/cli/training-options.ts'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { conv5Fc3, initialise, smallCnn } from '../src/model/architectures.ts'
import { samplesOf } from '../src/model/crossval/scan-set.ts'
import { train } from '../src/model/training/train.ts'
import { writePhantom } from '../src/phantom/write.node.ts'
import type { Size } from './layers.ts'
import { positive, size, someOf } from './options.ts'
import { measureInTurns, type Timing } from './peer-measure.ts'
import { reasonOf, startSides } from './peer-sides.ts'
import type { Peer } from './peer-work.ts'
import { resultsFolder, saveSection } from './results.ts'
import { digits, table } from './table.ts'
import { openOurTraining } from './train-ours.ts'
import { openTheirTraining } from './train-tensorflow.ts'
import { openTorchTraining } from './train-torch.ts'
import { type TrainWork, trainName } from './train-work.ts'

const PEERS: Readonly<Record<string, () => Promise<Peer<TrainWork>>>> = {
  tfjs: openTheirTraining,
  torch: openTorchTraining,
}
const PARTS = ['epoch', 'step']

const options = new Command('bench:train')
  .description('Times epochs of training from files, and the training step against other libraries.')
  .option('--parts <names>', `some of ${PARTS.join(', ')}`, someOf(PARTS), PARTS)
  .option('--peers <names>', `some of ${Object.keys(PEERS).join(', ')}`, someOf(Object.keys(PEERS)), Object.keys(PEERS))
  .option('--scans <n>', 'of the phantom cohort of an epoch', positive, 24)
  .option('--size <DxHxW>', 'input of the compared steps (default: by the adapter)', size)
  .option('--repetitions <n>', 'samples of each at most; medians are reported', positive, 3)
  .option('--seconds <n>', 'no further samples of a network after so long', positive, 60)
  .option('--quick', 'volumes of a few voxels an axis, one sample: does it work at all?', false)
  .option('--out <folder>', 'where the JSON goes', resultsFolder)
  .addHelpText('after', '\nVOXPLAIN_PYTHON names the Python that has PyTorch (default python3).')
  .parse()
  .opts<{
    parts: string[]
    peers: string[]
    scans: number
    size?: Size
    repetitions: number
    seconds: number
    quick: boolean
    out: string
  }>()

interface EpochRow {
  readonly network: string
  readonly size: Size
  readonly batch: number
  readonly scans: number
  readonly scansPerSecond: number
  /** Share of the epoch in which nothing was under way on the GPU. */
  readonly waited: number
  readonly cpuSecondsPerScan: number
}

interface StepRow extends TrainWork {
  readonly peer: string
  /** Largest difference of the first losses, in parts of the largest. */
  readonly difference: number
  readonly ours: Timing
  readonly theirs: Timing
  readonly ratio: number
  readonly cpuRatio: number
}

const { quick } = options
const gpu = await openGpu()
const epochs: EpochRow[] = []
const steps: StepRow[] = []
const missing: { peer: string; work?: string; reason: string; failed?: boolean }[] = []
const peers = new Map<string, string>()
if (options.parts.includes('epoch')) await timeEpochs()
if (options.parts.includes('step')) await timeSteps()
print()
process.stdout.write(`\n${save()}\n`)
closeGpu(gpu)
closePlatform()
// TensorFlow.js keeps its device, which would keep the process.
process.exit(missing.some(({ failed }) => failed) ? 1 : 0)

/** Two epochs, of which the second is reported: the first one's kernels may still be made when they are asked for. */
async function timeEpochs(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'voxplain-train-'))
  try {
    await writePhantom(folder, { subjects: quick ? 4 : options.scans, voxelMm: quick ? 16 : 4 })
    const { cohort, grid } = await openLabelledCohort(join(folder, 'participants.tsv'), { missing: 'refuse' })
    const { classes } = cohort
    const recipe = await trainingRecipe({}, classes, grid)
    const inputShape = inputOn(recipe, grid)
    // No room: every scan is read and unpacked in every epoch, as in a cohort larger than memory.
    const { sets } = openSets([{ name: 'phantom', cohort }], recipe, inputShape, 0, () => undefined)
    const data = samplesOf(
      sets[0]!,
      cohort.rows.map((_, n) => n),
      classes,
    )
    for (const make of quick ? [smallCnn] : [smallCnn, conv5Fc3]) {
      const description = make({ inputShape, recipe, classes })
      const network = initialise(description, 1)
      const batch = quick ? 2 : 8
      let before = process.cpuUsage()
      let cpu = 0
      const onEpoch = () => {
        const { user, system } = process.cpuUsage(before)
        cpu = (user + system) / 1e6
        before = process.cpuUsage()
      }
      const { history } = await train(gpu, network, data, { epochs: 2, batch, onEpoch })
      const { scansPerSecond, waited } = history[1]!
      const size = inputShape.slice(1) as unknown as Size
      const about = { network: description.name, size, batch, scans: data.count }
      epochs.push({ ...about, scansPerSecond, waited, cpuSecondsPerScan: cpu / data.count })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function timeSteps(): Promise<void> {
  const opened: Peer<TrainWork>[] = [openOurTraining(gpu)]
  for (const name of options.peers) {
    try {
      const peer = await PEERS[name]!()
      opened.push(peer)
      peers.set(peer.name, peer.version)
    } catch (error) {
      missing.push({ peer: name, reason: reasonOf(error) })
    }
  }
  for (const work of works()) {
    const { ready, notTimed, dispose } = await startSides(opened, work)
    for (const { name: peer, ...why } of notTimed) missing.push({ peer, work: trainName(work), ...why })
    if (ready.length > 1) {
      const runs = ready.map(({ run }) => run)
      const [ours, ...others] = await measureInTurns(runs, quick ? 1 : options.repetitions, options.seconds)
      for (const [k, theirs] of others.entries()) {
        const { name: peer, difference } = ready[k + 1]!
        const ratio = theirs.milliseconds / ours!.milliseconds
        const cpuRatio = theirs.cpuMilliseconds / ours!.cpuMilliseconds
        steps.push({ ...work, peer, difference, ours: ours!, theirs, ratio, cpuRatio })
        process.stderr.write(`${trainName(work)}, ${peer}: ${digits(ratio)}x, CPU time ${digits(cpuRatio)}x\n`)
      }
    }
    await dispose()
    // A run that is stopped leaves what it has measured.
    save()
  }
  for (const peer of opened) await peer.close()
}

/** Sizes that TensorFlow.js gets through in minutes on a software adapter; on a GPU, scans of 2 and 1.5 mm. */
function works(): TrainWork[] {
  if (quick) return [{ network: 'small_cnn', size: [9, 10, 8], batch: 2 }]
  if (options.size)
    return (['small_cnn', 'conv5_fc3'] as const).map((network) => ({ network, size: options.size!, batch: 4 }))
  if (gpu.software) {
    return [
      { network: 'small_cnn', size: [46, 55, 46], batch: 4 },
      { network: 'conv5_fc3', size: [33, 41, 33], batch: 4 },
    ]
  }
  return [
    { network: 'small_cnn', size: [91, 109, 91], batch: 8 },
    { network: 'conv5_fc3', size: [121, 145, 121], batch: 4 },
  ]
}

/** Each part in a section of its own, so that one can be measured again without the other. */
function save(): string {
  const sections = {
    epoch: { epochs },
    step: { peers: Object.fromEntries(peers), steps, notMeasured: missing },
  }
  const paths = Object.entries(sections)
    .filter(([part]) => options.parts.includes(part))
    .map(([part, content]) => saveSection(gpu, options.out, `train-${part}`, content))
  return paths[0]!
}

function print(): void {
  if (epochs.length > 0) {
    const rows = epochs.map(({ network, size, batch, scans, scansPerSecond, waited, cpuSecondsPerScan }) => [
      ...[network, size.join('x'), `${batch}`, `${scans}`, digits(scansPerSecond)],
      ...[`${(100 * waited).toFixed(2)} %`, digits(cpuSecondsPerScan)],
    ])
    const heads = ['epoch from files', 'input', 'batch', 'scans', 'scans/s', 'GPU waited', 'CPU s a scan']
    process.stdout.write(`${gpu.name}\n\n${table(heads, rows)}\n`)
  }
  if (steps.length > 0) {
    const rows = steps.map((row) => [
      ...[trainName(row), row.peer, row.difference.toExponential(1), digits(row.ours.milliseconds)],
      ...[digits(row.theirs.milliseconds), `${digits(row.ratio)}x`, `${digits(row.cpuRatio)}x`],
    ])
    const heads = ['training step', 'library', 'losses differ by', 'ours ms', 'theirs ms', 'time', 'CPU time']
    process.stdout.write(`\n${table(heads, rows)}\n`)
  }
  for (const { peer, work, reason } of missing) {
    process.stdout.write(`\nnot measured: ${peer}${work ? `, ${work}` : ''}: ${reason}\n`)
  }
}
