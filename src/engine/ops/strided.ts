/** Copies that read their input at regular strides: broadcasting, transposing, slicing, flipping. */
import { requireShape } from '../errors.ts'
import { type Dispatch, formatShape, type Shape, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'

/** Most axes that kernels over coordinates take. */
export const RANK = 6

/** Six numbers, one an axis, missing leading axes filled, as the two vectors NAME_A and NAME_B of a kernel. */
export function axisConstants(name: string, perAxis: readonly number[], missing: number): Record<string, number[]> {
  const six = [...new Array<number>(RANK - perAxis.length).fill(missing), ...perAxis]
  return { [`${name}_A`]: six.slice(0, 3), [`${name}_B`]: six.slice(3) }
}

/** Elements between neighbours along each axis of a row-major array. */
export function stridesOf(shape: Shape): number[] {
  return shape.map((_, k) => sizeOf(shape.slice(k + 1)))
}

/** @throws ShapeError for more than six axes, or values that are not floats. */
export function requireMovable(name: string, x: Tensor): void {
  requireShape(x.shape.length <= RANK, `${name}: at most ${RANK} axes, got ${formatShape(x.shape)}`)
  requireShape(x.dtype === 'f32', `${name}: the tensor must be f32, got ${x.dtype}`)
}

/** y[c] = x[offset + sum of c * strides] for the coordinates c of y. */
export function stridedCopy(x: Tensor, y: Tensor, strides: readonly number[], offset = 0): Dispatch {
  const count = sizeOf(y.shape)
  return {
    kernel: 'shape/strided',
    constants: {
      COUNT: count,
      OFFSET: offset,
      ...axisConstants('SHAPE', y.shape, 1),
      ...axisConstants('STRIDE', strides, 0),
    },
    bind: { x, y },
    groups: linearGroups(count),
  }
}
