// Flat index of a thread where a one-dimensional problem is folded into a grid of 64-thread workgroups (x fastest),
// because one axis holds at most 65535 workgroups.
fn linear_group(group: vec3u, groups: vec3u) -> u32 {
  return group.y * groups.x + group.x;
}
