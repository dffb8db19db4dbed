// One optimisation step of a mask, fused: gradient of the score brought to the mask's cells (transpose of trilinear
// upsampling), gradients of lambda1 |1 - m|^beta1 and lambda2 |grad m|^beta2 (forward differences, each axis), Adam, clamp to
// [0, 1], and the loss terms of the mask before the step.
// gradient: [SIZE], d score / d upsampled mask; mask: [2, CELLS], reads copy counter[1], writes the other, so that neighbours
// are read before they change; moments: [2, CELLS], Adam's; counter: see mask/apply; parts: [groups, 4], sums of a workgroup:
// |1 - m|^beta1, |grad m|^beta2, |change|, 0.
//@include common/linear
//@include mask/geometry

const SIZE: vec3u = vec3u(1u);
const CELLS: vec3u = vec3u(1u);
const CELL: u32 = 1u;

struct Params {
  seed: u32,
  jitter: u32,
  lambda1: f32,       // times the weight of one cell in the sum or mean
  lambda2: f32,
  beta1: f32,
  beta2: f32,
  slope: vec3f,       // derivative per unit difference of neighbouring cells, along each axis
  learning_rate: f32,
  decay1: f32,        // Adam's beta1 and beta2
  decay2: f32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> counter: array<u32>;
@group(0) @binding(3) var<storage, read_write> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> moments: array<f32>;
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;

const COUNT: u32 = CELLS.x * CELLS.y * CELLS.z;

var<workgroup> sums: array<vec3f, 64>;

// |v|^p for p >= 0, without pow's trouble at 0.
fn power(v: f32, p: f32) -> f32 {
  let a = abs(v);
  return select(select(0.0, 1.0, p == 0.0), pow(max(a, 1e-30), p), a > 1e-30);
}

// Derivative of |v|^p, p >= 1; 0 at 0.
fn power_slope(v: f32, p: f32) -> f32 { return p * power(v, p - 1.0) * sign(v); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups);
  let i = task * 64u + lane;
  var terms = vec3f(0.0);
  if (i < COUNT) {
    let current = counter[1] * COUNT;
    let next = (1u - counter[1]) * COUNT;
    let shift = shift_of(params.seed, counter[0], params.jitter);
    let c = vec3u(i / (CELLS.y * CELLS.z), i / CELLS.z % CELLS.y, i % CELLS.z);
    let rx = reach(c.x, shift.x, CELLS.x, SIZE.x);
    let ry = reach(c.y, shift.y, CELLS.y, SIZE.y);
    let rz = reach(c.z, shift.z, CELLS.z, SIZE.z);
    var g = 0.0;
    for (var d = rx.x; d <= rx.y; d++) {
      let wd = share(d, shift.x, CELLS.x, c.x);
      for (var h = ry.x; h <= ry.y; h++) {
        let wh = wd * share(h, shift.y, CELLS.y, c.y);
        for (var w = rz.x; w <= rz.y; w++) {
          g += wh * share(w, shift.z, CELLS.z, c.z) * gradient[(u32(d) * SIZE.y + u32(h)) * SIZE.z + u32(w)];
        }
      }
    }
    let m = mask[current + i];
    terms.x = power(1.0 - m, params.beta1);
    g -= params.lambda1 * power_slope(1.0 - m, params.beta1);
    let strides = vec3u(CELLS.y * CELLS.z, CELLS.z, 1u);
    for (var axis = 0u; axis < 3u; axis++) {
      let k = params.slope[axis];
      if (c[axis] + 1u < CELLS[axis]) {
        let ahead = k * (mask[current + i + strides[axis]] - m);
        terms.y += power(ahead, params.beta2);
        g -= params.lambda2 * k * power_slope(ahead, params.beta2);
      }
      if (c[axis] > 0u) {
        g += params.lambda2 * k * power_slope(k * (m - mask[current + i - strides[axis]]), params.beta2);
      }
    }
    let first = params.decay1 * moments[i] + (1.0 - params.decay1) * g;
    let second = params.decay2 * moments[COUNT + i] + (1.0 - params.decay2) * g * g;
    moments[i] = first;
    moments[COUNT + i] = second;
    let c1 = 1.0 - bitcast<f32>(counter[2]) * params.decay1;
    let c2 = 1.0 - bitcast<f32>(counter[3]) * params.decay2;
    let moved = clamp(m - params.learning_rate * (first / c1) / (sqrt(second / c2) + params.epsilon), 0.0, 1.0);
    terms.z = abs(moved - m);
    mask[next + i] = moved;
  }
  sums[lane] = terms;
  workgroupBarrier();
  if (lane == 0u && task * 64u < COUNT) {
    var total = sums[0];
    for (var l = 1u; l < 64u; l++) {
      total += sums[l];
    }
    parts[task * 4u] = total.x;
    parts[task * 4u + 1u] = total.y;
    parts[task * 4u + 2u] = total.z;
    parts[task * 4u + 3u] = 0.0;
  }
}
