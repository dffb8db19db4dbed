// Advances a step counter in place: state = [t, 1 - beta1^t, 1 - beta2^t, halted], and copies it to y, with a factor of 1
// for gradients behind it. One thread.
// halted is left as it is (optim/watch).
// The powers come from t itself, exp(t log beta), so that no rounding adds up over a long training.
//@include optim/one_minus_exp

struct Params { log_beta1: f32, log_beta2: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let t = state[0] + 1.0;
  let correction1 = one_minus_exp(-t * params.log_beta1);
  let correction2 = one_minus_exp(-t * params.log_beta2);
  state[0] = t;
  state[1] = correction1;
  state[2] = correction2;
  y[0] = t;
  y[1] = correction1;
  y[2] = correction2;
  y[3] = state[3];
  y[4] = 1.0;
}
