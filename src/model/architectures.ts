/**
 * Known network architectures as descriptions, and their initial weights.
 */
import { InputError } from '../io/errors.ts'
import { layerShapes, type Network, type NetworkDescription, validateDescription, type Weight } from './description.ts'
import { product } from './layer-rules.ts'
import { uniformStream } from './random.ts'
import { plainRecipe, type Recipe } from './recipe.ts'

export interface ArchitectureOptions {
  /** [C, D, H, W]. */
  inputShape: readonly number[]
  /** Class names, or their number. Default 2. */
  classes?: readonly string[] | number
  /** Default plainRecipe; its class names are replaced by `classes` when those are names. */
  recipe?: Recipe
  /** Share of values dropped in training. */
  dropout?: number
}

type LayerJson = Readonly<Record<string, unknown>>

function describe(name: string, options: ArchitectureOptions, layers: readonly LayerJson[]): NetworkDescription {
  const { classes = 2, inputShape } = options
  const recipe = options.recipe ?? plainRecipe(classCountOf(options))
  const named = typeof classes === 'number' ? recipe : { ...recipe, classes }
  const json = {
    format: 'voxplain-network',
    version: 1,
    name,
    input: inputShape,
    layers,
    output: 'logits',
    recipe: named,
  }
  return validateDescription(json)
}

function classCountOf({ classes = 2 }: ArchitectureOptions): number {
  return typeof classes === 'number' ? classes : classes.length
}

function halved(shape: readonly number[], blocks: number, round: (n: number) => number): void {
  let sizes = shape.slice(1)
  for (let k = 0; k < blocks; k++) sizes = sizes.map((n) => round(n / 2))
  if (shape.length !== 4 || sizes.some((n) => n < 1)) {
    throw new InputError(`the input [${shape.join(', ')}] is too small for ${blocks} halvings (or is not [C, D, H, W])`)
  }
}

const pool = { type: 'maxPool3d', kernel: [2, 2, 2], stride: [2, 2, 2] }

/** ClinicaDL's convolutional part: blocks of Conv 3^3, BN, ReLU, PadMaxPool, with the names of its checkpoints. */
function clinicaDl(options: ArchitectureOptions, head: readonly number[], name: string): NetworkDescription {
  const channels = [8, 16, 32, 64, 128]
  halved(options.inputShape, channels.length, Math.ceil)
  let sizes = options.inputShape.slice(1)
  const blocks = channels.flatMap((width, k) => {
    // PadMaxPool3d puts a zero in front of odd axes.
    const front = sizes.map((n) => n % 2)
    sizes = sizes.map((n) => Math.ceil(n / 2))
    return [
      { name: `convolutions.${4 * k}`, type: 'conv3d', channels: width, kernel: 3, padding: 1 },
      { name: `convolutions.${4 * k + 1}`, type: 'batchNorm' },
      { name: `convolutions.${4 * k + 2}`, type: 'relu' },
      { name: `convolutions.${4 * k + 3}`, ...pool, padding: { front, back: 0 }, padValue: 'zero' },
    ]
  })
  const widths = [...head, classCountOf(options)]
  const dense = widths.flatMap((units, k) => [
    { name: `fc.${2 + 2 * k}`, type: 'dense', units },
    ...(k < head.length ? [{ name: `fc.${3 + 2 * k}`, type: 'relu' }] : []),
  ])
  const start = [
    { name: 'fc.0', type: 'flatten' },
    { name: 'fc.1', type: 'dropout', rate: options.dropout ?? 0.5 },
  ]
  return describe(name, options, [...blocks, ...start, ...dense])
}

/** ClinicaDL's Conv5_FC3: five blocks of 8 to 128 channels, FC 1300, 50, classes. */
export function conv5Fc3(options: ArchitectureOptions): NetworkDescription {
  return clinicaDl(options, [1300, 50], 'conv5_fc3')
}

/** ClinicaDL's Conv4_FC3, which has five blocks too: FC 50, 40, classes. */
export function conv4Fc3(options: ArchitectureOptions): NetworkDescription {
  return clinicaDl(options, [50, 40], 'conv4_fc3')
}

/** Dyrba et al. 2021: 3 x [Conv 5 filters 3^3, ReLU, max-pool 2, BN], dense 64, 32, classes; dropout 0.1 before each dense. */
export function dyrba(options: ArchitectureOptions): NetworkDescription {
  halved(options.inputShape, 3, Math.floor)
  const blocks = [1, 2, 3].flatMap((k) => [
    { name: `conv${k}`, type: 'conv3d', channels: 5, kernel: 3, padding: 1 },
    { name: `relu${k}`, type: 'relu' },
    { name: `pool${k}`, ...pool },
    { name: `norm${k}`, type: 'batchNorm', epsilon: 1e-3, momentum: 0.01 },
  ])
  const head = [64, 32].flatMap((units, k) => [
    { name: `dropout${k + 1}`, type: 'dropout', rate: options.dropout ?? 0.1 },
    { name: `dense${k + 1}`, type: 'dense', units },
    { name: `dense${k + 1}.relu`, type: 'relu' },
  ])
  const end = [
    { name: 'dropout3', type: 'dropout', rate: options.dropout ?? 0.1 },
    { name: 'dense3', type: 'dense', units: classCountOf(options) },
  ]
  return describe('dyrba', options, [...blocks, { name: 'flatten', type: 'flatten' }, ...head, ...end])
}

export interface PosterOptions extends ArchitectureOptions {
  /** Width of each block. Default 8, 16, 32, 64, 128. */
  channels?: readonly number[]
  /** Widths of hidden dense layers. Default none. */
  hidden?: readonly number[]
  /** Slope of the LeakyReLU. Default 0.01. */
  slope?: number
}

/** Thibeau-Sutre et al. 2020: blocks of [Conv 3^3, BN, LeakyReLU, max-pool], dropout (0.79 in the chosen one), dense. */
export function posterCnn(options: PosterOptions): NetworkDescription {
  const { channels = [8, 16, 32, 64, 128], hidden = [], slope = 0.01, dropout = 0.79 } = options
  halved(options.inputShape, channels.length, Math.floor)
  const blocks = channels.flatMap((width, k) => [
    { name: `conv${k + 1}`, type: 'conv3d', channels: width, kernel: 3, padding: 1 },
    { name: `norm${k + 1}`, type: 'batchNorm' },
    { name: `relu${k + 1}`, type: 'leakyRelu', slope },
    { name: `pool${k + 1}`, ...pool },
  ])
  const dense = hidden.flatMap((units, k) => [
    { name: `dense${k + 1}`, type: 'dense', units },
    { name: `dense${k + 1}.relu`, type: 'leakyRelu', slope },
  ])
  const start = [
    { name: 'flatten', type: 'flatten' },
    { name: 'dropout', type: 'dropout', rate: dropout },
  ]
  const end = { name: 'output', type: 'dense', units: classCountOf(options) }
  return describe('poster_cnn', options, [...blocks, ...start, ...dense, end])
}

/** A small posterCnn for phantoms of about 4 mm: 8, 16, 32 channels, dropout 0.2. */
export function smallCnn(options: ArchitectureOptions): NetworkDescription {
  const description = posterCnn({ dropout: 0.2, channels: [8, 16, 32], ...options })
  return { ...description, name: 'small_cnn' }
}

/** Input values that feed one output: PyTorch counts axis 1 times the kernel, for transposed convolutions as well. */
function fanIn(shape: readonly number[]): number {
  return product(shape.slice(1))
}

/**
 * A network with PyTorch's default initial weights: convolutions and dense layers uniform within 1 / sqrt(fan-in)
 * (Kaiming with a = sqrt 5), norms the identity, PReLU slopes 0.25. The same seed gives the same network everywhere.
 */
export function initialise(description: NetworkDescription, seed: number): Network {
  const weights = new Map<string, Weight>()
  for (const { layer, weights: shapes } of layerShapes(description)) {
    const kernel = shapes.get(`${layer.name}.weight`)
    for (const [name, shape] of shapes) {
      const data = new Float32Array(product(shape))
      if (layer.type === 'conv3d' || layer.type === 'convTranspose3d' || layer.type === 'dense') {
        const bound = 1 / Math.sqrt(fanIn(kernel!))
        const next = uniformStream(seed, name)
        for (let k = 0; k < data.length; k++) data[k] = (2 * next() - 1) * bound
      } else if (layer.type === 'prelu') data.fill(0.25)
      else if (name.endsWith('.weight') || name.endsWith('.running_var')) data.fill(1)
      weights.set(name, { shape, data })
    }
  }
  return { description, weights }
}

/** Architectures by name, for command lines. */
export const architectures = { conv5Fc3, conv4Fc3, dyrba, posterCnn, smallCnn } as const
