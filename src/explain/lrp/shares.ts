/**
 * The AlphaBeta rule of a convolution under a max-pool, in kernels of its own (shaders/lrp): relevance arrives at the pool's
 * winners only, so the sums of positive (or negative) products are needed only there, and both signs of the input go through
 * one kernel, because the part is taken of each product. In row kernels, which are those of CPU adapters.
 */
import type { ConvGeometry } from '../../engine/ops/conv.ts'
import { windowsOf } from '../../engine/ops/conv-pool.ts'
import { convProblem } from '../../engine/ops/conv-problem.ts'
import { canUnpool, rowsPool, rowsUnpool } from '../../engine/ops/conv-rows.ts'
import '../../engine/shaders-lrp.gen.ts'
import {
  apply,
  type Constants,
  type Dispatch,
  type Node,
  type Operation,
  storageOf,
  type Tensor,
} from '../../engine/tensor.ts'
import type { Linear } from './linear.ts'
import { isNonNegative } from './paths.ts'

/** Which part of products counts. */
export type Part = 'positive' | 'negative'

const negative = (part: Part): Constants => ({ NEGATIVE: part === 'negative' ? 1 : 0 })
const geometryOf = (node: Node): ConvGeometry => (node.attributes as { geometry: ConvGeometry }).geometry

/** True where both of these can do it for a convolution, and the max-pool that follows it. */
export function hasShares({ node, x }: Linear, pool: Node): boolean {
  const windows = windowsOf(pool)
  const full = pool.inputs[0]!
  if (node.operation.name !== 'conv3d' || !windows || `${full.shape}` !== `${node.outputs[0]!.shape}`) return false
  return canUnpool(convProblem(full, node.inputs[1]!, x, geometryOf(node), true), windows)
}

/** sum_i part(x_i w_ij) at the winners of a max-pool over the convolution: [N, M, D', H', W'] of the pool. */
export function shareAtWinners({ node, x, w, nonNegative }: Linear, pool: Node, part: Part): Tensor {
  const [like, index] = pool.outputs as [Tensor, Tensor]
  const signs = { ...negative(part), SIGNED: nonNegative ? 0 : 1 }
  const afterRelu = isNonNegative(like)
  const operation: Operation = {
    name: 'lrp_share',
    lower({ outputs }, context) {
      const y = outputs[0]!
      const problem = convProblem(x, w, node.outputs[0]!, geometryOf(node), false)
      const [pooling] = rowsPool(problem, windowsOf(pool)!, y, index, [], context) as [Dispatch]
      const { PADDED, PARTIAL, ZERO, ...constants } = pooling.constants!
      const bind = { x, w, index, y }
      return [{ ...pooling, kernel: 'lrp/rows_pick_part', constants: { ...constants, ...signs }, bind }]
    },
    join({ outputs }, { nodes, dispatches }) {
      const [first, ...others] = dispatches
      if (part === 'negative' || !afterRelu || others.length > 0) return undefined
      if (first?.kernel !== 'conv/rows_pool' || !nodes.includes(pool)) return undefined
      if (first.bind.x !== storageOf(x) || first.bind.w !== storageOf(w)) return undefined
      return [{ ...first, kernel: 'lrp/rows_pool_part', bind: { ...first.bind, share: outputs[0]! } }]
    },
  }
  return apply(operation, [x, w, index], [{ shape: like.shape }]).outputs[0]!
}

/** sum_j s_j part(x_i w_ij) of the shape of x, where s is given at the winners of a max-pool and zero elsewhere. */
export function shareBack({ node, x, w }: Linear, pool: Node, s: Tensor, part: Part): Tensor {
  const index = pool.outputs[1]!
  const operation: Operation = {
    name: 'lrp_share_back',
    lower({ outputs }, context) {
      const y = outputs[0]!
      const problem = convProblem(pool.inputs[0]!, w, y, geometryOf(node), true)
      const [unpooling] = rowsUnpool(problem, windowsOf(pool)!, s, index, context) as [Dispatch]
      const constants = { ...unpooling.constants, ...negative(part) }
      return [{ ...unpooling, kernel: 'lrp/rows_unpool_part', constants, bind: { dy: s, index, w, x, y } }]
    },
  }
  return apply(operation, [s, index, w, x], [{ shape: x.shape }]).outputs[0]!
}
