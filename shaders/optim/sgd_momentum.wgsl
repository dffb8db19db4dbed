// Gradient descent with momentum in place (PyTorch's SGD): g = gradient + weight_decay parameter;
// velocity = momentum velocity + (1 - dampening) g, and g itself in the first step;
// parameter -= learning_rate velocity, or with NESTEROV learning_rate (g + momentum velocity).
// counter [5]: step t first, 1 in the first step (optim/counter); nothing happens where counter[3] is 1 (optim/watch); the
// gradient is multiplied by counter[4].
//@include common/linear

const COUNT: u32 = 1u;
const NESTEROV: bool = false;

struct Params { learning_rate: f32, weight_decay: f32, momentum: f32, dampening: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(4) var<storage, read> counter: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if ((i >= COUNT) | (counter[3] > 0.0)) { return; }
  let p = parameter[i];
  let g = gradient[i] * counter[4] + params.weight_decay * p;
  var v = params.momentum * velocity[i] + (1.0 - params.dampening) * g;
  if (counter[0] < 1.5) {
    v = g;
  }
  velocity[i] = v;
  let change = select(v, g + params.momentum * v, NESTEROV);
  parameter[i] = p - params.learning_rate * change;
}
