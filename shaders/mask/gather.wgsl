// Transpose of upsampling a mask, along one axis: y[n, o, c, i] = sum over voxels v of x[n, o, v, i] times the share of cell c
// in the value at v. Run for each axis in turn, outermost first, so that neighbouring threads read neighbouring voxels of the
// whole volume, and the later axes have little left to read.
// x: [N, OUTER, LENGTH, INNER]; y: [N, OUTER, CELLS, INNER]; counter: see mask/apply. Workgroups: along x and y over one n,
// along z the n.
//@include common/linear
//@include mask/geometry

const OUTER: u32 = 1u;
const LENGTH: u32 = 1u;
const INNER: u32 = 1u;
const CELLS: u32 = 1u;
const CELL: u32 = 1u;
const MASKS: u32 = 1u;
const AXIS: u32 = 0u;
const JITTERED: bool = false;

struct Params {
  seed: u32,
  jitter: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> counter: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = linear_group(group, groups) * 64u + lane;
  if (t >= OUTER * CELLS * INNER) { return; }
  let outer = t / (CELLS * INNER);
  let c = i32(t / INNER - outer * CELLS);
  let shift = shift_along(AXIS, select(0u, group.z, MASKS > 1u));
  // Voxels from the centre of the cell before to that of the cell after; border cells serve everything beyond their centres.
  let middle = c * i32(CELL) + HALF - shift;
  let size = i32(LENGTH);
  let begin = select(max(middle - i32(CELL), 0), 0, c == 0);
  let end = select(min(middle + i32(CELL), size), size, c == i32(CELLS) - 1);
  let falls_before = select(1.0, 0.0, c == 0);
  let falls_after = select(1.0, 0.0, c == i32(CELLS) - 1);
  let start = (group.z * OUTER + outer) * LENGTH * INNER + t % INNER;
  var sum = 0.0;
  // Four at a time: a turn of a loop costs as much as a voxel.
  for (var v = begin; v < end; v += 4) {
    //@unroll K 0..4
    let p_$(K) = between(v + $(K) + shift, c);
    let s_$(K) = select(0.0, 1.0 - max(-p_$(K) * falls_before, p_$(K) * falls_after), v + $(K) < end);
    let x_$(K) = x[start + u32(min(v + $(K), size - 1)) * INNER];
    //@end K
    sum = sum + (s_0 * x_0 + s_1 * x_1 + s_2 * x_2 + s_3 * x_3);
  }
  y[group.z * OUTER * CELLS * INNER + t] = sum;
}
