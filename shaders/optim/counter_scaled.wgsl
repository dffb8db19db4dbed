// The step counter of a training whose loss is scaled (Micikevicius et al. 2018; the rules of torch.amp.GradScaler).
// overflow [1]: above 0 where some gradient of this run did not fit into f16. Then the step is skipped: t stays, the scale
// is halved. After INTERVAL runs in a row without one it is doubled.
// state [4] = t, 1 - beta1^t, 1 - beta2^t, halted, as in optim/counter; scale [1]; tally [2] = runs since the last
// change of the scale, skipped steps. y [5] = t, both corrections, whether this run changes nothing, 1 / scale.
// runs [1] = t + skipped steps. One thread. A halted training leaves its scale as it was.
//@include optim/one_minus_exp

const INTERVAL: f32 = 2000.0;
const LARGEST: f32 = 16777216.0;

struct Params { log_beta1: f32, log_beta2: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> tally: array<f32>;
@group(0) @binding(4) var<storage, read> overflow: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> runs: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let halted = state[3] > 0.0;
  let skip = (overflow[0] > 0.0) & !halted;
  let before = scale[0];
  let t = state[0] + select(1.0, 0.0, skip);
  let correction1 = one_minus_exp(-t * params.log_beta1);
  let correction2 = one_minus_exp(-t * params.log_beta2);
  let since = select(tally[0] + 1.0, 0.0, skip);
  let skipped = tally[1] + select(0.0, 1.0, skip);
  let grow = (since >= INTERVAL) & !skip;
  state[0] = t;
  state[1] = correction1;
  state[2] = correction2;
  if (!halted) {
    scale[0] = select(select(before, min(2.0 * before, LARGEST), grow), max(0.5 * before, 1.0), skip);
    tally[0] = select(since, 0.0, grow);
    tally[1] = skipped;
  }
  y[0] = t;
  y[1] = correction1;
  y[2] = correction2;
  y[3] = select(state[3], 1.0, skip);
  y[4] = 1.0 / before;
  runs[0] = t + skipped;
}
