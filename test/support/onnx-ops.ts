/** ONNX operators in terms of the engine's operations, as far as the test vectors use them. */

import { batchNormTraining } from '../../src/engine/ops/batch-norm-training.ts'
import { conv3d } from '../../src/engine/ops/conv.ts'
import { matmul } from '../../src/engine/ops/dense.ts'
import { add, affine, leakyRelu, relu } from '../../src/engine/ops/elementwise.ts'
import { crossEntropy } from '../../src/engine/ops/loss.ts'
import { batchNorm } from '../../src/engine/ops/norm.ts'
import { adam } from '../../src/engine/ops/optimizer.ts'
import { avgPool3d, globalAvgPool, maxPool3d } from '../../src/engine/ops/pool.ts'
import { concat, flatten, reshape, transpose } from '../../src/engine/ops/shape.ts'
import { softmax } from '../../src/engine/ops/softmax.ts'
import { type Node, parameter, sizeOf, type Tensor } from '../../src/engine/tensor.ts'
import type { OnnxNode, OnnxTensor } from './onnx.ts'

/** What a node becomes: tensors to read after a run, in the order of its outputs. */
export interface Translated {
  readonly outputs: readonly Tensor[]
  /** Nodes that change their inputs in place. */
  readonly effects?: readonly Node[]
  /** Values to write before the run. */
  readonly writes?: readonly (readonly [Tensor, Float32Array])[]
  /** Outputs as ONNX defines them, where ours differ by definition. */
  readonly finish?: (outputs: readonly Float32Array[]) => Float32Array[]
}

/** The inputs as parameters on the GPU (labels as u32), and their values. */
interface Operands {
  readonly tensors: readonly Tensor[]
  readonly values: readonly Float64Array[]
}

type Translate = (node: OnnxNode, operands: Operands) => Translated

const simple = (build: (inputs: readonly Tensor[], node: OnnxNode) => Tensor): Translate => {
  return (node, { tensors }) => ({ outputs: [build(tensors, node)] })
}

const number = (node: OnnxNode, name: string, otherwise: number) => (node.attributes[name] as number) ?? otherwise
const list = (node: OnnxNode, name: string, otherwise: number) =>
  (node.attributes[name] as number[]) ?? [otherwise, otherwise, otherwise]

function windows(node: OnnxNode) {
  const pads = (node.attributes.pads as number[]) ?? [0, 0, 0, 0, 0, 0]
  return {
    kernel: list(node, 'kernel_shape', 1) as [number, number, number],
    stride: list(node, 'strides', 1) as [number, number, number],
    dilation: list(node, 'dilations', 1) as [number, number, number],
    padding: {
      front: pads.slice(0, 3) as [number, number, number],
      back: pads.slice(3) as [number, number, number],
    },
  }
}

const operators: Readonly<Record<string, Translate>> = {
  Relu: simple(([x]) => relu(x!)),
  LeakyRelu: simple(([x], node) => leakyRelu(x!, number(node, 'alpha', 0.01))),
  Softmax: simple(([x]) => softmax(x!)),
  Dropout: simple(([x]) => affine(x!, 1)),
  Concat: simple((inputs, node) => concat(inputs, number(node, 'axis', 0))),
  Flatten: simple(([x]) => flatten(affine(x!, 1))),
  SoftmaxCrossEntropyLoss: simple(([x, labels]) => crossEntropy(x!, labels!)),
  MaxPool: simple(([x], node) => maxPool3d(x!, windows(node))),
  AveragePool: simple(([x], node) => {
    return avgPool3d(x!, { ...windows(node), countIncludePad: number(node, 'count_include_pad', 0) === 1 })
  }),
  GlobalAveragePool: simple(([x]) => {
    const [n = 1, c = 1, ...size] = x!.shape
    const volume = [...new Array<number>(3 - size.length).fill(1), ...size]
    return globalAvgPool(reshape(x!, [n, c, ...volume]))
  }),
  Conv: simple(([x, w, bias], node) => conv3d(x!, w!, { ...windows(node), bias, groups: number(node, 'group', 1) })),
  Gemm: simple(([a, b, c], node) => {
    const p = number(node, 'transA', 0) ? transpose(a!, [1, 0]) : a!
    const q = number(node, 'transB', 0) ? transpose(b!, [1, 0]) : b!
    return add(affine(matmul(p, q), number(node, 'alpha', 1)), affine(c!, number(node, 'beta', 1)))
  }),
  BatchNormalization(node, { tensors, values }) {
    const [x, gamma, beta, mean, variance] = tensors as [Tensor, Tensor, Tensor, Tensor, Tensor]
    const epsilon = number(node, 'epsilon', 1e-5)
    if (!number(node, 'training_mode', 0)) return { outputs: [batchNorm(x, { gamma, beta, mean, variance, epsilon })] }
    // ONNX's momentum is the share that is kept, PyTorch's the share that is new.
    const kept = number(node, 'momentum', 0.9)
    const running = { runningMean: mean, runningVariance: variance, momentum: 1 - kept }
    const { y, update } = batchNormTraining(x, { gamma, beta, epsilon, ...running })
    // ONNX keeps the biased variance of a batch, PyTorch and we the unbiased one.
    const count = sizeOf(x.shape) / sizeOf(mean.shape)
    const biased = (v: number, k: number) => {
      const before = kept * values[4]![k]!
      return before + ((v - before) * (count - 1)) / count
    }
    const finish = ([a, b, c]: readonly Float32Array[]) => [a!, b!, c!.map(biased)]
    return { outputs: [y, mean, variance], effects: [update], finish }
  },
  Adam(node, { tensors, values }) {
    const [, , x, g] = tensors as [Tensor, Tensor, Tensor, Tensor]
    const [rate, count, , , first, second] = values as Float64Array[]
    if (count![0] !== 0) throw new Error('Adam: only the form without bias correction, T = 0, can be compared')
    const step = adam(x, g, {
      learningRate: rate![0]!,
      beta1: number(node, 'alpha', 0.9),
      beta2: number(node, 'beta', 0.999),
      epsilon: number(node, 'epsilon', 1e-6),
      weightDecay: number(node, 'norm_coefficient', 0),
    })
    const [v, h, counter] = step.state as [Tensor, Tensor, Tensor]
    // After a million steps nothing is left of the bias.
    const late = Float32Array.of(1e6, 1, 1, 0)
    return {
      outputs: [x, v, h],
      effects: [step.node],
      writes: [
        [v, Float32Array.from(first!)],
        [h, Float32Array.from(second!)],
        [counter, late],
      ],
    }
  },
}

/** A node on the engine. @throws for an operator that the vectors do not have. */
export function translateOnnx(node: OnnxNode, inputs: readonly OnnxTensor[]): Translated {
  const translate = operators[node.type]
  if (translate === undefined) throw new Error(`no translation of the ONNX operator ${node.type}`)
  const labels = (k: number) => node.type === 'SoftmaxCrossEntropyLoss' && k === 1
  const tensors = inputs.map((t, k) =>
    parameter(t.shape, labels(k) ? Uint32Array.from(t.data) : Float32Array.from(t.data), t.name || `input ${k}`),
  )
  return translate(node, { tensors, values: inputs.map((t) => t.data) })
}
