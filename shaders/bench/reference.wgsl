// y[i] = sum over k < TAPS of x[i + k STEP] w[k], the plain way: one thread an output, a load and a multiply-add at a time.
// Other kernels are timed against it, so it must never change, nor its sizes: recorded ratios would say something else.
// x: [COUNT + (TAPS - 1) STEP]; w: [TAPS]; y: [COUNT], a multiple of 64.
//@include common/linear

const TAPS: u32 = 64u;
const STEP: u32 = 61u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  var total = 0.0;
  for (var k = 0u; k < TAPS; k++) {
    total += x[i + k * STEP] * w[k];
  }
  y[i] = total;
}
