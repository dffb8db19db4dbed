// One optimisation step of each mask, fused: gradients of lambda1 |1 - m|^BETA1 and lambda2 |grad m|^BETA2 (forward differences,
// each axis) added to that of the score, Adam, clamp to [0, 1], and the loss terms of the mask before the step.
// gradient: [MASKS, CELLS], of the score; mask: [MASKS, 2, CELLS], reads one copy and writes the other, so that neighbours are
// read before they change; moments: [MASKS, 2, CELLS], Adam's; weights: [MASKS, 2], lambda1 and lambda2 times the weight of one
// cell in the sum or mean; counter: see mask/apply, with the powers of Adam's decays as bits of f32; parts: [MASKS, GROUPS, 3],
// sums of a workgroup: |1 - m|^BETA1, |grad m|^BETA2, |change|. Masks that are not running stay as they are.
// A workgroup has PER times 64 cells. Workgroups: along x and y over one mask, along z the masks.
//@include common/linear

const CELLS: vec3u = vec3u(1u);
const PER: u32 = 1u;
const BETA1: f32 = 1.0;
const BETA2: f32 = 2.0;

struct Params {
  slope: vec3f, // derivative per unit difference of neighbouring cells, along each axis
  learning_rate: f32,
  decay1: f32, // Adam's beta1 and beta2
  decay2: f32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> counter: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> mask: array<f32>;
@group(0) @binding(5) var<storage, read_write> moments: array<f32>;
@group(0) @binding(6) var<storage, read_write> parts: array<f32>;

const COUNT: u32 = CELLS.x * CELLS.y * CELLS.z;
const PLANE: u32 = CELLS.y * CELLS.z;
const GROUPS: u32 = (COUNT + PER * 64u - 1u) / (PER * 64u);

var<workgroup> sums: array<vec3f, 64>;

// a^p for a >= 0, without the trouble that pow has at 0.
fn power(a: f32, p: f32) -> f32 { return select(0.0, pow(max(a, 1e-30), p), a > 1e-30); }

// |v|^BETA1 and its derivative, which is 0 at 0. The usual exponents need no pow, which is slow.
fn area(v: f32) -> f32 {
  if (BETA1 == 1.0) { return abs(v); }
  if (BETA1 == 2.0) { return v * v; }
  return power(abs(v), BETA1);
}
fn area_slope(v: f32) -> f32 {
  if (BETA1 == 1.0) { return sign(v); }
  if (BETA1 == 2.0) { return 2.0 * v; }
  return BETA1 * power(abs(v), BETA1 - 1.0) * sign(v);
}

// The same with BETA2.
fn rough(v: f32) -> f32 {
  if (BETA2 == 1.0) { return abs(v); }
  if (BETA2 == 2.0) { return v * v; }
  if (BETA2 == 3.0) { return v * v * abs(v); }
  return power(abs(v), BETA2);
}
fn rough_slope(v: f32) -> f32 {
  if (BETA2 == 1.0) { return sign(v); }
  if (BETA2 == 2.0) { return 2.0 * v; }
  if (BETA2 == 3.0) { return 3.0 * v * abs(v); }
  return BETA2 * power(abs(v), BETA2 - 1.0) * sign(v);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let e = group.z;
  let task = linear_group(group, groups);
  if (counter[e * 4u + 1u] != 0u || task >= GROUPS) { return; }
  let copy = counter[e * 4u] % 2u;
  let current = (e * 2u + copy) * COUNT;
  let next = (e * 2u + 1u - copy) * COUNT;
  let first_moments = e * 2u * COUNT;
  let lambda1 = weights[e * 2u];
  let lambda2 = weights[e * 2u + 1u];
  let slope = params.slope;
  let correction1 = 1.0 / (1.0 - bitcast<f32>(counter[e * 4u + 2u]) * params.decay1);
  let correction2 = 1.0 / (1.0 - bitcast<f32>(counter[e * 4u + 3u]) * params.decay2);
  var terms = vec3f(0.0);
  for (var k = 0u; k < PER; k++) {
    let i = (task * PER + k) * 64u + lane;
    if (i < COUNT) {
      let row = i / CELLS.z;
      let w = i - row * CELLS.z;
      let h = row % CELLS.y;
      let m = mask[current + i];
      // Beyond the border a cell is its own neighbour: no difference.
      let ahead = vec3f(
        mask[current + select(i, i + PLANE, i + PLANE < COUNT)],
        mask[current + select(i, i + CELLS.z, h + 1u < CELLS.y)],
        mask[current + select(i, i + 1u, w + 1u < CELLS.z)],
      );
      let behind = vec3f(
        mask[current + select(i, i - PLANE, i >= PLANE)],
        mask[current + select(i, i - CELLS.z, h > 0u)],
        mask[current + select(i, i - 1u, w > 0u)],
      );
      let up = slope * (ahead - vec3f(m));
      let down = slope * (vec3f(m) - behind);
      let bend = slope.x * (rough_slope(down.x) - rough_slope(up.x))
        + slope.y * (rough_slope(down.y) - rough_slope(up.y))
        + slope.z * (rough_slope(down.z) - rough_slope(up.z));
      let g = gradient[e * COUNT + i] - lambda1 * area_slope(1.0 - m) + lambda2 * bend;
      let m1 = first_moments + i;
      let m2 = m1 + COUNT;
      let first = params.decay1 * moments[m1] + (1.0 - params.decay1) * g;
      let second = params.decay2 * moments[m2] + (1.0 - params.decay2) * g * g;
      moments[m1] = first;
      moments[m2] = second;
      let change = params.learning_rate * (first * correction1) / (sqrt(second * correction2) + params.epsilon);
      let moved = clamp(m - change, 0.0, 1.0);
      mask[next + i] = moved;
      terms = terms + vec3f(area(1.0 - m), rough(up.x) + rough(up.y) + rough(up.z), abs(moved - m));
    }
  }
  sums[lane] = terms;
  workgroupBarrier();
  if (lane == 0u) {
    var total = sums[0];
    for (var l = 1u; l < 64u; l++) {
      total += sums[l];
    }
    let at = (e * GROUPS + task) * 3u;
    parts[at] = total.x;
    parts[at + 1u] = total.y;
    parts[at + 2u] = total.z;
  }
}
