/** Networks whose layers take more than the layer before: ResNet and DenseNet with three axes. */
import { InputError } from '../io/errors.ts'
import {
  type ArchitectureOptions,
  classCountOf,
  describe,
  halved,
  type LayerJson,
  padPool,
} from './architectures-base.ts'
import type { NetworkDescription } from './description.ts'

/** A list of layers that knows which was last, so that branches can be joined. */
function chain() {
  const layers: LayerJson[] = []
  let last = 'input'
  return {
    layers,
    get last() {
      return last
    },
    /** Appends a layer that takes `inputs`, by default the last one; gives its name. */
    add(name: string, layer: LayerJson, inputs: readonly string[] = [last]): string {
      layers.push({ name, inputs: [...inputs], ...layer })
      last = name
      return name
    },
  }
}

type Chain = ReturnType<typeof chain>

/** A norm follows, whose shift does a bias's work. */
function convolution(channels: number, kernel: 1 | 3, stride = 1): LayerJson {
  return { type: 'conv3d', channels, kernel, padding: kernel === 3 ? 1 : 0, stride, bias: false }
}

/** Mean over the volume, dropout, classes. */
function finish(net: Chain, options: ArchitectureOptions): void {
  net.add('pool', { type: 'globalAvgPool' })
  net.add('dropout', { type: 'dropout', rate: options.dropout ?? 0.2 })
  net.add('output', { type: 'dense', units: classCountOf(options) })
}

export interface ResNetOptions extends ArchitectureOptions {
  /** Width of each stage. Default 8, 16, 32, 64. */
  channels?: readonly number[]
  /** Basic blocks of each stage, one number for all. Default 1. */
  blocks?: number | readonly number[]
  /** How stages after the first halve the volume: a stride of their first block, or a max-pool before it. Default 'stride'. */
  reduction?: 'stride' | 'pool'
}

/**
 * A ResNet of basic blocks (He et al. 2016, section 3) with three axes: conv 3^3, BN, ReLU and a max-pool; then stages of
 * blocks [conv 3^3, BN, ReLU, conv 3^3, BN] + shortcut, ReLU. The shortcut is the block's input, or where sizes or
 * widths differ its projection [conv 1^3, BN]. All halvings round up. Dropout 0.2 before the classes.
 * @throws InputError for an input or options that do not fit
 */
export function resnet3d(options: ResNetOptions): NetworkDescription {
  const { channels = [8, 16, 32, 64], reduction = 'stride' } = options
  const counts = perStage('blocks', options.blocks ?? 1, channels.length)
  halved(options.inputShape, channels.length, Math.ceil)
  let sizes = options.inputShape.slice(1)
  const net = chain()
  const halve = (name: string) => {
    net.add(name, padPool(sizes))
    sizes = sizes.map((n) => Math.ceil(n / 2))
  }
  net.add('conv1', convolution(channels[0]!, 3))
  net.add('norm1', { type: 'batchNorm' })
  net.add('relu1', { type: 'relu' })
  halve('pool1')
  let width = channels[0]!
  channels.forEach((wanted, s) => {
    const stage = `stage${s + 1}`
    if (s > 0 && reduction === 'pool') halve(`${stage}.pool`)
    for (let b = 0; b < counts[s]!; b++) {
      const stride = s > 0 && b === 0 && reduction === 'stride' ? 2 : 1
      basicBlock(net, `${stage}.${b + 1}`, { from: width, to: wanted, stride })
      if (stride === 2) sizes = sizes.map((n) => Math.ceil(n / 2))
      width = wanted
    }
  })
  finish(net, options)
  return describe('resnet3d', options, net.layers)
}

function basicBlock(
  net: Chain,
  name: string,
  { from, to, stride }: { from: number; to: number; stride: number },
): void {
  const start = net.last
  net.add(`${name}.conv1`, convolution(to, 3, stride))
  net.add(`${name}.norm1`, { type: 'batchNorm' })
  net.add(`${name}.relu1`, { type: 'relu' })
  net.add(`${name}.conv2`, convolution(to, 3))
  const main = net.add(`${name}.norm2`, { type: 'batchNorm' })
  let shortcut = start
  if (from !== to || stride !== 1) {
    net.add(`${name}.shortcut`, convolution(to, 1, stride), [start])
    shortcut = net.add(`${name}.shortcut.norm`, { type: 'batchNorm' })
  }
  net.add(`${name}.add`, { type: 'add' }, [main, shortcut])
  net.add(`${name}.relu2`, { type: 'relu' })
}

export interface DenseNetOptions extends ArchitectureOptions {
  /** Channels that each layer adds. Default 8. */
  growth?: number
  /** Layers of each dense block. Default 2, 2, 2, 2. */
  layers?: readonly number[]
  /** Channels a transition keeps, as a share. Default 0.5. */
  compression?: number
}

/**
 * A DenseNet (Huang et al. 2017, without bottlenecks) with three axes: conv 3^3 of twice the growth, BN, ReLU and a
 * max-pool; dense blocks whose layers [BN, ReLU, conv 3^3] see all those before them in the block; between blocks a
 * transition [BN, ReLU, conv 1^3, average-pool 2]; BN, ReLU. All halvings round up. Dropout 0.2 before the classes.
 * @throws InputError for an input or options that do not fit
 */
export function densenet3d(options: DenseNetOptions): NetworkDescription {
  const { growth = 8, layers = [2, 2, 2, 2], compression = 0.5 } = options
  perStage('layers', layers, layers.length)
  if (!(compression > 0 && compression <= 1)) {
    throw new InputError(`compression is ${compression}; a transition keeps a share above 0, at most 1`)
  }
  halved(options.inputShape, layers.length, Math.ceil)
  const net = chain()
  let width = 2 * growth
  net.add('conv1', convolution(width, 3))
  net.add('norm1', { type: 'batchNorm' })
  net.add('relu1', { type: 'relu' })
  net.add('pool1', padPool(options.inputShape.slice(1)))
  layers.forEach((count, b) => {
    const block = `block${b + 1}`
    const made = [net.last]
    for (let k = 1; k <= count; k++) {
      const name = `${block}.${k}`
      if (made.length > 1) net.add(`${name}.concat`, { type: 'concat', axis: 1 }, made)
      net.add(`${name}.norm`, { type: 'batchNorm' })
      net.add(`${name}.relu`, { type: 'relu' })
      made.push(net.add(`${name}.conv`, convolution(growth, 3)))
      width += growth
    }
    net.add(`${block}.concat`, { type: 'concat', axis: 1 }, made)
    const last = b === layers.length - 1
    const end = last ? 'end' : `transition${b + 1}`
    net.add(`${end}.norm`, { type: 'batchNorm' })
    net.add(`${end}.relu`, { type: 'relu' })
    if (last) return
    width = Math.max(1, Math.floor(compression * width))
    net.add(`${end}.conv`, convolution(width, 1))
    net.add(`${end}.pool`, { type: 'avgPool3d', kernel: 2, stride: 2, ceilMode: true })
  })
  finish(net, options)
  return describe('densenet3d', options, net.layers)
}

function perStage(what: string, value: number | readonly number[], stages: number): readonly number[] {
  const counts = typeof value === 'number' ? new Array<number>(stages).fill(value) : value
  if (stages === 0 || counts.length !== stages || counts.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new InputError(`${what}: one whole number from 1 for each of ${stages} stages is needed, got [${counts}]`)
  }
  return counts
}
