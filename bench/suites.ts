/** What is measured: each hot kernel of training and explaining, at the layers of the network. */
import { backward } from '../src/engine/backward.ts'
import '../src/engine/gradients/conv-weight.ts'
import type { CompileOptions } from '../src/engine/compile.ts'
import { batchNormTraining } from '../src/engine/ops/batch-norm-training.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import { dense } from '../src/engine/ops/dense.ts'
import { leakyRelu, relu } from '../src/engine/ops/elementwise.ts'
import { batchNorm } from '../src/engine/ops/norm.ts'
import { maxPool3d } from '../src/engine/ops/pool.ts'
import { constant, input, parameter, type Shape, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { applyMask, gatherCells, maskGradient, stepMask } from '../src/explain/mask-ops.ts'
import { maskState } from '../src/explain/mask-state.ts'
import type { Layer } from './layers.ts'
import { values } from './values.ts'

export interface Case {
  readonly suite: string
  readonly pass: string
  readonly layer: string
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly options?: CompileOptions
}

/** The cases of one layer; they are timed in turns. */
type Suite = (layer: Layer) => Case[]

const random = (shape: Shape, seed: number): Tensor => parameter(shape, values(sizeOf(shape), seed))

/** x that never changes: what a backward pass needs of the forward pass is then computed once, and not timed. */
const known = (shape: Shape): Tensor => constant(shape, values(sizeOf(shape), 5))

/** Fixed statistics and weights of a norm. */
function statistics(channels: number) {
  const variance = values(channels, 2).map((v) => 1.5 + v)
  return {
    gamma: random([channels], 3),
    beta: random([channels], 4),
    mean: random([channels], 6),
    variance: parameter([channels], variance),
  }
}

/** Cases of one suite at one layer. */
const casesOf = (suite: string, layer: string) => (pass: string, outputs: Case['outputs'], options?: CompileOptions) =>
  ({ suite, layer, pass, outputs, options }) satisfies Case

const conv: Suite = ({ name, inputs, outputs, size }) => {
  const x = input([1, inputs, ...size])
  const w = random([outputs, inputs, 3, 3, 3], 1)
  const y = conv3d(x, w, { padding: 1 })
  const [dx, dw] = backward(y, [x, w], { seed: input(y.shape) })
  const block = leakyRelu(batchNorm(y, statistics(outputs)))
  const timed = casesOf('conv', name)
  return [
    timed('forward', { y }),
    timed('data gradient', { dx: dx! }),
    timed('weight gradient', { dw: dw! }),
    timed('forward + norm + leaky', { block }, { frozen: true }),
  ]
}

const pool: Suite = ({ name, outputs, size }) => {
  const shape = [1, outputs, ...size]
  // Odd axes get a zero in front, as in the network.
  const front = size.map((d) => d % 2)
  const pooled = (x: Tensor) =>
    maxPool3d(x, { kernel: 2, stride: 2, padding: { front, back: [0, 0, 0] }, padValue: 'zero' })
  const x = known(shape)
  const y = pooled(x)
  const [dx] = backward(y, [x], { seed: input(y.shape) })
  const timed = casesOf('pool', name)
  return [timed('forward', { y: pooled(input(shape)) }), timed('backward', { dx: dx! })]
}

const norm: Suite = ({ name, outputs, size }) => {
  const shape = [1, outputs, ...size]
  const { mean: runningMean, variance: runningVariance, ...trained } = statistics(outputs)
  const train = (x: Tensor) => batchNormTraining(x, { ...trained, runningMean, runningVariance })
  const { y, update } = train(input(shape))
  const x = known(shape)
  const [dx, dGamma, dBeta] = backward(train(x).y, [x, trained.gamma, trained.beta], { seed: input(shape) })
  const timed = casesOf('norm', name)
  return [
    timed('inference', { y: batchNorm(input(shape), statistics(outputs)) }, { frozen: true }),
    timed('training forward', { y }, { effects: [update] }),
    timed('training backward', { dx: dx!, dGamma: dGamma!, dBeta: dBeta! }, { frozen: true }),
  ]
}

const map: Suite = ({ name, outputs, size }) => [
  casesOf('map', name)('relu', { y: relu(input([1, outputs, ...size])) }),
]

/** The network's largest weight matrix, which follows the last layer. */
const full: Suite = () => {
  const [from, to] = [10240, 1300]
  const x = input([1, from])
  const w = random([to, from], 7)
  const y = dense(x, w)
  const [dx, dw] = backward(y, [x, w], { seed: input(y.shape) })
  const timed = casesOf('dense', `${from}->${to}`)
  return [timed('forward', { y }), timed('data gradient', { dx: dx! }), timed('weight gradient', { dw: dw! })]
}

/** Everything of a mask step but the network: apply, gradient, regularisers, Adam, clamp, loss terms. */
const mask: Suite = ({ size }) => {
  const shape = [1, 1, ...size]
  const x = input(shape)
  const fill = constant([1], new Float32Array(1))
  const state = maskState(size, 1, 4096)
  const jitter = { seed: 1, jitter: 0 }
  const masked = applyMask(x, fill, state, jitter)
  const gradient = gatherCells(maskGradient(input(shape), x, fill), state, jitter)
  const options = { beta1: 1, beta2: 2, slope: [1, 1, 1] as const, learningRate: 0.1, tolerance: 0 }
  const effects = stepMask(gradient, input([1]), state, options)
  return [casesOf('mask', size.join('x'))('step', { masked }, { effects })]
}

/** By name; each takes a layer. Where a layer says nothing new, a suite is run at one of them only. */
export const suites: Readonly<Record<string, { readonly cases: Suite; readonly at?: 'first' | 'last' }>> = {
  conv: { cases: conv },
  pool: { cases: pool },
  norm: { cases: norm },
  map: { cases: map },
  dense: { cases: full, at: 'last' },
  mask: { cases: mask, at: 'first' },
}
