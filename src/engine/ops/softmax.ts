/** Softmax and log-softmax over classes. Gradients: gradients/softmax.ts. */
import { requireShape } from '../errors.ts'
import { apply, formatShape, type Operation, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'

/** Constants of the softmax kernels: axis 1 of [N, K, ...] is the classes'. */
function layoutOf(x: Tensor, log: boolean) {
  const [rows = 1, classes = 1] = x.shape
  return { ROWS: rows, CLASSES: classes, INNER: sizeOf(x.shape.slice(2)), LOG: log ? 1 : 0 }
}

function softmaxNode(name: string, x: Tensor, log: boolean): Tensor {
  requireShape(x.shape.length >= 2, `${name}: x must be [N, K] or [N, K, ...], got ${formatShape(x.shape)}`)
  const constants = layoutOf(x, log)
  const operation: Operation = {
    name,
    lower: ({ outputs }) => [
      {
        kernel: 'softmax/softmax',
        constants,
        bind: { x, y: outputs[0]! },
        groups: linearGroups(constants.ROWS * constants.INNER, 64),
        flops: 5 * sizeOf(x.shape),
      },
    ],
  }
  return apply(operation, [x], [{ shape: x.shape }]).outputs[0]!
}

/** exp(x) / sum of exp(x) over axis 1 of [N, K] or [N, K, ...]; stable for any finite x. */
export function softmax(x: Tensor): Tensor {
  return softmaxNode('softmax', x, false)
}

/** log(softmax(x)) over axis 1 of [N, K] or [N, K, ...], without the loss of digits of taking the logarithm. */
export function logSoftmax(x: Tensor): Tensor {
  return softmaxNode('log_softmax', x, true)
}

/** Gradient of softmax or log-softmax from its output p and what arrived there. */
export function softmaxGradient(p: Tensor, dy: Tensor, log: boolean): Tensor {
  const constants = layoutOf(p, log)
  const operation: Operation = {
    name: log ? 'log_softmax_gradient' : 'softmax_gradient',
    lower: ({ outputs }) => [
      {
        kernel: 'softmax/softmax_gradient',
        constants,
        bind: { p, dy, y: outputs[0]! },
        groups: linearGroups(constants.ROWS * constants.INNER, 64),
      },
    ],
  }
  return apply(operation, [dy, p], [{ shape: p.shape }]).outputs[0]!
}
