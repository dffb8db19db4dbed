/** Cross-entropy. Only training needs it: it brings its kernels and its gradient along. */
import '../shaders-train.gen.ts'
import { requireShape, ShapeError } from '../errors.ts'
import { apply, constant, formatShape, type Node, type Operation, sizeOf, type Tensor } from '../tensor.ts'
import { requireLabels } from './labels.ts'
import { linearGroups } from './launch.ts'

/**
 * Cross-entropy of logits with class labels, a scalar: sum over n of w[label] (-log softmax(logits[n])[label]), divided for
 * reduction 'mean' (default) by the sum of w[label], as PyTorch's cross_entropy. A row whose label is not a class
 * (negative, too large, NaN) is ignored, as PyTorch does with ignore_index; when all are, the loss is 0.
 * @param logits [N, K]. @param labels [N], u32, or f32 holding integers. @param options.weights [K] >= 0, default ones.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: { weights?: Tensor; reduction?: 'mean' | 'sum' } = {},
): Tensor {
  const constants = requireLabels('crossEntropy', logits, labels)
  const { ROWS: rows, CLASSES: classes } = constants
  const weights = options.weights ?? constant([classes], new Float32Array(classes).fill(1), 'class weights')
  requireShape(
    sizeOf(weights.shape) === classes,
    `crossEntropy: ${classes} classes need ${classes} weights, got ${formatShape(weights.shape)}`,
  )
  const operation: Operation = {
    name: 'cross_entropy',
    gradient: (node, [dy], wanted) => {
      if (wanted.includes(true, 1))
        throw new ShapeError('crossEntropy has a gradient for the logits only, not for labels or class weights')
      return [crossEntropyGradient(node, dy!)]
    },
    lower: ({ outputs: [y, log_sum, divisor] }) => [
      {
        kernel: 'softmax/cross_entropy',
        constants: { ...constants, MEAN: options.reduction === 'sum' ? 0 : 1 },
        bind: { x: logits, labels, weights, y: y!, log_sum: log_sum!, divisor: divisor! },
        groups: [1, 1, 1],
      },
    ],
  }
  return apply(operation, [logits, labels, weights], [{ shape: [] }, { shape: [rows] }, { shape: [1] }]).outputs[0]!
}

/** Gradient of a cross-entropy node with respect to its logits. */
function crossEntropyGradient(node: Node, dy: Tensor): Tensor {
  const [x, labels, weights] = node.inputs as [Tensor, Tensor, Tensor]
  const [, log_sum, divisor] = node.outputs as [Tensor, Tensor, Tensor]
  const operation: Operation = {
    name: 'cross_entropy_gradient',
    lower: ({ outputs }) => [
      {
        kernel: 'softmax/cross_entropy_gradient',
        constants: requireLabels('crossEntropy', x, labels),
        bind: { x, labels, weights, log_sum, divisor, dy, y: outputs[0]! },
        groups: linearGroups(sizeOf(x.shape), 64),
      },
    ],
  }
  return apply(operation, [x, labels, weights, log_sum, divisor, dy], [{ shape: x.shape }]).outputs[0]!
}
