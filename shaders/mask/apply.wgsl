// Masked images: y = m x + (1 - m) fill, with m the upsampled mask (Fong & Vedaldi 2017; Thibeau-Sutre et al. 2020).
// x, y: [N, SIZE] (one channel); fill: FILL values, 1 or as many as x; mask: [MASKS, 2, CELLS], two copies each; MASKS is N,
// or 1 for a mask that all images share; counter: [MASKS, 4] = step, state (0: running), two powers of mask/step. Copy step % 2
// is the current one. A mask that is not running is not shifted.
// For GPUs: neighbouring threads take neighbouring voxels. Workgroups: along x and y over one image, along z the images.
//@include common/linear
//@include mask/geometry

const SIZE: vec3u = vec3u(1u);
const CELLS: vec3u = vec3u(1u);
const CELL: u32 = 1u;
const MASKS: u32 = 1u;
const FILL: u32 = 1u;
const TISSUE: bool = false; // true: voxels where the scan is 0 are left alone
const JITTERED: bool = false;

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

const VOXELS: u32 = SIZE.x * SIZE.y * SIZE.z;
const COUNT: u32 = CELLS.x * CELLS.y * CELLS.z;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let entry = select(0u, group.z, MASKS > 1u);
  let base = (entry * 2u + counter[entry * 4u] % 2u) * COUNT;
  let shift = vec3i(shift_along(0u, entry), shift_along(1u, entry), shift_along(2u, entry));
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let v = start + k * 64u;
    if (v >= VOXELS) { return; }
    var m = 0.0;
    if (CELL == 1u && !JITTERED) {
      m = mask[base + v];
    } else {
      let row = v / SIZE.z;
      let plane = row / SIZE.y;
      let place = vec3i(i32(plane), i32(row - plane * SIZE.y), i32(v - row * SIZE.z)) + shift;
      let below = vec3i(cell_below(place.x), cell_below(place.y), cell_below(place.z));
      let low = vec3u(within(below.x, CELLS.x), within(below.y, CELLS.y), within(below.z, CELLS.z));
      let high = vec3u(within(below.x + 1, CELLS.x), within(below.y + 1, CELLS.y), within(below.z + 1, CELLS.z));
      let ll = base + (low.x * CELLS.y + low.y) * CELLS.z;
      let lh = base + (low.x * CELLS.y + high.y) * CELLS.z;
      let hl = base + (high.x * CELLS.y + low.y) * CELLS.z;
      let hh = base + (high.x * CELLS.y + high.y) * CELLS.z;
      let d = between(place.x, below.x);
      let h = between(place.y, below.y);
      let before = mix(mix(mask[ll + low.z], mask[lh + low.z], h), mix(mask[hl + low.z], mask[hh + low.z], h), d);
      let after = mix(mix(mask[ll + high.z], mask[lh + high.z], h), mix(mask[hl + high.z], mask[hh + high.z], h), d);
      m = mix(before, after, between(place.z, below.z));
    }
    let i = group.z * VOXELS + v;
    let f = fill[select(0u, i, FILL > 1u)];
    let kept = x[i];
    y[i] = epilogue(select(f + m * (kept - f), kept, TISSUE & (kept == 0.0)), i);
  }
}
