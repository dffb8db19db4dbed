/** Small helpers to size launches. */

/** Workgroups for `count` items at `perGroup` items a workgroup, folded into two axes (see common/linear.wgsl). */
export function linearGroups(count: number, perGroup = 256): [number, number, number] {
  const groups = Math.ceil(count / perGroup)
  if (groups <= 65535) return [groups, 1, 1]
  const y = Math.ceil(groups / 32768)
  return [Math.ceil(groups / y), y, 1]
}

/** Workgroups for the slices of a volume [N, C, D, H, W], 256 voxels of one slice each: chunks along x, slices in y and z. */
export function sliceGroups({ shape }: { readonly shape: readonly number[] }): [number, number, number] {
  const [n, c, d, h, w] = shape as [number, number, number, number, number]
  const slices = n * c * d
  const z = Math.ceil(slices / 65535)
  return [Math.ceil((h * w) / 256), Math.ceil(slices / z), z]
}
