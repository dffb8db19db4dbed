/**
 * The rule book of DeepLIFT's Rescale rule. What a node passes on, times the change of its input, is what arrived times the
 * change of its output, so that relevance adds up to the change of the score. Elementwise functions pass on the slope
 * between their two values, a max-pool goes by its two winners, and a product by both orders of changing its factors
 * (Lundberg and Lee's attribution of a product), of which instance norm is made too.
 *
 * Captum has the same rules for elementwise functions and max-pools, but adds up in fewer networks: PReLU, clamp, products and
 * instance norm pass on their gradient there, of overlapping windows with one winner only one counts, and where two
 * modules with rules follow each other (a ReLU and its max-pool) the first is given what arrives before the second's rule.
 */
import '../../engine/shaders-explain.gen.ts'
import type { RuleBook } from '../../engine/backward.ts'
import { gradientRules, type Rule, type Rules } from '../../engine/gradients/index.ts'
import {
  add,
  affine,
  applyPiece,
  channelAffine,
  channelScale,
  channelShift,
  divide,
  multiply,
  relu,
  subtract,
} from '../../engine/ops/elementwise.ts'
import { maxPoolGradient } from '../../engine/ops/pool.ts'
import { mean, sum } from '../../engine/ops/reduce.ts'
import { reshape, slice } from '../../engine/ops/shape.ts'
import { type Constants, constant, type Node, type Piece, type Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import type { Network } from '../../model/description.ts'

type Partner = (t: Tensor) => Tensor

/** Operations that change as their gradient says, however far. */
const LINEAR = new Set([
  ...['add', 'subtract', 'affine', 'channel_scale', 'channel_shift', 'channel_affine'],
  ...['conv3d', 'conv_transpose3d', 'matmul', 'sum', 'avg_pool3d', 'band'],
  ...['broadcast', 'reshape', 'concat', 'slice', 'pad', 'transpose', 'flip', 'gather'],
])

/** Elementwise functions without a slope of their own here. */
const SMOOTH = new Set(['exp', 'log', 'sqrt', 'softplus', 'absolute'])

/**
 * @param partner the reference's tensor for one of the scan's graph
 * @throws InputError where the network has a softmax before its end, for which there is no rule
 */
export function rescaleRules(network: Network, partner: Partner): RuleBook {
  const { layers } = network.description
  const inner = layers.slice(0, -1).find(({ type }) => type === 'softmax' || type === 'logSoftmax')
  if (inner) {
    throw new InputError(`DeepLIFT has no rule for the layer "${inner.name}" (${inner.type}) inside a network; try ig`)
  }
  const rules = rescale(partner)
  return ({ operation: { name } }) => {
    if (LINEAR.has(name)) return undefined
    const rule = rules[name]
    if (!rule) throw new InputError(`DeepLIFT has no rule for the operation ${name} of this network; try ig`)
    return rule
  }
}

function rescale(partner: Partner): Rules {
  /** What arrives, times the slope that a piece computes from both inputs. */
  const secant = (node: Node, dy: Tensor, piece: Piece): Tensor => {
    const x = node.inputs[0]!
    return applyPiece('rescale', { ...piece, bind: { x, x0: partner(x), ...piece.bind } }, dy)
  }
  /** Slopes of functions with kinks: `slope` outside [LOW, HIGH], 1 inside. */
  const kinks = (node: Node, dy: Tensor, slope: Tensor | number, constants: Constants = {}): Tensor => {
    const values = typeof slope === 'number' ? constant([1], Float32Array.of(slope), 'slope') : slope
    return secant(node, dy, { source: 'explain/secant_kinks', constants, bind: { slope: values } })
  }
  const of = <V>(node: Node, name: string) => node.attributes[name] as V

  const smooth: Rule = (node, [dy]) => {
    const [gradient] = gradientRules[node.operation.name]!(node, [dy], [true])
    const y = node.outputs[0]!
    return [secant(node, dy!, { source: 'explain/secant', bind: { y, y0: partner(y), gradient: gradient! } })]
  }

  return {
    ...Object.fromEntries([...SMOOTH].map((name) => [name, smooth])),
    relu: (node, [dy]) => [kinks(node, dy!, 0)],
    leaky_relu: (node, [dy]) => [kinks(node, dy!, of<number>(node, 'SLOPE'))],
    prelu(node, [dy]) {
      const constants = { CHANNELS: of<number>(node, 'CHANNELS'), INNER: of<number>(node, 'INNER') }
      return [kinks(node, dy!, node.inputs[1]!, constants)]
    },
    clamp: (node, [dy]) => [kinks(node, dy!, 0, { LOW: of<number>(node, 'LOW'), HIGH: of<number>(node, 'HIGH') })],
    elu: (node, [dy]) => [secant(node, dy!, { source: 'explain/secant_elu', constants: { ALPHA: of(node, 'ALPHA') } })],
    sigmoid: (node, [dy]) => [secant(node, dy!, { source: 'explain/secant_sigmoid' })],
    tanh: (node, [dy]) => [secant(node, dy!, { source: 'explain/secant_sigmoid', constants: { GAIN: 4, FACTOR: 2 } })],
    max_pool3d: (node, [dy]) => [dy && poolWinners(node, dy, partner)],
    multiply({ inputs: [a, b] }, [dy], wanted) {
      const times = (other: Tensor) => multiply(dy!, halfway(other, partner))
      return [wanted[0] ? times(b!) : undefined, wanted[1] ? times(a!) : undefined]
    },
    // a / b is a times r = 1 / b, and r changes by -1 / (b b0) for each change of b.
    divide({ inputs: [a, b] }, [dy], wanted) {
      const b0 = partner(b!)
      const pair = multiply(b!, b0)
      const dr = () => multiply(dy!, halfway(a!, partner))
      return [
        wanted[0] ? divide(multiply(dy!, affine(add(b!, b0), 0.5)), pair) : undefined,
        wanted[1] ? affine(divide(dr(), pair), -1) : undefined,
      ]
    },
    normalise: (node, [dy]) => [normaliseChange(node, dy!, partner)],
  }
}

/** The mean of a tensor and its partner; itself where they are the same. */
function halfway(t: Tensor, partner: Partner): Tensor {
  const other = partner(t)
  return t === other ? t : affine(add(t, other), 0.5)
}

/**
 * A maximum that grew is the work of the scan's winner, one that shrank that of the reference's. The winner changed by at
 * least as much in the same direction, so the multiplier is at most what arrives. A padding zero never is such a winner.
 */
function poolWinners(node: Node, dy: Tensor, partner: Partner): Tensor {
  const [x, y] = [node.inputs[0]!, node.outputs[0]!]
  const twin = partner(y).node!
  const grown = relu(subtract(y, partner(y)))
  const shrunk = affine(relu(subtract(partner(y), y)), -1)
  const own = maxPoolGradient(node, multiply(dy, grown))
  const other = maxPoolGradient(twin, multiply(dy, shrunk))
  return applyPiece('share_pool', { source: 'explain/share_pool', bind: { w: other, x, x0: partner(x) } }, own)
}

/**
 * y = gamma (x - m) r + beta, r = 1 / sqrt(variance + epsilon): a product of x - m and r, where the variance is the mean of
 * (x - m)^2 and r changes by -r^2 r0^2 / (r + r0) for each change of the variance. Where nothing changes: the gradient.
 */
function normaliseChange(node: Node, dy: Tensor, partner: Partner): Tensor {
  const [x, statistics, gamma] = node.inputs as [Tensor, Tensor, Tensor]
  const { groups, inner } = node.attributes as { groups: number; inner: number }
  const rows = [1, groups, inner]
  const column = (of: Tensor, k: number) => reshape(slice(of, [0, k], [groups, 1]), [groups])
  const centred = (of: Tensor, by: Tensor) => channelShift(reshape(of, rows), affine(column(by, 0), -1))
  const deviation = affine(add(centred(x, statistics), centred(partner(x), partner(statistics))), 0.5)
  const [r, r0] = [column(statistics, 2), column(partner(statistics), 2)]
  const product = multiply(r, r0)
  const growth = affine(divide(multiply(product, product), add(r, r0)), -1)
  const arriving = reshape(channelScale(dy, gamma), rows)
  const between = affine(add(r, r0), 0.5)
  const level = affine(multiply(between, mean(arriving, [0, 2])), -1)
  const direct = channelAffine(arriving, between, level)
  const throughVariance = multiply(growth, sum(multiply(arriving, deviation), [0, 2], 2 / inner))
  return reshape(add(direct, channelScale(deviation, throughVariance)), x.shape)
}
