// Writes a row of a trace: trace[(t - 1) % ROWS, :] = x[:], t = counter[0], counted from 1 (see optim/counter).
// x [COUNT]; trace [ROWS, COUNT]. t is a float, exact up to 2^24 runs.
//@include common/linear

const ROWS: u32 = 1u;
const COUNT: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> counter: array<f32>;
@group(0) @binding(2) var<storage, read_write> trace: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= COUNT) { return; }
  let row = (u32(counter[0]) - 1u) % ROWS;
  trace[row * COUNT + i] = x[i];
}
