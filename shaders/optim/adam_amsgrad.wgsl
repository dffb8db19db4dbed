// Adam in place with AMSGrad (Reddi, Kale and Kumar 2018), as PyTorch does it:
// g = gradient + weight_decay parameter, or with DECOUPLED parameter *= 1 - learning_rate weight_decay (AdamW);
// first += (1 - beta1) (g - first); second = beta2 second + (1 - beta2) g^2; largest = max(largest, second);
// parameter -= learning_rate / (1 - beta1^t) first / (sqrt(largest / (1 - beta2^t)) + epsilon).
// counter [5] = t, 1 - beta1^t, 1 - beta2^t, halted, factor of the gradient (optim/counter, optim/watch). The rates 1 - beta come from the host, with all their digits.
//@include common/linear

const COUNT: u32 = 1u;
const DECOUPLED: bool = false;

struct Params {
  learning_rate: f32,
  weight_decay: f32,
  rate1: f32, // 1 - beta1
  rate2: f32, // 1 - beta2
  beta2: f32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> first: array<f32>;
@group(0) @binding(4) var<storage, read_write> second: array<f32>;
@group(0) @binding(5) var<storage, read> counter: array<f32>;
@group(0) @binding(6) var<storage, read_write> largest: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if ((i >= COUNT) | (counter[3] > 0.0)) { return; }
  let p = parameter[i];
  let g = gradient[i] * counter[4] + select(params.weight_decay * p, 0.0, DECOUPLED);
  let m = first[i] + params.rate1 * (g - first[i]);
  let v = params.beta2 * second[i] + params.rate2 * g * g;
  first[i] = m;
  second[i] = v;
  let top = max(largest[i], v);
  largest[i] = top;
  let decayed = select(p, p - params.learning_rate * params.weight_decay * p, DECOUPLED);
  parameter[i] = decayed - params.learning_rate / counter[1] * (m / (sqrt(top) / sqrt(counter[2]) + params.epsilon));
}
