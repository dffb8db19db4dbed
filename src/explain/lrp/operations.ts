/** The small operations that relevance needs beyond those of networks. */

import { applyPiece } from '../../engine/ops/elementwise.ts'
import { linearGroups } from '../../engine/ops/launch.ts'
import { maxPoolGradient } from '../../engine/ops/pool.ts'
import '../../engine/shaders-lrp.gen.ts'
import { apply, type Constants, type Node, type Operation, sizeOf, type Tensor } from '../../engine/tensor.ts'

/** How a denominator is kept away from zero. */
export interface Stabiliser {
  readonly epsilon: number
  /** Only exact zeros are moved, by epsilon (iNNvestigate's SafeDivide); else every value, away from zero. */
  readonly zeros?: boolean
}

function piece(name: string, v: Tensor, bind: Readonly<Record<string, Tensor>>, constants: Constants): Tensor {
  return applyPiece(`lrp_${name}`, { source: `lrp/${name}`, constants, bind }, v, constants)
}

/**
 * Of values that a max-pool left only at its winners, those at the pooled size, and the pool. What is done to them voxel by
 * voxel costs an eighth there, and what reads the result need not know the rest.
 */
export function atWinners(values: Tensor): { small: Tensor; pool: Node } | undefined {
  if (values.node?.operation.name !== 'max_pool3d_gradient') return undefined
  return { small: values.node.inputs[0]!, pool: (values.node.attributes as { pool: Node }).pool }
}

/** v / s(z), of any shape, both the same. */
export function ratio(v: Tensor, z: Tensor, { epsilon, zeros }: Stabiliser): Tensor {
  const constants = { EPSILON: epsilon, ZEROS: zeros ? 1 : 0 }
  const winners = atWinners(v)
  if (winners === undefined) return piece('ratio', v, { z }, constants)
  const { small, pool } = winners
  return maxPoolGradient(pool, piece('ratio', small, { z: pick(pool, z) }, constants))
}

/** v / s(z) where y has the given sign, else 0. */
export function ratioWhere(v: Tensor, z: Tensor, y: Tensor, sign: 1 | -1, { epsilon }: Stabiliser): Tensor {
  const constants = { EPSILON: epsilon, SIGN: sign }
  const winners = atWinners(v)
  if (winners === undefined) return piece('ratio_where', v, { z, y }, constants)
  const { small, pool } = winners
  return maxPoolGradient(pool, piece('ratio_where', small, { z: pick(pool, z), y: pick(pool, y) }, constants))
}

/** iNNvestigate's rule of a batch norm from x to y: x (y - beta) v / s((x - mean) y). */
export function batchNormShare(v: Tensor, x: Tensor, y: Tensor, mean: Tensor, beta: Tensor): Tensor {
  const constants = { CHANNELS: x.shape[1]!, INNER: sizeOf(x.shape.slice(2)), EPSILON: 1e-7 }
  return piece('batch_norm', v, { x, y, mean, beta }, constants)
}

/** Values of x, of the shape of a max-pool's input, at the pool's winners; 0 where padding won. */
export function pick(pool: Node, x: Tensor): Tensor {
  const [y, index] = pool.outputs as [Tensor, Tensor]
  const planes = y.shape[0]! * y.shape[1]!
  const count = sizeOf(y.shape)
  const operation: Operation = {
    name: 'pick',
    lower: ({ outputs }) => [
      {
        kernel: 'lrp/pick',
        constants: { COUNT: count, OUTPUT: count / planes, INPUT: sizeOf(x.shape) / planes },
        bind: { x, index, y: outputs[0]! },
        groups: linearGroups(count),
      },
    ],
  }
  return apply(operation, [x, index], [{ shape: y.shape }], { pool }).outputs[0]!
}
