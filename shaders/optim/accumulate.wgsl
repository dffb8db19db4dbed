// Sums over several runs in place: parameter = gradient where start[0] is 1, else parameter + gradient.
// parameter, gradient [COUNT]; start [1].
//@include common/linear

const COUNT: u32 = 1u;

@group(0) @binding(0) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> start: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= COUNT) { return; }
  parameter[i] = gradient[i] + select(parameter[i], 0.0, start[0] > 0.5);
}
