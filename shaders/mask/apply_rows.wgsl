// What mask/apply computes, to the same bits, one row of voxels a thread: for CPU adapters, where the mask's eight values
// would cost more than everything else. Along a row they change only from cell to cell.
// Operands as in mask/apply. Workgroups: along x and y over the rows of one image, along z the images.
//@include common/linear
//@include mask/geometry

const SIZE: vec3u = vec3u(1u);
const CELLS: vec3u = vec3u(1u);
const CELL: u32 = 1u;
const MASKS: u32 = 1u;
const FILL: u32 = 1u;
const TISSUE: bool = false;
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

// Voxel i under a mask of m, where replacements are one value that is f_all.
fn put(i: u32, m: f32, f_all: f32) {
  let f = select(f_all, fill[select(0u, i, FILL > 1u)], FILL > 1u);
  let kept = x[i];
  y[i] = epilogue(select(f + m * (kept - f), kept, TISSUE & (kept == 0.0)), i);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = linear_group(group, groups) * 64u + lane;
  if (row >= SIZE.x * SIZE.y) { return; }
  let entry = select(0u, group.z, MASKS > 1u);
  let base = (entry * 2u + counter[entry * 4u] % 2u) * COUNT;
  let plane = row / SIZE.y;
  let place = vec2i(i32(plane) + shift_along(0u, entry), i32(row - plane * SIZE.y) + shift_along(1u, entry));
  let below = vec2i(cell_below(place.x), cell_below(place.y));
  let low = vec2u(within(below.x, CELLS.x), within(below.y, CELLS.y));
  let high = vec2u(within(below.x + 1, CELLS.x), within(below.y + 1, CELLS.y));
  let ll = base + (low.x * CELLS.y + low.y) * CELLS.z;
  let lh = base + (low.x * CELLS.y + high.y) * CELLS.z;
  let hl = base + (high.x * CELLS.y + low.y) * CELLS.z;
  let hh = base + (high.x * CELLS.y + high.y) * CELLS.z;
  let d = between(place.x, below.x);
  let h = between(place.y, below.y);
  let f_all = fill[0];
  let shift = shift_along(2u, entry);
  let start = group.z * VOXELS + row * SIZE.z;
  let last = cell_below(i32(SIZE.z) - 1 + shift);
  var w = 0u;
  var cell = cell_below(shift);
  var c = within(cell, CELLS.z);
  var before = mix(mix(mask[ll + c], mask[lh + c], h), mix(mask[hl + c], mask[hh + c], h), d);
  for (; cell <= last; cell++) {
    c = within(cell + 1, CELLS.z);
    let after = mix(mix(mask[ll + c], mask[lh + c], h), mix(mask[hl + c], mask[hh + c], h), d);
    // The first voxel that is not before the next cell's centre.
    let stop = u32(min((cell + 1) * i32(CELL) + HALF - shift, i32(SIZE.z)));
    // Four at a time: a turn of a loop costs as much as a voxel.
    for (; w + 4u <= stop; w += 4u) {
      //@unroll K 0..4
      put(start + w + $(K)u, mix(before, after, between(i32(w + $(K)u) + shift, cell)), f_all);
      //@end K
    }
    for (; w < stop; w++) {
      put(start + w, mix(before, after, between(i32(w) + shift, cell)), f_all);
    }
    before = after;
  }
}
