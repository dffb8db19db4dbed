// y[i] = x[i]: what memory gives when nothing is computed, the ceiling of every kernel that only moves values.
// x, y: flat; exactly four vectors of four values a thread, 64 apart, so that neighbouring threads touch neighbours.
//@include common/linear

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  //@unroll K 0..4
  let x_$(K) = x[start + $(64 * K)u];
  //@end K
  //@unroll K 0..4
  y[start + $(64 * K)u] = x_$(K);
  //@end K
}
