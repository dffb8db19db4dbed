// End of a mask step: the loss terms are summed into the trace, and the counter moves on.
// parts: [GROUPS, 4] of mask/step; score: 1 value; trace: [LENGTH, 4] = score, sum |1 - m|^beta1, sum |grad m|^beta2, sum |change|;
// counter: [step, current copy, decay1^step, decay2^step], the last two as bits of f32. One workgroup, fixed order.

const GROUPS: u32 = 1u;
const LENGTH: u32 = 1u;

struct Params {
  decay1: f32,
  decay2: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> score: array<f32>;
@group(0) @binding(3) var<storage, read_write> trace: array<f32>;
@group(0) @binding(4) var<storage, read_write> counter: array<u32>;

var<workgroup> sums: array<vec3f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var terms = vec3f(0.0);
  for (var k = lane; k < GROUPS; k += 64u) {
    terms += vec3f(parts[k * 4u], parts[k * 4u + 1u], parts[k * 4u + 2u]);
  }
  sums[lane] = terms;
  workgroupBarrier();
  if (lane == 0u) {
    var total = sums[0];
    for (var l = 1u; l < 64u; l++) {
      total += sums[l];
    }
    let step = counter[0];
    let at = (step % LENGTH) * 4u;
    trace[at] = score[0];
    trace[at + 1u] = total.x;
    trace[at + 2u] = total.y;
    trace[at + 3u] = total.z;
    counter[0] = step + 1u;
    counter[1] = 1u - counter[1];
    counter[2] = bitcast<u32>(bitcast<f32>(counter[2]) * params.decay1);
    counter[3] = bitcast<u32>(bitcast<f32>(counter[3]) * params.decay2);
  }
}
