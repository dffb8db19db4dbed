/** How convolutions run: which kernels and temporaries, for a CPU adapter and for hardware. */
import type { Dispatch, LowerContext, Tensor } from '../tensor.ts'
import { general, hardwareVariants, problemKey } from './conv-hardware.ts'
import type { ConvProblem, Triple } from './conv-problem.ts'
import { rows } from './conv-rows.ts'
import { sliceGroups } from './launch.ts'

/** Dispatches for a convolution. Every variant gives the same bits. */
export function convolve(p: ConvProblem, context: LowerContext): Dispatch[] {
  if (!context.software) {
    const { variants, preferred } = hardwareVariants(p)
    return context.choose('conv3d', problemKey(p), variants, preferred)
  }
  const variants = { rows: () => paddedRows(p, context), general: () => [general(p)] }
  return context.choose('conv3d', problemKey(p), variants, 'rows')
}

/** Row kernels know no zeros between voxels: those are put there first, and borders with them. */
function paddedRows(p: ConvProblem, context: LowerContext): Dispatch[] {
  if (p.up.every((u) => u === 1)) return rows(p, context)
  const needed = p.out.map((o, a) => (o - 1) * p.stride[a]! + p.dilation[a]! * (p.kernel[a]! - 1) + 1)
  const padded = context.scratch([p.n, p.groups * p.ci, ...needed])
  const plain = { ...p, x: padded, size: needed as unknown as Triple, front: [0, 0, 0], up: [1, 1, 1] } as const
  return [padDispatch(p.x, padded, p.front, p.up), ...rows(plain, context)]
}

/** x with zeros around and between its voxels. */
export function padDispatch(x: Tensor, y: Tensor, front: readonly number[], up: readonly number[]): Dispatch {
  const planes = x.shape[0]! * x.shape[1]!
  const constants = { PLANES: planes, IN: x.shape.slice(2), OUT: y.shape.slice(2), FRONT: front, UP: up }
  return { kernel: 'conv/pad', constants, bind: { x, y }, groups: sliceGroups(y) }
}
