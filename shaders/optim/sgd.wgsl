// Gradient descent in place, without momentum: parameter -= learning_rate (gradient + weight_decay parameter).
// counter [5]: nothing happens where counter[3] is 1 (optim/watch); the gradient is multiplied by counter[4].
//@include common/linear

const COUNT: u32 = 1u;

struct Params { learning_rate: f32, weight_decay: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> counter: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if ((i >= COUNT) | (counter[3] > 0.0)) { return; }
  let p = parameter[i];
  parameter[i] = p - params.learning_rate * (gradient[i] * counter[4] + params.weight_decay * p);
}
