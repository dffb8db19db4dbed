/** Networks that are a chain of convolutional blocks and dense layers: ClinicaDL's, Dyrba's, and the poster's family. */
import { InputError } from '../io/errors.ts'
import {
  type ArchitectureOptions,
  classCountOf,
  describe,
  halved,
  type LayerJson,
  padPool,
  pool,
} from './architectures-base.ts'
import type { NetworkDescription } from './description.ts'

/** ClinicaDL's convolutional part: blocks of Conv 3^3, BN, ReLU, PadMaxPool, with the names of its checkpoints. */
function clinicaDl(options: ArchitectureOptions, head: readonly number[], name: string): NetworkDescription {
  const channels = [8, 16, 32, 64, 128]
  halved(options.inputShape, channels.length, Math.ceil)
  let sizes = options.inputShape.slice(1)
  const blocks = channels.flatMap((width, k) => {
    const pooling = padPool(sizes)
    sizes = sizes.map((n) => Math.ceil(n / 2))
    return [
      { name: `convolutions.${4 * k}`, type: 'conv3d', channels: width, kernel: 3, padding: 1 },
      { name: `convolutions.${4 * k + 1}`, type: 'batchNorm' },
      { name: `convolutions.${4 * k + 2}`, type: 'relu' },
      { name: `convolutions.${4 * k + 3}`, ...pooling },
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
  /** Convolutions of each block, one number for all. Default 1. */
  convolutions?: number | readonly number[]
  /** What follows each convolution. Default 'batch'. */
  norm?: 'batch' | 'instance' | 'none'
  /** How a block halves the volume: max-pool, max-pool after ClinicaDL's zero padding, or a stride of its last convolution. Default 'pool'. */
  reduction?: 'pool' | 'padded-pool' | 'stride'
  /** Widths of hidden dense layers. Default none. */
  hidden?: readonly number[]
  /** Slope of the LeakyReLU. Default 0.01. */
  slope?: number
}

/**
 * Thibeau-Sutre et al. 2020, and what ClinicaDL's random search draws from: blocks of [Conv 3^3, BN, LeakyReLU] once or
 * more and a max-pool, dropout (0.79 in the chosen one), dense layers.
 * @throws InputError for an input that is too small, or options that no network has
 */
export function posterCnn(options: PosterOptions): NetworkDescription {
  const { channels = [8, 16, 32, 64, 128], convolutions = 1, norm = 'batch', reduction = 'pool' } = options
  const { hidden = [], slope = 0.01, dropout = 0.79 } = options
  const counts = typeof convolutions === 'number' ? channels.map(() => convolutions) : convolutions
  if (counts.length !== channels.length || counts.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new InputError(`convolutions: ${channels.length} blocks need as many whole numbers from 1, got [${counts}]`)
  }
  halved(options.inputShape, channels.length, reduction === 'pool' ? Math.floor : Math.ceil)
  let sizes = options.inputShape.slice(1)
  const blocks = channels.flatMap((width, b): LayerJson[] => {
    const layers = Array.from({ length: counts[b]! }, (_, k): LayerJson[] => {
      const id = counts[b] === 1 ? `${b + 1}` : `${b + 1}.${k + 1}`
      const stride = reduction === 'stride' && k === counts[b]! - 1 ? 2 : 1
      return [
        { name: `conv${id}`, type: 'conv3d', channels: width, kernel: 3, padding: 1, stride },
        ...(norm === 'none' ? [] : [{ name: `norm${id}`, type: `${norm}Norm` }]),
        { name: `relu${id}`, type: 'leakyRelu', slope },
      ]
    })
    const pooling = reduction === 'padded-pool' ? padPool(sizes) : pool
    sizes = sizes.map((n) => Math.ceil(n / 2))
    return [...layers.flat(), ...(reduction === 'stride' ? [] : [{ name: `pool${b + 1}`, ...pooling }])]
  })
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
