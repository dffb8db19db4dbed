// Masked image: y = m x + (1 - m) fill, with m the upsampled mask (Fong & Vedaldi 2017; Thibeau-Sutre et al. 2020).
// x, y: [SIZE] (one scan, one channel); fill: FILL values, 1 or all of them; mask: [2, CELLS], two copies of which
// counter[1] names the current one; counter: [step, current, beta1^step, beta2^step].
//@include common/linear
//@include mask/geometry

const SIZE: vec3u = vec3u(1u);
const CELLS: vec3u = vec3u(1u);
const CELL: u32 = 1u;
const FILL: u32 = 1u;
const TISSUE: bool = false; // true: voxels where the scan is 0 are left alone

struct Params {
  seed: u32,
  jitter: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> fill: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read> counter: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

fn cell(base: u32, d: u32, h: u32, w: u32) -> f32 {
  return mask[base + (d * CELLS.y + h) * CELLS.z + w];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = counter[1] * CELLS.x * CELLS.y * CELLS.z;
  let shift = shift_of(params.seed, counter[0], params.jitter);
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i >= SIZE.x * SIZE.y * SIZE.z) { return; }
    let a = between(i32(i / (SIZE.y * SIZE.z)), shift.x, CELLS.x);
    let b = between(i32(i / SIZE.z % SIZE.y), shift.y, CELLS.y);
    let c = between(i32(i % SIZE.z), shift.z, CELLS.z);
    var m = 0.0;
    if (CELL == 1u) {
      m = cell(base, a.low, b.low, c.low);
    } else {
      let ll = mix(cell(base, a.low, b.low, c.low), cell(base, a.low, b.low, c.high), c.weight);
      let lh = mix(cell(base, a.low, b.high, c.low), cell(base, a.low, b.high, c.high), c.weight);
      let hl = mix(cell(base, a.high, b.low, c.low), cell(base, a.high, b.low, c.high), c.weight);
      let hh = mix(cell(base, a.high, b.high, c.low), cell(base, a.high, b.high, c.high), c.weight);
      m = mix(mix(ll, lh, b.weight), mix(hl, hh, b.weight), a.weight);
    }
    let f = fill[select(0u, i, FILL > 1u)];
    let kept = x[i];
    let masked = f + m * (kept - f);
    y[i] = epilogue(select(masked, kept, TISSUE & (kept == 0.0)), i);
  }
}
