/** Cross-entropy, and the score of one class. Gradients: gradients/softmax.ts. */
import { requireShape } from '../errors.ts'
import { apply, constant, formatShape, type Node, type Operation, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'

function requireLabels(
  name: string,
  x: Tensor,
  labels: Tensor,
): { ROWS: number; CLASSES: number; FLOAT_LABELS: number } {
  requireShape(x.shape.length === 2, `${name}: x must be [N, K], got ${formatShape(x.shape)}`)
  const [rows, classes] = x.shape as [number, number]
  requireShape(
    sizeOf(labels.shape) === rows,
    `${name}: ${rows} rows need ${rows} labels, got a tensor of ${formatShape(labels.shape)}`,
  )
  return { ROWS: rows, CLASSES: classes, FLOAT_LABELS: labels.dtype === 'f32' ? 1 : 0 }
}

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
export function crossEntropyGradient(node: Node, dy: Tensor): Tensor {
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

/**
 * The column of one class: y[n] = x[n, index], [N, K] -> [N]; the score an explanation starts from.
 * @param index a class, or a tensor [N] of classes (u32, or f32 holding integers) that can change between runs; where it
 *   is not a class, y is 0.
 * @throws ShapeError for a number that is not a class of x.
 */
export function select(x: Tensor, index: number | Tensor): Tensor {
  const [rows = 1, classes = 1] = x.shape
  requireShape(
    typeof index !== 'number' || (Number.isInteger(index) && index >= 0 && index < classes),
    `select: class ${index} of ${formatShape(x.shape)}; classes are 0 to ${classes - 1}`,
  )
  const labels = typeof index === 'number' ? constant([rows], new Uint32Array(rows).fill(index), 'class') : index
  const constants = requireLabels('select', x, labels)
  const operation: Operation = {
    name: 'select',
    lower: ({ outputs }) => [
      { kernel: 'softmax/pick', constants, bind: { x, labels, y: outputs[0]! }, groups: linearGroups(rows, 64) },
    ],
  }
  return apply(operation, [x, labels], [{ shape: [rows] }]).outputs[0]!
}

/** Gradient of a select node with respect to x: dy in the columns that were picked, 0 elsewhere. */
export function selectGradient(node: Node, dy: Tensor): Tensor {
  const [x, labels] = node.inputs as [Tensor, Tensor]
  const operation: Operation = {
    name: 'select_gradient',
    lower: ({ outputs }) => [
      {
        kernel: 'softmax/pick_gradient',
        constants: requireLabels('select', x, labels),
        bind: { dy, labels, y: outputs[0]! },
        groups: linearGroups(sizeOf(x.shape), 64),
      },
    ],
  }
  return apply(operation, [dy, labels], [{ shape: x.shape }]).outputs[0]!
}
