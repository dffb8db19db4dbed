// End of a step of each mask: the loss terms are summed into the trace, the counter moves on, and a mask stops running when its
// loss has settled or its steps are used up, whatever the other masks do.
// parts: [MASKS, GROUPS, 3] and weights: [MASKS, 2], of mask/step; score: [MASKS]; trace: [MASKS, LENGTH, 4] = score,
// sum |1 - m|^beta1, sum |grad m|^beta2, sum |change|; counter: [MASKS, 4] = step, state (0 running, 1 settled, 2 out of steps),
// decay1^step, decay2^step (as bits of f32). Settled: every WINDOW steps, when the loss averaged over that many steps differs from
// that of as many before by less than `tolerance` of itself. One workgroup a mask (along z), fixed order.

const GROUPS: u32 = 1u;
const LENGTH: u32 = 1u;
const WINDOW: u32 = 10u;

struct Params {
  decay1: f32,
  decay2: f32,
  tolerance: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> score: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> trace: array<f32>;
@group(0) @binding(5) var<storage, read_write> counter: array<u32>;

var<workgroup> sums: array<vec3f, 64>;

// Sum of the loss over WINDOW steps of mask e, from row `start` on.
fn window_sum(e: u32, start: u32) -> f32 {
  var total = 0.0;
  for (var k = 0u; k < WINDOW; k++) {
    let at = (e * LENGTH + start + k) * 4u;
    total = total + trace[at] + weights[e * 2u] * trace[at + 1u] + weights[e * 2u + 1u] * trace[at + 2u];
  }
  return total;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let e = group.z;
  var terms = vec3f(0.0);
  for (var k = lane; k < GROUPS; k += 64u) {
    let at = (e * GROUPS + k) * 3u;
    terms = terms + vec3f(parts[at], parts[at + 1u], parts[at + 2u]);
  }
  sums[lane] = terms;
  workgroupBarrier();
  if (lane == 0u && counter[e * 4u + 1u] == 0u) {
    var total = sums[0];
    for (var l = 1u; l < min(GROUPS, 64u); l++) {
      total += sums[l];
    }
    let step = counter[e * 4u];
    let at = (e * LENGTH + step % LENGTH) * 4u;
    trace[at] = score[e];
    trace[at + 1u] = total.x;
    trace[at + 2u] = total.y;
    trace[at + 3u] = total.z;
    let done = step + 1u;
    var settled = false;
    if (done % WINDOW == 0u && done >= 2u * WINDOW) {
      let now = window_sum(e, done - WINDOW);
      settled = abs(window_sum(e, done - 2u * WINDOW) - now) < params.tolerance * abs(now);
    }
    counter[e * 4u] = done;
    counter[e * 4u + 1u] = select(select(0u, 2u, done >= LENGTH), 1u, settled);
    counter[e * 4u + 2u] = bitcast<u32>(bitcast<f32>(counter[e * 4u + 2u]) * params.decay1);
    counter[e * 4u + 3u] = bitcast<u32>(bitcast<f32>(counter[e * 4u + 3u]) * params.decay2);
  }
}
