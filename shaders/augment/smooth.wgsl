// A Gaussian along one axis, with a width of each scan's own: y[n, .., o, ..] = sum over t of w(|t|) x[n, .., o + t, ..] / sum
// of w, t from -RADIUS to RADIUS; beyond the ends the outermost value repeats. The standard deviation is drawn from
// [0, LARGEST). x, y: [N, COUNT], flat, where the axis has LENGTH values STRIDE apart; scans: [N], the number of each scan;
// seed: [seed, step]. Workgroups: along x and y over one scan, along z the scans; four values a thread, 64 apart, share weights.
//@include common/linear
//@include augment/draw

const LENGTH: u32 = 1u;
const STRIDE: u32 = 1u;
const COUNT: u32 = 1u;
const RADIUS: u32 = 1u;
const LARGEST: f32 = 1.0;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> seed: array<u32>;
@group(0) @binding(2) var<storage, read> scans: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  if (start >= COUNT) { return; }
  // Below a tenth of a voxel the neighbours' share is under 1e-21.
  let sigma = max(LARGEST * unit(draw(0xfffffffdu, scans[group.z], seed[1], seed[0]).x), 0.1);
  // Values past the end repeat the last one; their sums are not stored.
  let value = min(vec4u(start, start + 64u, start + 128u, start + 192u), vec4u(COUNT - 1u));
  let place = (value / STRIDE) % LENGTH;
  let base = group.z * COUNT + value - place * STRIDE;
  let here = base + place * STRIDE;
  var weights = 1.0;
  var total = vec4f(x[here.x], x[here.y], x[here.z], x[here.w]);
  for (var t = 1u; t <= RADIUS; t++) {
    let z = f32(t) / sigma;
    let weight = exp(max(-0.5 * z * z, -80.0));
    let low = base + (max(place, vec4u(t)) - t) * STRIDE;
    let high = base + min(place + t, vec4u(LENGTH - 1u)) * STRIDE;
    let before = vec4f(x[low.x], x[low.y], x[low.z], x[low.w]);
    total = total + weight * (before + vec4f(x[high.x], x[high.y], x[high.z], x[high.w]));
    weights += 2.0 * weight;
  }
  for (var k = 0u; k < 4u; k++) {
    let v = start + k * 64u;
    if (v < COUNT) {
      let i = group.z * COUNT + v;
      y[i] = epilogue(total[k] / weights, i);
    }
  }
}
