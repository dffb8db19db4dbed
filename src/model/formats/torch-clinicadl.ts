/**
 * ClinicaDL's networks from the names and shapes in their state dicts: its fixed ones (Conv5_FC3 and relatives:
 * `convolutions.0`, `convolutions.1`, ..., `fc.2`, ...) and those of its random search (`convolutions.conv0.0`, ...,
 * `fc.FC0.0`). Sources: ClinicaDL's documentation of its architectures.
 */
import { InputError } from '../../io/errors.ts'
import type { Weight } from '../description.ts'
import { formatSizes } from '../layer-rules.ts'

/** What maps.json or the user may add to a state dict. */
export interface ClinicaDlFacts {
  /** [C, D, H, W]. Default: the one known grid that fits the first dense layer. */
  inputShape?: readonly number[]
  /** How blocks of a random network halve their volume; its arrays do not tell. */
  reduction?: 'MaxPooling' | 'stride'
  dropout?: number
  /** What to call the network. */
  architecture?: string
}

type LayerJson = Readonly<Record<string, unknown>>
type Weights = ReadonlyMap<string, Weight>

/** Grids of Clinica's pipelines (t1-linear cropped and not, SPM DARTEL), in ClinicaDL's order of axes. */
const GRIDS = [
  [169, 208, 179],
  [193, 229, 193],
  [121, 145, 121],
]

const FIXED = /^convolutions\.\d+\.weight$/
const RANDOM = /^convolutions\.conv\d+\.\d+\.weight$/

export function isClinicaDl(weights: Weights): boolean {
  const names = [...weights.keys()]
  const dense = names.some((name) => /^fc\.(\d+|FC\d+\.0)\.weight$/.test(name))
  return dense && names.some((name) => FIXED.test(name) || RANDOM.test(name))
}

/** @throws InputError where the arrays leave more than one network possible, or are not as ClinicaDL names them */
export function clinicaDlLayers(weights: Weights, facts: ClinicaDlFacts): Record<string, unknown> {
  const random = [...weights.keys()].some((name) => RANDOM.test(name))
  const blocks = random ? randomBlocks(weights, facts) : fixedBlocks(weights)
  const dense = random ? randomDense(weights) : fixedDense(weights)
  if (blocks.length === 0 || dense.length === 0) {
    throw new InputError('it has no convolutions or no dense layers of the shape that ClinicaDL gives them')
  }
  const wanted = weights.get(`${dense[0]!.name}.weight`)?.shape[1] ?? 0
  const input = facts.inputShape ?? solveInput(blocks, wanted)
  if (input.length !== 4) throw new InputError(`the input shape ${formatSizes(input)} is not [C, D, H, W]`)
  const { channels } = blocks.at(-1)!
  const end = input.slice(1).map((n) => halvings(n, blocks.length))
  if (channels * volume(end) !== wanted) {
    throw new InputError(
      `the input ${formatSizes(input)} would give the first dense layer ${channels * volume(end)} values (${channels} x ${end.join(' x ')}), ` +
        `but its weights "${dense[0]!.name}.weight" take ${wanted}; check the input shape`,
    )
  }
  const flat = [
    { name: 'fc.0', type: 'flatten' },
    { name: 'fc.1', type: 'dropout', rate: facts.dropout ?? 0.5 },
  ]
  const layers = [...blocks.flatMap((block) => block.layers(input)), ...flat, ...dense.flatMap((d) => d.layers)]
  return { name: facts.architecture ?? (random ? 'clinicadl_random' : 'clinicadl'), input, layers }
}

interface Block {
  /** Of its output. */
  readonly channels: number
  /** Of the network's input where it is the first block. */
  readonly takes: number
  layers(input: readonly number[]): LayerJson[]
}

/** Every block halves the volume, rounding up: a padded max-pool or a convolution with stride 2. */
function halvings(n: number, times: number): number {
  let size = n
  for (let k = 0; k < times; k++) size = Math.ceil(size / 2)
  return size
}

function volume(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1)
}

/** PadMaxPool3d: zeros in front of odd axes, then 2^3. `before` is how often the volume has been halved. */
function padMaxPool(name: string, input: readonly number[], before: number): LayerJson {
  const front = input.slice(1).map((n) => halvings(n, before) % 2)
  return { name, type: 'maxPool3d', kernel: 2, stride: 2, padding: { front, back: 0 }, padValue: 'zero' }
}

/** A convolution and the normalisation behind it, if there is one. */
function convolution(
  weights: Weights,
  stem: string,
  at: number,
  stride: number,
): { layers: LayerJson[]; next: number } {
  const name = `${stem}.${at}`
  const { shape } = kernelOf(weights, name)
  const kernel = shape.slice(2)
  if (kernel.some((n) => n % 2 === 0)) throw new InputError(`the kernel of "${name}" is ${kernel.join('x')}, not odd`)
  const padding = kernel.map((n) => (n - 1) / 2)
  const bias = weights.has(`${name}.bias`)
  const layers: LayerJson[] = [{ name, type: 'conv3d', channels: shape[0], kernel, padding, stride, bias }]
  const norm = `${stem}.${at + 1}`
  if (!weights.has(`${norm}.weight`)) {
    throw new InputError(
      `"${norm}" has no batch normalisation; describe its layers: voxplain convert --layers FILE.json`,
    )
  }
  layers.push({ name: norm, type: 'batchNorm' })
  return { layers, next: at + 2 }
}

function kernelOf(weights: Weights, name: string): Weight {
  const weight = weights.get(`${name}.weight`)
  if (weight?.shape.length !== 5) {
    const found = weight ? formatSizes(weight.shape) : 'missing'
    throw new InputError(`the weights "${name}.weight" of a 3D convolution are ${found}`)
  }
  return weight
}

/** Positions (the number after the stem) of arrays with so many axes. */
function positions(weights: Weights, stem: string, axes: number): number[] {
  const found = [...weights].flatMap(([name, { shape }]) => {
    const match = name.startsWith(`${stem}.`) ? /^(\d{1,6})\.weight$/.exec(name.slice(stem.length + 1)) : null
    return match && shape.length === axes ? [Number(match[1])] : []
  })
  return found.sort((a, b) => a - b)
}

/** Convolution, norm, ReLU, pool: four places a block. */
function fixedBlocks(weights: Weights): Block[] {
  return positions(weights, 'convolutions', 5).map((at, k) => {
    if (at !== 4 * k) {
      throw new InputError(
        `its convolution ${k + 1} is "convolutions.${at}", not "convolutions.${4 * k}" as in ClinicaDL's max-pool networks; describe its layers: voxplain convert --layers FILE.json`,
      )
    }
    const { layers, next } = convolution(weights, 'convolutions', at, 1)
    const [channels, takes] = kernelOf(weights, `convolutions.${at}`).shape as [number, number]
    const relu = { name: `convolutions.${next}`, type: 'relu' }
    return {
      channels,
      takes,
      layers: (input) => [...layers, relu, padMaxPool(`convolutions.${next + 1}`, input, k)],
    }
  })
}

/** Flatten, dropout, then dense layers with a ReLU between each two. */
function fixedDense(weights: Weights): { name: string; layers: LayerJson[] }[] {
  const places = positions(weights, 'fc', 2)
  return places.map((at, k) => {
    const name = `fc.${at}`
    if (at !== 2 + 2 * k) throw new InputError(`its dense layer ${k + 1} is "${name}", not "fc.${2 + 2 * k}"`)
    const layers: LayerJson[] = [denseLayer(weights, name)]
    if (k < places.length - 1) layers.push({ name: `fc.${at + 1}`, type: 'relu' })
    return { name, layers }
  })
}

function denseLayer(weights: Weights, name: string): LayerJson {
  return { name, type: 'dense', units: weights.get(`${name}.weight`)!.shape[0], bias: weights.has(`${name}.bias`) }
}

/** Names such as conv0, conv1, ... that have a first member. */
function numbered(weights: Weights, stem: string): string[] {
  const names: string[] = []
  while ([...weights.keys()].some((name) => name.startsWith(`${stem}${names.length}.`))) {
    names.push(`${stem}${names.length}`)
  }
  return names
}

/** Blocks of [convolution, norm, LeakyReLU], the last of which is followed by a pool or has stride 2. */
function randomBlocks(weights: Weights, { reduction }: ClinicaDlFacts): Block[] {
  if (reduction === undefined) {
    throw new InputError(
      'its arrays do not say whether its blocks end in a max-pool or a stride; open it by its MAPS folder, or describe its layers: voxplain convert --layers FILE.json',
    )
  }
  return numbered(weights, 'convolutions.conv').map((stem, k) => {
    const places = positions(weights, stem, 5)
    if (places.length === 0) throw new InputError(`the block "${stem}" has no convolution`)
    const [channels] = kernelOf(weights, `${stem}.${places.at(-1)}`).shape as [number]
    const takes = kernelOf(weights, `${stem}.${places[0]}`).shape[1]!
    const layers = places.flatMap((at, c) => {
      if (at !== 3 * c) throw new InputError(`a convolution of the block "${stem}" is at ${at}, not at ${3 * c}`)
      const stride = reduction === 'stride' && c === places.length - 1 ? 2 : 1
      const { layers: made, next } = convolution(weights, stem, at, stride)
      return [...made, { name: `${stem}.${next}`, type: 'leakyRelu', slope: 0.01 }]
    })
    const pool = `${stem}.${3 * places.length}`
    return {
      channels,
      takes,
      layers: (input) => (reduction === 'stride' ? layers : [...layers, padMaxPool(pool, input, k)]),
    }
  })
}

function randomDense(weights: Weights): { name: string; layers: LayerJson[] }[] {
  const stems = numbered(weights, 'fc.FC')
  return stems.map((stem, k) => {
    const name = `${stem}.0`
    if (weights.get(`${name}.weight`)?.shape.length !== 2) throw new InputError(`"${name}" has no dense weights`)
    const layers: LayerJson[] = [denseLayer(weights, name)]
    if (k < stems.length - 1) layers.push({ name: `${stem}.1`, type: 'leakyRelu', slope: 0.01 })
    return { name, layers }
  })
}

/** The one grid of Clinica's that gives the first dense layer what it takes. */
function solveInput(blocks: readonly Block[], wanted: number): number[] {
  const { channels } = blocks.at(-1)!
  const { takes } = blocks[0]!
  const fitting = GRIDS.filter((grid) => channels * volume(grid.map((n) => halvings(n, blocks.length))) === wanted)
  if (fitting.length === 1) return [takes, ...fitting[0]!]
  const which = fitting.length === 0 ? 'no known grid fits' : `${fitting.map((g) => g.join('x')).join(' and ')} fit`
  throw new InputError(
    `its input shape is not known: the first dense layer takes ${wanted} values, and ${which}; give it: voxplain convert --input-shape 1xDxHxW`,
  )
}
