// total = (first ? 0 : total) + weight (x[0] + x[1] + ... of the first `used` rows): gradients and scores of a group of scans, in
// the order of the scans, however many come at a time. x: [ROWS, COUNT]; total: [COUNT].
//@include common/linear

const ROWS: u32 = 1u;
const COUNT: u32 = 1u;

struct Params {
  first: u32, // 1: start anew
  used: u32,
  weight: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      var sum = 0.0;
      if (params.first == 0u) {
        sum = total[i];
      }
      for (var row = 0u; row < min(params.used, ROWS); row++) {
        sum = sum + params.weight * x[row * COUNT + i];
      }
      total[i] = sum;
    }
  }
}
