/** The ONNX operators that become layers, by name. */
import { InputError } from '../../io/errors.ts'
import { product } from '../layer-rules.ts'
import * as arithmetic from './onnx-arithmetic.ts'
import * as choice from './onnx-choice.ts'
import { asFloat, fixed, inferenceRate } from './onnx-constants.ts'
import * as curves from './onnx-curves.ts'
import { erf, gelu } from './onnx-gelu.ts'
import { type Call, type Graph, isLive, liveInput, type Value } from './onnx-graph.ts'
import * as norms from './onnx-norms.ts'
import * as reduce from './onnx-reduce.ts'
import { resize } from './onnx-resize.ts'
import * as shapes from './onnx-shapes.ts'
import { isFloatType } from './onnx-tensor.ts'
import { averagePool, conv, convTranspose, globalPool, maxPool } from './onnx-windows.ts'

/** Layers for one node; the values of its outputs. */
export type Convert = (call: Call, g: Graph) => Value | readonly (Value | undefined)[]

const same: Convert = (call) => liveInput(call, 0)

/** A dropout layer where the rate is known, so that training goes on as it was; its mask drops nothing. */
const dropout: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const rate = inferenceRate(call)
  const shape = [g.batch, ...x.sizes]
  if (call.outputs[1]) g.spend(product(shape))
  const mask = call.outputs[1] ? fixed(shape, new Float64Array(product(shape)).fill(1), true) : undefined
  const y = rate > 0 && rate <= 0.999 ? g.add(call.name, 'dropout', [x], { rate: Number(rate.toPrecision(6)) }) : x
  return [y, mask]
}

const cast: Convert = (call) => {
  if (!isFloatType(call.number('to', 0))) throw new InputError('it turns values of the network into integers')
  return liveInput(call, 0)
}

/** To the type of another value: only floating-point ones keep what the network's values are. */
const castLike: Convert = (call) => {
  const like = call.inputs[1]
  if (like && !isLive(like) && like.integer) throw new InputError('it turns values of the network into integers')
  const x = call.inputs[0]
  return x && !isLive(x) && x.source === undefined ? asFloat(x) : liveInput(call, 0)
}

const argMax: Convert = () => {
  throw new InputError('it turns values of the network into indices, which is supported only at the end of the graph')
}

const { activation } = curves

export const operators: Readonly<Record<string, Convert>> = {
  Abs: activation('abs'),
  Add: arithmetic.add,
  And: choice.logicalAnd,
  ArgMax: argMax,
  AveragePool: averagePool,
  BatchNormalization: norms.batchNormalization,
  Cast: cast,
  CastLike: castLike,
  Celu: curves.celu,
  Clip: curves.clip,
  Concat: shapes.concat,
  Conv: conv,
  ConvTranspose: convTranspose,
  DepthToSpace: shapes.depthToSpace,
  Div: arithmetic.divide,
  Dropout: dropout,
  Elu: activation('elu', (call) => ({ alpha: call.number('alpha', 1) })),
  Erf: erf,
  Exp: activation('exp'),
  Expand: shapes.expand,
  Flatten: shapes.flatten,
  Gather: shapes.gather,
  Gelu: gelu,
  Gemm: arithmetic.gemm,
  GlobalAveragePool: globalPool('globalAvgPool'),
  GlobalMaxPool: globalPool('globalMaxPool'),
  Greater: choice.greater,
  GreaterOrEqual: choice.greaterOrEqual,
  GroupNormalization: norms.groupNormalization,
  HardSigmoid: curves.hardSigmoid,
  HardSwish: curves.hardSwish,
  Identity: same,
  InstanceNormalization: norms.instanceNormalization,
  LayerNormalization: norms.layerNormalization,
  LeakyRelu: activation('leakyRelu', (call) => ({ slope: call.number('alpha', 0.01) })),
  Less: choice.less,
  LessOrEqual: choice.lessOrEqual,
  Log: activation('log'),
  LogSoftmax: shapes.softmax('logSoftmax'),
  MatMul: arithmetic.matMul,
  Max: arithmetic.maximum,
  MaxPool: maxPool,
  Mean: arithmetic.average,
  Min: arithmetic.minimum,
  Mish: curves.mish,
  Mul: arithmetic.multiply,
  Neg: activation('scale', () => ({ factor: -1, offset: 0 })),
  Not: choice.logicalNot,
  PRelu: arithmetic.prelu,
  Pad: shapes.pad,
  Pow: arithmetic.power,
  Reciprocal: arithmetic.reciprocal,
  ReduceL1: reduce.reduceL1,
  ReduceL2: reduce.reduceL2,
  ReduceLogSum: reduce.reduceLogSum,
  ReduceLogSumExp: reduce.reduceLogSumExp,
  ReduceMax: reduce.reduceMax,
  ReduceMean: reduce.reduceMean,
  ReduceMin: reduce.reduceMin,
  ReduceSum: reduce.reduceSum,
  ReduceSumSquare: reduce.reduceSumSquare,
  Relu: activation('relu'),
  Reshape: shapes.reshape,
  Resize: resize,
  Selu: curves.selu,
  Sigmoid: activation('sigmoid'),
  Slice: shapes.slice,
  Softmax: shapes.softmax('softmax'),
  Softplus: activation('softplus'),
  Softsign: curves.softsign,
  SpaceToDepth: shapes.spaceToDepth,
  Split: shapes.split,
  Sqrt: activation('sqrt'),
  Squeeze: shapes.squeeze,
  Sub: arithmetic.subtract,
  Sum: arithmetic.sum,
  Swish: curves.swish,
  Tanh: activation('tanh'),
  ThresholdedRelu: choice.thresholdedRelu,
  Tile: shapes.tile,
  Transpose: shapes.transpose,
  Unsqueeze: shapes.unsqueeze,
  Upsample: resize,
  Where: choice.where,
}
