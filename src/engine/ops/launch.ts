/** Small helpers to size launches. */

/** Workgroups for `count` items at `perGroup` items a workgroup, folded into two axes (see common/linear.wgsl). */
export function linearGroups(count: number, perGroup = 256): [number, number, number] {
  const groups = Math.ceil(count / perGroup)
  if (groups <= 65535) return [groups, 1, 1]
  const y = Math.ceil(groups / 32768)
  return [Math.ceil(groups / y), y, 1]
}
