/** Operations that move values without computing. Gradients: gradients/shape.ts. */
import { requireShape } from '../errors.ts'
import { apply, type Dispatch, formatShape, type Operation, type Shape, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'
import { axisConstants, requireMovable, stridedCopy, stridesOf } from './strided.ts'

/** The same values under another shape. @throws ShapeError when the sizes differ. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (formatShape(x.shape) === formatShape(shape)) return x
  requireShape(sizeOf(shape) === sizeOf(x.shape), `cannot reshape ${formatShape(x.shape)} to ${formatShape(shape)}`)
  const operation: Operation = {
    name: 'reshape',
    view: true,
    lower: () => [],
  }
  return apply(operation, [x], [{ shape }]).outputs[0]!
}

/** All axes but the first joined: [N, ...] -> [N, size]. */
export function flatten(x: Tensor): Tensor {
  return reshape(x, [x.shape[0] ?? 1, sizeOf(x.shape.slice(1))])
}

/**
 * Tensors joined along an axis; all other sizes are the same.
 * @throws ShapeError for no tensors, an axis that they do not have, or sizes that differ.
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [head] = tensors
  requireShape(head !== undefined, 'concat: no tensors')
  requireShape(isAxis(head, axis), `concat: axis ${axis} of a tensor of ${formatShape(head.shape)}`)
  for (const t of tensors) {
    requireShape(t.dtype === 'f32', `concat: the tensors must be f32, got ${t.dtype}`)
    requireShape(
      t.shape.length === head.shape.length && t.shape.every((d, k) => k === axis || d === head.shape[k]),
      `concat: ${formatShape(head.shape)} and ${formatShape(t.shape)} differ outside axis ${axis}`,
    )
  }
  if (tensors.length === 1) return head
  const total = tensors.reduce((n, t) => n + t.shape[axis]!, 0)
  const inner = sizeOf(head.shape.slice(axis + 1))
  const operation: Operation = {
    name: 'concat',
    lower(node) {
      let start = 0
      return tensors.map((x): Dispatch => {
        const size = x.shape[axis]!
        const constants = { COUNT: sizeOf(x.shape), ROW: size * inner, ROWS: total * inner, FIRST: start * inner }
        start += size
        const bind = { x, y: node.outputs[0]! }
        return { kernel: 'shape/place', constants, bind, groups: linearGroups(sizeOf(x.shape)) }
      })
    },
  }
  const shape = head.shape.map((d, k) => (k === axis ? total : d))
  return apply(operation, tensors, [{ shape }], { axis }).outputs[0]!
}

/**
 * A box cut out of x: y[c] = x[starts + c * steps], of shape `sizes`.
 * @param starts, sizes, steps one number for each axis of x; steps are positive, default 1.
 * @throws ShapeError when the box leaves x.
 */
export function slice(
  x: Tensor,
  starts: readonly number[],
  sizes: Shape,
  steps: readonly number[] = x.shape.map(() => 1),
): Tensor {
  requireMovable('slice', x)
  const fits = x.shape.every((d, k) => isBelow(starts[k], d) && starts[k]! + (sizes[k]! - 1) * steps[k]! < d)
  const whole = steps.every((s) => Number.isInteger(s) && s > 0)
  const ranks = [starts, sizes, steps].every((list) => list.length === x.shape.length)
  requireShape(
    ranks && whole && fits,
    `slice: starts [${starts}], sizes [${sizes}], steps [${steps}] do not fit a tensor of ${formatShape(x.shape)}`,
  )
  if (formatShape(sizes) === formatShape(x.shape)) return x
  const strides = stridesOf(x.shape)
  const offset = starts.reduce((sum, s, k) => sum + s * strides[k]!, 0)
  const operation: Operation = {
    name: 'slice',
    lower: (node) => [
      stridedCopy(
        x,
        node.outputs[0]!,
        strides.map((s, k) => s * steps[k]!),
        offset,
      ),
    ],
  }
  return apply(operation, [x], [{ shape: sizes }], { starts, steps }).outputs[0]!
}

export interface PadOptions {
  /** Elements added before and after, one number for each axis of x. */
  readonly front: readonly number[]
  readonly back: readonly number[]
  /** What they hold; default 0. */
  readonly value?: number
}

/** x with a constant border. @throws ShapeError for negative or missing widths (slice crops). */
export function pad(x: Tensor, { front, back, value = 0 }: PadOptions): Tensor {
  requireShape(
    [front, back].every((list) => list.length === x.shape.length && list.every((w) => Number.isInteger(w) && w >= 0)),
    `pad: front [${front}] and back [${back}] must be ${x.shape.length} whole numbers each, not negative`,
  )
  if ([...front, ...back].every((w) => w === 0)) return x
  const shape = x.shape.map((d, k) => front[k]! + d + back[k]!)
  return spread(x, shape, { front, steps: x.shape.map(() => 1), value })
}

/**
 * x set into a larger box filled with `value`, its elements `steps` apart: y[front + c * steps] = x[c].
 * With value 0 the adjoint of slice.
 */
export function spread(
  x: Tensor,
  shape: Shape,
  { front, steps, value = 0 }: { front: readonly number[]; steps: readonly number[]; value?: number },
): Tensor {
  requireMovable('pad', x)
  const operation: Operation = {
    name: 'pad',
    lower: (node) => [
      {
        kernel: 'shape/pad',
        constants: {
          COUNT: sizeOf(shape),
          VALUE: value,
          ...axisConstants('SHAPE', shape, 1),
          ...axisConstants('SIZE', x.shape, 1),
          ...axisConstants('FRONT', front, 0),
          ...axisConstants('STEP', steps, 1),
        },
        bind: { x, y: node.outputs[0]! },
        groups: linearGroups(sizeOf(shape)),
      },
    ],
  }
  return apply(operation, [x], [{ shape }], { front, steps }).outputs[0]!
}

/** Axes in another order: axis k of the result is axis axes[k] of x. @throws ShapeError when axes is no permutation. */
export function transpose(x: Tensor, axes: readonly number[]): Tensor {
  requireMovable('transpose', x)
  requireShape(
    axes.length === x.shape.length && x.shape.every((_, k) => axes.includes(k)),
    `transpose: [${axes}] is no order of the axes of ${formatShape(x.shape)}`,
  )
  if (axes.every((a, k) => a === k)) return x
  const strides = stridesOf(x.shape)
  const operation: Operation = {
    name: 'transpose',
    lower: (node) => [
      stridedCopy(
        x,
        node.outputs[0]!,
        axes.map((a) => strides[a]!),
      ),
    ],
  }
  return apply(operation, [x], [{ shape: axes.map((a) => x.shape[a]!) }], { axes }).outputs[0]!
}

/** x with the given axes reversed. @throws ShapeError for an axis that x does not have. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  requireMovable('flip', x)
  requireShape(
    axes.every((a) => isAxis(x, a)),
    `flip: axes [${axes}] of a tensor of ${formatShape(x.shape)}`,
  )
  if (axes.length === 0) return x
  const strides = stridesOf(x.shape)
  const offset = strides.reduce((sum, s, k) => (axes.includes(k) ? sum + s * (x.shape[k]! - 1) : sum), 0)
  const operation: Operation = {
    name: 'flip',
    lower: (node) => [
      stridedCopy(
        x,
        node.outputs[0]!,
        strides.map((s, k) => (axes.includes(k) ? -s : s)),
        offset,
      ),
    ],
  }
  return apply(operation, [x], [{ shape: x.shape }], { axes }).outputs[0]!
}

function isBelow(value: number | undefined, end: number): boolean {
  return value !== undefined && Number.isInteger(value) && value >= 0 && value < end
}

function isAxis(x: Tensor, axis: number): boolean {
  return isBelow(axis, x.shape.length)
}
