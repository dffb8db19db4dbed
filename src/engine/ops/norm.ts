/** Batch and instance normalisation of [N, C, ...]. Gradients: gradients/norm.ts. */
import { requireShape } from '../errors.ts'
import {
  apply,
  constant,
  type Dispatch,
  formatShape,
  type Node,
  type Operation,
  sizeOf,
  type Tensor,
} from '../tensor.ts'
import { type ConvGeometry, conv3d } from './conv.ts'
import { add, affine, applyPiece, channelAffine, channelScale, inverseSqrt, multiply, subtract } from './elementwise.ts'
import { linearGroups } from './launch.ts'
import { reshape } from './shape.ts'

/** Elements that one workgroup reduces. */
const CHUNK = 4096

/** Elements [outer, groups, inner] of x; each group is normalised by itself; the channel of a group is group % channels. */
interface Groups {
  readonly outer: number
  readonly groups: number
  readonly inner: number
  readonly channels: number
}

/** The channels of x; checks that x has two axes and vectors one value a channel. */
export function requireChannels(
  name: string,
  x: Tensor,
  vectors: Readonly<Record<string, Tensor | undefined>>,
): number {
  requireShape(x.shape.length >= 2, `${name}: x must be [N, C, ...], got ${formatShape(x.shape)}`)
  const c = x.shape[1]!
  for (const [key, t] of Object.entries(vectors)) {
    requireShape(
      t === undefined || sizeOf(t.shape) === c,
      `${name}: ${key} must have ${c} values, one a channel, got ${t && formatShape(t.shape)}`,
    )
  }
  return c
}

/**
 * Batch normalisation at inference, with fixed statistics: (x - mean) / sqrt(variance + epsilon) * gamma + beta.
 * Built from small operations on vectors and one channelAffine, so that with constant (or frozen) statistics it is
 * computed at compile time and rides on the kernel that makes x. After a convolution the scale goes into the
 * convolution's weights, which leaves a shift. Differentiable in x, gamma and beta.
 * @param x [N, C, ...]; gamma (default 1), beta (default 0), mean, variance: [C].
 * @param options.epsilon default 1e-5.
 */
export function batchNorm(
  x: Tensor,
  options: { gamma?: Tensor; beta?: Tensor; mean: Tensor; variance: Tensor; epsilon?: number },
): Tensor {
  const { gamma, beta, mean, variance, epsilon = 1e-5 } = options
  requireChannels('batchNorm', x, { gamma, beta, mean, variance })
  const inverse = inverseSqrt(variance, epsilon)
  const scale = gamma ? multiply(inverse, gamma) : inverse
  const centre = multiply(mean, scale)
  const shift = beta ? subtract(beta, centre) : affine(centre, -1)
  return foldIntoConvolution(x, scale, shift) ?? channelAffine(x, scale, shift)
}

/** conv(x, w) [+ bias] scaled and shifted by channel, as a convolution with scaled weights and one shift. */
function foldIntoConvolution(y: Tensor, scale: Tensor, shift: Tensor): Tensor | undefined {
  const shifted = y.node?.operation.name === 'channel_shift' ? y.node.inputs : undefined
  const conv = (shifted?.[0] ?? y).node
  if (conv?.operation.name !== 'conv3d') return undefined
  const [x, w] = conv.inputs as [Tensor, Tensor]
  const [outputs, ...rest] = w.shape as [number, ...number[]]
  const scaled = reshape(channelScale(reshape(w, [1, outputs, sizeOf(rest)]), scale), w.shape)
  const { stride, dilation, groups, front, back } = (conv.attributes as { geometry: ConvGeometry }).geometry
  const bias = shifted ? add(multiply(reshape(shifted[1]!, scale.shape), scale), shift) : shift
  return conv3d(x, scaled, { bias, stride, dilation, groups, padding: { front, back } })
}

/** Mean, biased variance and 1 / sqrt(variance + epsilon) of each group: [groups, 3]. */
function statisticsOf(x: Tensor, { outer, groups, inner }: Groups, epsilon: number): Tensor {
  const total = outer * inner
  const chunks = Math.ceil(total / CHUNK)
  const operation: Operation = {
    name: 'norm_statistics',
    lower: ({ outputs }, context): Dispatch[] => {
      const parts = context.scratch([groups, chunks, 2], 'f32', true)
      return [
        {
          kernel: 'norm/chunk_moments',
          constants: { OUTER: outer, GROUPS: groups, INNER: inner, CHUNKS: chunks, CHUNK },
          bind: { x, parts },
          groups: linearGroups(groups * chunks, 1),
          flops: 4 * total * groups,
        },
        {
          kernel: 'norm/statistics',
          constants: { GROUPS: groups, CHUNKS: chunks, CHUNK, TOTAL: total, EPSILON: epsilon },
          bind: { parts, y: outputs[0]! },
          groups: linearGroups(groups, 1),
        },
      ]
    },
  }
  return apply(operation, [x], [{ shape: [groups, 3] }]).outputs[0]!
}

/** x normalised by its own statistics; the node's inputs are x, statistics, gamma, beta. */
export function normalise(
  name: string,
  x: Tensor,
  layout: Groups,
  options: { gamma?: Tensor; beta?: Tensor; epsilon: number },
) {
  const { outer, groups, inner, channels } = layout
  requireShape(
    outer * inner > 1,
    `${name}: ${formatShape(x.shape)} has one value for each mean, so its variance says nothing; use a larger batch or volume`,
  )
  const gamma = options.gamma ?? constant([channels], new Float32Array(channels).fill(1), 'gamma')
  const beta = options.beta ?? constant([channels], new Float32Array(channels), 'beta')
  const statistics = statisticsOf(x, layout, options.epsilon)
  const piece = {
    source: 'norm/normalise',
    constants: { GROUPS: groups, INNER: inner, CHANNELS: channels },
    bind: { statistics, gamma, beta },
  }
  return { y: applyPiece('normalise', piece, x, { ...layout }), statistics }
}

/**
 * Instance normalisation: each channel of each sample by its own mean and (biased) variance over the volume.
 * Differentiable in x, gamma and beta.
 * @param x [N, C, ...]; gamma (default 1), beta (default 0): [C]. @param options.epsilon default 1e-5.
 * @throws ShapeError when a channel of a sample has only one value.
 */
export function instanceNorm(x: Tensor, options: { gamma?: Tensor; beta?: Tensor; epsilon?: number } = {}): Tensor {
  const { gamma, beta, epsilon = 1e-5 } = options
  const channels = requireChannels('instanceNorm', x, { gamma, beta })
  const layout = { outer: 1, groups: x.shape[0]! * channels, inner: sizeOf(x.shape.slice(2)), channels }
  return normalise('instanceNorm', x, layout, { gamma, beta, epsilon }).y
}

/**
 * Group normalisation: neighbouring channels in `groups` groups, each by its own mean and (biased) variance over its channels
 * and the volume; then gamma and beta of each channel. https://arxiv.org/abs/1803.08494
 * @param x [N, C, ...]; gamma, beta: [C]. @param options.epsilon default 1e-5.
 * @throws ShapeError when the groups do not divide the channels, or a group has only one value.
 */
export function groupNorm(
  x: Tensor,
  options: { groups: number; gamma: Tensor; beta: Tensor; epsilon?: number },
): Tensor {
  const { groups, gamma, beta, epsilon } = options
  const channels = requireChannels('groupNorm', x, { gamma, beta })
  requireShape(
    Number.isInteger(groups) && groups > 0 && channels % groups === 0,
    `groupNorm: ${groups} groups do not divide ${channels} channels evenly`,
  )
  const rows = reshape(x, [x.shape[0]!, groups, sizeOf(x.shape.slice(1)) / groups])
  return channelAffine(reshape(instanceNorm(rows, { epsilon }), x.shape), gamma, beta)
}

/**
 * Layer normalisation: the last `axes` axes by their own mean and (biased) variance, then gamma and beta element by element.
 * https://arxiv.org/abs/1607.06450
 * @param x [N, ...]; gamma, beta: of the shape of the last `axes` axes. @param options.epsilon default 1e-5.
 * @throws ShapeError when gamma or beta have another shape, or there is only one value.
 */
export function layerNorm(x: Tensor, options: { axes: number; gamma: Tensor; beta: Tensor; epsilon?: number }): Tensor {
  const { axes, gamma, beta, epsilon } = options
  const kept = x.shape.length - axes
  const inner = x.shape.slice(kept)
  requireShape(
    Number.isInteger(axes) && axes > 0 && kept > 0 && [gamma, beta].every((t) => `${t.shape}` === `${inner}`),
    `layerNorm: ${axes} axes of ${formatShape(x.shape)} with gamma ${formatShape(gamma.shape)} and beta ${formatShape(beta.shape)}`,
  )
  const rows = reshape(x, [sizeOf(x.shape.slice(0, kept)), 1, sizeOf(inner)])
  const normal = reshape(instanceNorm(rows, { epsilon }), x.shape)
  return add(multiply(normal, gamma), beta)
}

/** Gradients of a `normalise` node, the statistics' dependence on x included. Groups' sums: sumDy = sum of dy, sumDyXhat. */
export function normaliseGradient(
  node: Node,
  dy: Tensor,
): { dx: () => Tensor; sumDy: Tensor; sumDyXhat: Tensor; layout: Groups } {
  const [x, statistics, gamma] = node.inputs as [Tensor, Tensor, Tensor]
  const layout = node.attributes as unknown as Groups
  const { outer, groups, inner, channels } = layout
  const total = outer * inner
  const chunks = Math.ceil(total / CHUNK)
  const operation: Operation = {
    name: 'norm_gradient_sums',
    lower: ({ outputs: [sum_dy, sum_dy_xhat, coefficients] }, context): Dispatch[] => {
      const parts = context.scratch([groups, chunks, 2], 'f32', true)
      return [
        {
          kernel: 'norm/chunk_gradient_sums',
          constants: { OUTER: outer, GROUPS: groups, INNER: inner, CHUNKS: chunks, CHUNK },
          bind: { x, dy, statistics, parts },
          groups: linearGroups(groups * chunks, 1),
          flops: 5 * total * groups,
        },
        {
          kernel: 'norm/gradient_sums',
          constants: { GROUPS: groups, CHUNKS: chunks, CHANNELS: channels, TOTAL: total },
          bind: { parts, statistics, gamma, sum_dy: sum_dy!, sum_dy_xhat: sum_dy_xhat!, coefficients: coefficients! },
          groups: linearGroups(groups, 1),
        },
      ]
    },
  }
  const shapes = [{ shape: [groups] }, { shape: [groups] }, { shape: [groups, 4] }]
  const [sumDy, sumDyXhat, coefficients] = apply(operation, [x, dy, statistics, gamma], shapes).outputs as [
    Tensor,
    Tensor,
    Tensor,
  ]
  const piece = {
    source: 'norm/input_gradient',
    constants: { GROUPS: groups, INNER: inner },
    bind: { x, coefficients },
  }
  return { dx: () => applyPiece('normalise_gradient', piece, dy), sumDy, sumDyXhat, layout }
}
