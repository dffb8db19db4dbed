/** The score of one class. Gradient: gradients/softmax.ts. */
import { requireShape } from '../errors.ts'
import { apply, constant, formatShape, type Node, type Operation, sizeOf, type Tensor } from '../tensor.ts'
import { requireLabels } from './labels.ts'
import { linearGroups } from './launch.ts'

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
