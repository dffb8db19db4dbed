/** Copies of a scan without some groups of its voxels, made on the GPU. */
import '../../engine/shaders-judge.gen.ts'
import { requireShape } from '../../engine/errors.ts'
import { linearGroups } from '../../engine/ops/launch.ts'
import { apply, formatShape, type Operation, sizeOf, type Tensor } from '../../engine/tensor.ts'

/**
 * y[n] = x where keep[n, group] is not 0, else fill.
 * @param x, fill [1, C, D, H, W]. @param group u32 like x. @param keep u32 [N, groups]
 * @returns [N, C, D, H, W]
 */
export function keepGroups(x: Tensor, fill: Tensor, group: Tensor, keep: Tensor): Tensor {
  const size = sizeOf(x.shape)
  const [copies, groups] = keep.shape as [number, number]
  const alike = x.shape[0] === 1 && sizeOf(fill.shape) === size && sizeOf(group.shape) === size
  const shapes = [x, fill, group, keep].map(({ shape }) => formatShape(shape)).join(', ')
  requireShape(
    alike && keep.shape.length === 2,
    `keepGroups: one scan, its fill and groups, and a table; got ${shapes}`,
  )
  const operation: Operation = {
    name: 'keep_groups',
    lower: ({ outputs }) => [
      {
        kernel: 'judge/keep_groups',
        constants: { SIZE: size, COPIES: copies, GROUPS: groups },
        bind: { x, fill, group, keep, y: outputs[0]! },
        groups: linearGroups(size, 64),
      },
    ],
  }
  return apply(operation, [x, fill, group, keep], [{ shape: [copies, ...x.shape.slice(1)] }]).outputs[0]!
}
