/** The ONNX operators that become layers, by name. */
import { InputError } from '../../io/errors.ts'
import * as arithmetic from './onnx-arithmetic.ts'
import { erf, gelu } from './onnx-gelu.ts'
import { type Call, fixedInput, type Graph, type Live, liveInput } from './onnx-graph.ts'
import * as shapes from './onnx-shapes.ts'
import { isFloatType } from './onnx-tensor.ts'
import { averagePool, conv, convTranspose, globalPool, maxPool } from './onnx-windows.ts'

/** Layers for one node; the values of its outputs. */
export type Convert = (call: Call, g: Graph) => Live | readonly (Live | undefined)[]

const same: Convert = (call) => liveInput(call, 0)

/** A dropout layer where the rate is known, so that training goes on as it was. */
const dropout: Convert = (call, g) => {
  if (call.outputs[1]) throw new InputError('its second output (the mask) is used; that is not supported')
  const rate = fixedInput(call, 1, 'ratio')?.read()[0] ?? call.number('ratio', 0.5)
  if (!(rate > 0 && rate <= 0.999)) return liveInput(call, 0)
  return g.add(call.name, 'dropout', [liveInput(call, 0)], { rate: Number(rate.toPrecision(6)) })
}

const cast: Convert = (call) => {
  if (!isFloatType(call.number('to', 0))) throw new InputError('it turns values of the network into integers')
  return liveInput(call, 0)
}

export const operators: Readonly<Record<string, Convert>> = {
  Add: arithmetic.add,
  AveragePool: averagePool,
  BatchNormalization: arithmetic.batchNormalization,
  Cast: cast,
  Clip: arithmetic.clip,
  Concat: shapes.concat,
  Conv: conv,
  ConvTranspose: convTranspose,
  Div: arithmetic.divide,
  Dropout: dropout,
  Elu: arithmetic.activation('elu', (call) => ({ alpha: call.number('alpha', 1) })),
  Erf: erf,
  Flatten: shapes.flatten,
  Gather: shapes.gather,
  Gelu: gelu,
  Gemm: arithmetic.gemm,
  GlobalAveragePool: globalPool('globalAvgPool'),
  GlobalMaxPool: globalPool('globalMaxPool'),
  HardSigmoid: arithmetic.hardSigmoid,
  HardSwish: arithmetic.hardSwish,
  Identity: same,
  InstanceNormalization: arithmetic.instanceNormalization,
  LeakyRelu: arithmetic.activation('leakyRelu', (call) => ({ slope: call.number('alpha', 0.01) })),
  LogSoftmax: shapes.softmax('logSoftmax'),
  MatMul: arithmetic.matMul,
  MaxPool: maxPool,
  Mul: arithmetic.multiply,
  Neg: arithmetic.activation('scale', () => ({ factor: -1, offset: 0 })),
  PRelu: arithmetic.prelu,
  Pad: shapes.pad,
  ReduceMax: shapes.reduceMax,
  ReduceMean: shapes.reduceMean,
  ReduceSum: shapes.reduceSum,
  Relu: arithmetic.activation('relu'),
  Reshape: shapes.reshape,
  Resize: shapes.resize,
  Sigmoid: arithmetic.activation('sigmoid'),
  Slice: shapes.slice,
  Softmax: shapes.softmax('softmax'),
  Split: shapes.split,
  Squeeze: shapes.squeeze,
  Sub: arithmetic.subtract,
  Sum: arithmetic.sum,
  Tanh: arithmetic.activation('tanh'),
  Transpose: shapes.transpose,
  Unsqueeze: shapes.unsqueeze,
  Upsample: shapes.resize,
}
