/** Gradient rules of matrix products: y = A B, dA = dy B', dB = A' dy, laid out as a and b are. */
import { type MatmulOptions, matmul } from '../ops/dense.ts'
import type { Tensor } from '../tensor.ts'
import type { Rules } from './rule.ts'

export const denseRules: Rules = {
  matmul: ({ inputs, attributes }, [dy], wanted) => {
    const [a, b] = inputs as [Tensor, Tensor]
    const { transposeA, transposeB } = attributes as Required<MatmulOptions>
    const da = () =>
      transposeA
        ? matmul(b, dy!, { transposeA: transposeB, transposeB: true })
        : matmul(dy!, b, { transposeB: !transposeB })
    const db = () =>
      transposeB
        ? matmul(dy!, a, { transposeA: true, transposeB: transposeA })
        : matmul(a, dy!, { transposeA: !transposeA })
    return [wanted[0] ? da() : undefined, wanted[1] ? db() : undefined]
  },
}
