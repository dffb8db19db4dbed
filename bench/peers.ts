/**
 * `npm run bench:peers`: convolution, its gradients, the network and a whole mask step against other libraries, on the same
 * shapes. Results are compared before anything is timed; then all sides take turns.
 */
import { Command } from 'commander'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { convFlops, cropped, layers, pickLayers, type Size } from './layers.ts'
import { list, positive, size, someOf } from './options.ts'
import { openChromium } from './peer-chromium.ts'
import { measureInTurns } from './peer-measure.ts'
import { openNode, type Place } from './peer-place.ts'
import { type Comparison, type Missing, medians, report } from './peer-report.ts'
import { reasonOf } from './peer-sides.ts'
import { openTorch } from './peer-torch.ts'
import { PASSES, type Peer, type Work, workName } from './peer-work.ts'
import { resultsFolder, saveSection } from './results.ts'
import { digits } from './table.ts'
import { openTensorFlow } from './tensorflow.ts'

/** On a software adapter theirs would take most of an hour; the same channels on fewer planes take minutes. */
const CROPS: readonly Size[] = [
  [4, 145, 121],
  [4, 73, 61],
  [6, 37, 31],
  [8, 19, 16],
  [8, 10, 8],
]
/** The network's input: on a software adapter an eighth of a scan's width a side and more, on a GPU a scan. */
const SMALL: Size = [33, 41, 33]
const WHOLE: Size = [121, 145, 121]
const TINY: Size = [9, 10, 8]

/** Libraries that run in this process, and those that need a page. */
const IN_NODE: Readonly<Record<string, () => Promise<Peer>>> = { tfjs: openTensorFlow, torch: openTorch }
const IN_PAGE = ['onnxruntime', 'jax']
const PEERS = [...Object.keys(IN_NODE), ...IN_PAGE]
const KINDS = [...PASSES, 'network', 'mask']

const options = new Command('bench:peers')
  .description('Times convolutions, the network and the mask step of Conv5_FC3 against other libraries.')
  .option('--peers <names>', `some of ${PEERS.join(', ')}`, someOf(PEERS), PEERS)
  .option('--pass <names>', `some of ${KINDS.join(', ')}`, someOf(KINDS), KINDS)
  .option('--layer <words>', 'convolutions whose name has one of these words, e.g. 8-\\>16,8x10x8', list)
  .option('--mask-size <DxHxW>', 'input of the network and the mask step (default: 33x41x33 in software)', size)
  .option('--repetitions <n>', 'samples of each at most; medians are reported', positive, 3)
  .option('--seconds <n>', 'no further samples of a shape after so long', positive, 20)
  .option('--full', 'whole volumes on a software adapter, too (some need up to a minute a pass)', false)
  .option('--quick', 'volumes of a few voxels an axis, one sample: does it work at all?', false)
  .option('--out <folder>', 'where the JSON goes', resultsFolder)
  .addHelpText('after', '\nVOXPLAIN_PYTHON names the Python that has PyTorch (default python3).')
  .parse()
  .opts<{
    peers: string[]
    pass: string[]
    layer?: string[]
    maskSize?: Size
    repetitions: number
    seconds: number
    full: boolean
    quick: boolean
    out: string
  }>()

// The browser is closed on these, but they would not end the process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const gpu = await openGpu()
const { peers: names, quick, seconds } = options
const repetitions = quick ? 1 : options.repetitions
const rows: Comparison[] = []
const missing: Missing[] = []
const places = await openPlaces()
for (const place of places) {
  for (const work of works(place)) {
    await against(place, work).catch((error) => {
      missing.push({ peer: place.name, work: workName(work), reason: reasonOf(error), failed: true })
    })
    // After each, so that a run that is stopped leaves what it has measured.
    save()
  }
}
process.stdout.write(`${report(places, rows, missing, repetitions)}\n\n${save()}\n`)
for (const place of places) await place.close()
closeGpu(gpu)
closePlatform()
// TensorFlow.js keeps its device, which would keep the process.
process.exit(missing.some(({ failed }) => failed) ? 1 : 0)

/** What is asked for, in the order of the table. */
function works({ software }: Place): Work[] {
  const whole = options.full || !(software || quick)
  const crops = quick ? layers.map(() => [4, 4, 4] as const) : CROPS
  const chosen = pickLayers(whole ? layers : layers.map((layer, k) => cropped(layer, crops[k]!)), options.layer)
  const wants = (kind: string) => options.pass.includes(kind)
  const input = options.maskSize ?? (whole ? WHOLE : quick ? TINY : SMALL)
  return [
    ...PASSES.filter(wants).flatMap((pass) => chosen.map((layer): Work => ({ kind: 'conv', pass, layer }))),
    ...(['network', 'mask'] as const).filter(wants).map((kind): Work => ({ kind, size: input })),
  ]
}

async function openPlaces(): Promise<Place[]> {
  const found: Place[] = []
  const inNode = names.filter((name) => name in IN_NODE)
  const inPage = names.filter((name) => IN_PAGE.includes(name))
  if (inNode.length > 0) {
    found.push(await openNode(gpu, Object.fromEntries(inNode.map((name) => [name, IN_NODE[name]!]))))
  }
  if (inPage.length > 0) {
    try {
      found.push(await openChromium(inPage))
    } catch (error) {
      for (const name of inPage) missing.push({ peer: name, reason: reasonOf(error) })
    }
  }
  for (const { notTimed } of found) for (const { name, reason } of notTimed) missing.push({ peer: name, reason })
  return found
}

async function against(place: Place, work: Work): Promise<void> {
  const { ready, notTimed, dispose } = await place.start(work)
  for (const { name, ...why } of notTimed) missing.push({ peer: name, work: workName(work), ...why })
  try {
    if (ready.length < 2) return
    const runs = ready.map(({ run }) => run)
    const [ours, ...others] = await measureInTurns(runs, repetitions, seconds)
    for (const [k, theirs] of others.entries()) {
      const { name: peer, difference } = ready[k + 1]!
      const ratio = theirs.milliseconds / ours!.milliseconds
      const cpuRatio = theirs.cpuMilliseconds / ours!.cpuMilliseconds
      const flops = work.kind === 'conv' ? convFlops(work.layer) : undefined
      rows.push({ place: place.name, peer, work, flops, difference, ours: ours!, theirs, ratio, cpuRatio })
      process.stderr.write(`${workName(work)}, ${peer}: ${digits(ratio)}x\n`)
    }
  } finally {
    await dispose()
  }
}

function save(): string {
  const where = places.map(({ name, adapter, versions }) => ({ name, adapter, peers: versions }))
  const content = { repetitions, places: where, medians: medians(rows), notMeasured: missing, rows }
  return saveSection(gpu, options.out, 'peers', content)
}
