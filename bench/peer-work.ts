/** What is compared: one convolution pass, the network's forward pass, or a whole step of mask optimisation. */
import { conv5Fc3, initialise } from '../src/model/architectures.ts'
import type { Network } from '../src/model/description.ts'
import type { Layer, Size } from './layers.ts'
import type { Run } from './peer-measure.ts'
import { values } from './values.ts'

export const PASSES = ['forward', 'data gradient', 'weight gradient'] as const
export type Pass = (typeof PASSES)[number]

export type Work =
  | { readonly kind: 'conv'; readonly pass: Pass; readonly layer: Layer }
  /** Conv5_FC3 from a scan to logits. */
  | { readonly kind: 'network'; readonly size: Size }
  /** Mask, network, gradient, regularisers, Adam, clamp. */
  | { readonly kind: 'mask'; readonly size: Size }

export type ConvWork = Extract<Work, { kind: 'conv' }>

/** Values by name. `result` of a convolution, `logits` of a network, `scores` and `relevance` of mask steps. */
export type Outcome = Readonly<Record<string, Float32Array>>

/** What one library makes of a piece of work, with its operands in place. */
export interface Side {
  /** Library and configuration, as the table shows them. */
  readonly name: string
  /** Largest difference from ours, relative (see `difference`), that is still the same result. */
  readonly tolerance: number
  readonly run: Run
  read(): Promise<Outcome>
  dispose(): void | Promise<void>
}

/** A side that could not be started, and why. */
export interface Refusal {
  readonly name: string
  readonly reason: string
}

/** A library. Several sides where it has several ways to do the same work. */
export interface Peer<W = Work> {
  readonly name: string
  readonly version: string
  /** Whether it is asked at all; e.g. a library for inference has no gradients. */
  does(work: W): boolean
  start(work: W): Promise<readonly (Side | Refusal)[]>
  close(): void | Promise<void>
}

/** Float32 sums in another order. */
export const SAME = 1e-4
/** The same over a whole network and several steps, where a gradient near 0 may take another sign. */
export const SAME_STEPS = 1e-3

export function workName(work: Work): string {
  if (work.kind === 'conv') return `${work.pass} ${work.layer.name}`
  return `${work.kind === 'mask' ? 'mask step' : 'network forward'} @${work.size.join('x')}`
}

/** x [C, D, H, W], w [M, C, 3, 3, 3], dy [M, D, H, W]. */
export function convOperands({ layer }: ConvWork): Readonly<Record<'x' | 'w' | 'dy', Float32Array>> {
  const { inputs, outputs, size } = layer
  const voxels = size[0] * size[1] * size[2]
  return {
    x: values(inputs * voxels, 1),
    w: values(inputs * outputs * 27, 2),
    dy: values(outputs * voxels, 3),
  }
}

/** A scan as grey-matter maps are: values from 0 to 1. */
export function scanOf(size: Size): Float32Array {
  return values(size[0] * size[1] * size[2], 4).map((v) => 0.5 + 0.5 * v)
}

/**
 * Mask optimisation as in the paper: one cell a voxel, everywhere in the volume, masked voxels become 1; means over voxels.
 * `slope` is the derivative, per cm, of a difference of 1 between neighbours. `steps` are compared.
 */
export const MASK = {
  lambda1: 2,
  lambda2: 0.5,
  beta1: 1,
  beta2: 3,
  spacing: [1.5, 1.5, 1.5],
  slope: 10 / 1.5,
  learningRate: 0.1,
  target: 1,
  steps: 3,
} as const

/** Conv5_FC3 with norms that do something and logits that a mask can move. */
export function benchNetwork(size: Size): Network {
  const description = conv5Fc3({ inputShape: [1, ...size] })
  const network = initialise(description, 1)
  const weights = new Map(network.weights)
  for (const layer of description.layers.filter(({ type }) => type === 'batchNorm')) {
    const change = (name: string, make: (v: number) => number, seed: number) => {
      const { shape, data } = weights.get(`${layer.name}.${name}`)!
      weights.set(`${layer.name}.${name}`, { shape, data: values(data.length, seed).map(make) })
    }
    change('weight', (v) => 1 + 0.2 * v, 5)
    change('bias', (v) => 0.2 * v, 6)
    change('running_mean', (v) => 0.1 * v, 7)
    change('running_var', (v) => 0.3 + 0.1 * v, 8)
  }
  return { description, weights }
}

/** Conv5_FC3 without our names: what the libraries need to build it. */
export interface PlainNetwork {
  /** 3^3 convolution, padding 1; y scale + shift (a frozen norm); ReLU; `front` zeros before odd axes; max-pool 2^3. */
  readonly blocks: readonly PlainBlock[]
  /** weight [to, from], bias [to]; ReLU between them. */
  readonly dense: readonly PlainDense[]
}
export interface PlainBlock {
  readonly inputs: number
  readonly outputs: number
  readonly size: Size
  readonly front: Size
  readonly weight: Float32Array
  readonly bias: Float32Array
  readonly scale: Float32Array
  readonly shift: Float32Array
}
export interface PlainDense {
  readonly from: number
  readonly to: number
  readonly weight: Float32Array
  readonly bias: Float32Array
}

export function plainNetwork({ description, weights }: Network): PlainNetwork {
  const data = (layer: string, name: string) => weights.get(`${layer}.${name}`)!.data
  const norms = description.layers.filter(({ type }) => type === 'batchNorm')
  let size = description.input.slice(1) as unknown as Size
  const blocks = description.layers
    .filter(({ type }) => type === 'conv3d')
    .map(({ name }, k): PlainBlock => {
      const norm = norms[k] as { name: string; epsilon: number }
      const variance = data(norm.name, 'running_var')
      const mean = data(norm.name, 'running_mean')
      const scale = data(norm.name, 'weight').map((gamma, c) => gamma / Math.sqrt(variance[c]! + norm.epsilon))
      const shift = data(norm.name, 'bias').map((beta, c) => beta - mean[c]! * scale[c]!)
      const [outputs, inputs] = weights.get(`${name}.weight`)!.shape as [number, number]
      const front = size.map((d) => d % 2) as unknown as Size
      const block = { inputs, outputs, size, front, weight: data(name, 'weight'), bias: data(name, 'bias') }
      size = size.map((d) => Math.ceil(d / 2)) as unknown as Size
      return { ...block, scale, shift }
    })
  const dense = description.layers
    .filter(({ type }) => type === 'dense')
    .map(({ name }) => {
      const [to, from] = weights.get(`${name}.weight`)!.shape as [number, number]
      return { from, to, weight: data(name, 'weight'), bias: data(name, 'bias') }
    })
  return { blocks, dense }
}

/**
 * How far two outcomes are apart, the worst over their parts. A part differs by the largest difference over the largest
 * value; relevance by the root mean square of the differences over that of the values. Infinite when there is nothing to
 * compare.
 */
export function difference(ours: Outcome, theirs: Outcome): number {
  const names = Object.keys(ours)
  return Math.max(
    ...names.map((name) => {
      const their = theirs[name]
      if (their?.length !== ours[name]!.length) return Number.POSITIVE_INFINITY
      return name === 'relevance' ? meanSquare(ours[name]!, their) : furthest(ours[name]!, their)
    }),
  )
}

function furthest(ours: Float32Array, theirs: Float32Array): number {
  let largest = 0
  let apart = 0
  for (let k = 0; k < theirs.length; k++) {
    largest = Math.max(largest, Math.abs(theirs[k]!))
    apart = Math.max(apart, Math.abs(ours[k]! - theirs[k]!))
    if (Number.isNaN(ours[k]! - theirs[k]!)) return Number.POSITIVE_INFINITY
  }
  return largest > 0 ? apart / largest : Number.POSITIVE_INFINITY
}

function meanSquare(ours: Float32Array, theirs: Float32Array): number {
  let whole = 0
  let apart = 0
  for (let k = 0; k < theirs.length; k++) {
    whole += theirs[k]! ** 2
    apart += (ours[k]! - theirs[k]!) ** 2
  }
  return whole > 0 && !Number.isNaN(apart) ? Math.sqrt(apart / whole) : Number.POSITIVE_INFINITY
}
