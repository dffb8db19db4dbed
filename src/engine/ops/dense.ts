/** Matrix products and dense layers. */
import { requireShape } from '../errors.ts'
import { apply, type Dispatch, formatShape, type LowerContext, type Operation, type Tensor } from '../tensor.ts'
import { channelShift } from './elementwise.ts'
import { linearGroups } from './launch.ts'

export interface MatmulOptions {
  /** Use a's transpose. */
  transposeA?: boolean
  /** Use b's transpose. */
  transposeB?: boolean
}

/**
 * Matrix product [P, Q] x [Q, R] -> [P, R]; a is [Q, P] with transposeA, b is [R, Q] with transposeB.
 * @throws ShapeError when the inner sizes differ.
 */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor {
  requireShape(
    a.shape.length === 2 && b.shape.length === 2,
    `matmul: two matrices are needed, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
  )
  const [p, q] = transposeA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
  const [q2, r] = transposeB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!]
  requireShape(
    q === q2,
    `matmul: inner sizes ${q} and ${q2} of ${formatShape(a.shape)} and ${formatShape(b.shape)} differ`,
  )
  const rows = { P: p, Q: q, R: r, A_ROW: transposeA ? 1 : q, A_COLUMN: transposeA ? p : 1 }
  const operation: Operation = {
    name: 'matmul',
    lower: (node, context) => [product(rows, transposeB, a, b, node.outputs[0]!, context)],
  }
  return apply(operation, [a, b], [{ shape: [p, r] }], { transposeA, transposeB }).outputs[0]!
}

/** Sizes of a product and the strides of a. */
interface Rows {
  readonly P: number
  readonly Q: number
  readonly R: number
  readonly A_ROW: number
  readonly A_COLUMN: number
}

/** Sums at least this long are split among the threads of a hardware GPU. */
const LONG = 128

/**
 * A hardware GPU reads b, the weights of a dense layer, four words at a time where its rows allow it. Only leaves: a program
 * may store other tensors as f16.
 */
function product(rows: Rows, transposeB: boolean, a: Tensor, b: Tensor, y: Tensor, context: LowerContext): Dispatch {
  const { P: p, Q: q, R: r } = rows
  const bind = { a, b, y }
  const flops = 2 * p * q * r
  const vec4 = !context.software && b.leaf !== undefined && (transposeB ? q : r) % 4 === 0
  if (transposeB && context.software) {
    const constants = { ...rows, TP: Math.min(p, 4), TR: Math.min(r, 4) }
    const groups = linearGroups(Math.ceil(p / constants.TP) * Math.ceil(r / constants.TR), 64)
    return { kernel: 'dense/serial', constants, bind, groups, flops }
  }
  if (transposeB) {
    const tp = Math.min(p, 4)
    // With fewer rows a workgroup there are more workgroups, which a GPU needs to keep its memory busy.
    const tr = Math.min(r, vec4 ? (r >= 1024 ? 2 : 1) : 4)
    const groups = linearGroups(Math.ceil(p / tp) * Math.ceil(r / tr), 1)
    const constants = { ...rows, TP: tp, TR: tr }
    return { kernel: vec4 ? 'dense/reduce_vec4' : 'dense/reduce', constants, bind, groups, flops }
  }
  const split = vec4 && q >= LONG
  const tp = Math.min(p, split ? 4 : 8)
  const [gx, gy] = linearGroups(r, 64)
  const groups = [gx, gy, Math.ceil(p / tp)] as const
  return { kernel: split ? 'dense/columns_vec4' : 'dense/columns', constants: { ...rows, TP: tp }, bind, groups, flops }
}

/**
 * Dense layer: x [N, K], weight [M, K], bias [M] -> [N, M].
 * @throws ShapeError when K differs.
 */
export function dense(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const y = matmul(x, weight, { transposeB: true })
  return bias ? channelShift(y, bias) : y
}
