/** Matrix products and dense layers. */
import { requireShape } from '../errors.ts'
import { apply, type Dispatch, formatShape, type Operation, type Tensor } from '../tensor.ts'
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
    lower: (node): Dispatch[] => {
      const bind = { a, b, y: node.outputs[0]! }
      const flops = 2 * p * q * r
      if (transposeB) {
        const [tp, tr] = [Math.min(p, 4), Math.min(r, 4)]
        const groups = linearGroups(Math.ceil(p / tp) * Math.ceil(r / tr), 1)
        return [{ kernel: 'dense/reduce', constants: { ...rows, TP: tp, TR: tr }, bind, groups, flops }]
      }
      const tp = Math.min(p, 8)
      const [gx, gy] = linearGroups(r, 64)
      const groups = [gx, gy, Math.ceil(p / tp)] as const
      return [{ kernel: 'dense/columns', constants: { ...rows, TP: tp }, bind, groups, flops }]
    },
  }
  return apply(operation, [a, b], [{ shape: [p, r] }], { transposeA, transposeB }).outputs[0]!
}

/**
 * Dense layer: x [N, K], weight [M, K], bias [M] -> [N, M].
 * @throws ShapeError when K differs.
 */
export function dense(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const y = matmul(x, weight, { transposeB: true })
  return bias ? channelShift(y, bias) : y
}
