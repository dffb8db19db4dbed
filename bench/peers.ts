/**
 * `npm run bench:peers`: convolution and its gradients against TensorFlow.js's WebGPU backend, in one process on one
 * adapter. Results are compared before anything is timed; then the two take turns.
 */
import { Command, InvalidArgumentError } from 'commander'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { closeGpu, openGpu, release } from '../src/engine/gpu.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { input, parameter, type Tensor } from '../src/engine/tensor.ts'
import { convFlops, cropped, type Layer, layers, pickLayers, type Size } from './layers.ts'
import { measure, median, type Timing } from './measure.ts'
import { resultsFolder, saveSection } from './results.ts'
import { digits, table } from './table.ts'
import { openTensorFlow, type Pass } from './tensorflow.ts'
import { values } from './values.ts'

/** On a software adapter theirs would take most of an hour; the same channels on fewer planes take minutes. */
const CROPS: readonly Size[] = [
  [4, 145, 121],
  [4, 73, 61],
  [6, 37, 31],
  [8, 19, 16],
  [8, 10, 8],
]
interface Comparison {
  readonly pass: Pass
  readonly layer: Layer
  readonly flops: number
  readonly difference: number
  readonly ours: Timing
  readonly theirs: Timing
  /** Their time over ours. */
  readonly ratio: number
  readonly cpuRatio: number
}

const PASSES: readonly Pass[] = ['forward', 'data gradient', 'weight gradient']
/** Largest difference, relative to the largest value. */
const TOLERANCE = 1e-4

const list = (text: string) => text.split(',').map((word) => word.trim())
const positive = (text: string) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a positive integer')
  return value
}
const options = new Command('bench:peers')
  .description('Times 3D convolution against TensorFlow.js on the same adapter, at the layers of Conv5_FC3.')
  .option('--layer <words>', 'layers whose name has one of these words, e.g. 8-\\>16,8x10x8', list)
  .option('--pass <names>', `some of ${PASSES.join(', ')}`, list, [...PASSES])
  .option('--repetitions <n>', 'samples of each at most; medians are reported', positive, 3)
  .option('--seconds <n>', 'no further samples of a shape after so long', positive, 20)
  .option('--full', 'whole volumes on a software adapter, too (theirs needs up to a minute a pass)', false)
  .option('--quick', 'volumes of at most 4 voxels an axis, one sample: does it work at all?', false)
  .option('--out <folder>', 'where the JSON goes', resultsFolder)
  .parse()
  .opts<{
    layer?: string[]
    pass: string[]
    repetitions: number
    seconds: number
    full: boolean
    quick: boolean
    out: string
  }>()

const gpu = await openGpu()
const tensorFlow = await openTensorFlow()
const crops = options.quick ? layers.map(() => [4, 4, 4] as const) : CROPS
const whole = options.full || !(gpu.software || options.quick)
const chosen = pickLayers(whole ? layers : layers.map((layer, k) => cropped(layer, crops[k]!)), options.layer)
const repetitions = options.quick ? 1 : options.repetitions
const rows: Comparison[] = []
for (const pass of PASSES.filter((p) => options.pass.includes(p))) {
  for (const layer of chosen) {
    rows.push(await against(pass, layer))
    // After each row, so that a run that is stopped leaves what it has measured.
    save()
  }
}

const isCropped = ({ name }: Layer) => !layers.some((layer) => layer.name === name)
const header = [
  'pass',
  'layer',
  'ours ms',
  'theirs ms',
  'ours GFLOP/s',
  'theirs GFLOP/s',
  'ratio',
  'CPU ratio',
  'error',
]
const cells = rows.map((r) => [
  r.pass,
  `${r.layer.name}${isCropped(r.layer) ? ' (cropped)' : ''}`,
  digits(r.ours.milliseconds),
  digits(r.theirs.milliseconds),
  digits(r.flops / r.ours.milliseconds / 1e6),
  digits(r.flops / r.theirs.milliseconds / 1e6),
  digits(r.ratio),
  digits(r.cpuRatio),
  r.difference.toExponential(0),
])
const title = `${gpu.name}, TensorFlow.js ${tensorFlow.version} (webgpu), medians of up to ${repetitions} samples`
process.stdout.write(`${title}\n\n${table(header, cells)}\n\n`)
for (const { pass, ratio, cpuRatio } of medians())
  process.stdout.write(`median ratio, ${pass}: ${digits(ratio)} (CPU ${digits(cpuRatio)})\n`)
process.stdout.write(`\n${save()}\n`)
closeGpu(gpu)
closePlatform()
// TensorFlow.js keeps its device, which would keep the process.
process.exit(0)

/** Median ratios of each pass over its layers. */
function medians() {
  return PASSES.filter((pass) => rows.some((r) => r.pass === pass)).map((pass) => {
    const of = rows.filter((r) => r.pass === pass)
    return { pass, ratio: median(of.map((r) => r.ratio)), cpuRatio: median(of.map((r) => r.cpuRatio)) }
  })
}

function save(): string {
  const against = `tensorflow.js ${tensorFlow.version} webgpu`
  return saveSection(gpu, options.out, 'peers', { against, repetitions, medians: medians(), rows })
}

async function against(pass: Pass, layer: Layer): Promise<Comparison> {
  const { inputs, outputs, size } = layer
  const voxels = size[0] * size[1] * size[2]
  const operands = {
    x: values(inputs * voxels, 1),
    w: values(inputs * outputs * 27, 2),
    dy: values(outputs * voxels, 3),
  }
  const x = input([1, inputs, ...size])
  const w = parameter([outputs, inputs, 3, 3, 3], operands.w)
  const dy = input([1, outputs, ...size])
  const y = conv3d(x, w, { padding: 1 })
  const [dx, dw] = backward(y, [x, w], { seed: dy })
  const result: Tensor = { forward: y, 'data gradient': dx!, 'weight gradient': dw! }[pass]
  const program = await compile(gpu, { result })
  for (const t of program.inputs) program.write(t, t === x ? operands.x : operands.dy)
  const theirs = tensorFlow.conv(pass, layer, operands)
  program.run()
  const difference = furthest(await program.read(result), await theirs.read())
  if (!(difference <= TOLERANCE)) {
    throw new Error(`${pass} of ${layer.name}: results differ by ${difference} of the largest value; nothing was timed`)
  }
  const run = (times: number) => {
    program.run(times)
    return program.done()
  }
  const [our, their] = await measure(
    [
      { name: 'voxplain', run },
      { name: 'tensorflow.js', run: theirs.run },
    ],
    repetitions,
    options.seconds,
  )
  theirs.dispose()
  program.destroy()
  release(gpu, [...gpu.resident.keys()])
  const flops = convFlops(layer)
  const ratio = their!.milliseconds / our!.milliseconds
  const cpuRatio = their!.cpuMilliseconds / our!.cpuMilliseconds
  process.stderr.write(`${pass}, ${layer.name}: ${digits(ratio)}x\n`)
  return { pass, layer, flops, difference, ours: our!, theirs: their!, ratio, cpuRatio }
}

/** Largest difference over the largest value; infinite when there is nothing to compare. */
function furthest(ours: Float32Array, theirs: Float32Array): number {
  let largest = 0
  let difference = ours.length === theirs.length ? 0 : Number.POSITIVE_INFINITY
  for (let k = 0; k < theirs.length; k++) {
    largest = Math.max(largest, Math.abs(theirs[k]!))
    difference = Math.max(difference, Math.abs(ours[k]! - theirs[k]!))
  }
  return largest > 0 ? difference / largest : Number.POSITIVE_INFINITY
}
