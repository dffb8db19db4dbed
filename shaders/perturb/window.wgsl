// A batch of inputs out of one scan, each changed within a window of its own: y[n] = other where window n lies, else x.
// x, other: [CHANNELS, SIZE]; windows: [rows, 6], of which entry n has row counter[0] + n: a box's first voxel and the one after
// its last (D, H, W each), or a ball's centre and the inverse of its radius along each axis, in voxels; y: [N, CHANNELS, SIZE].
// Workgroups: along x and y over one volume, along z the batch.
//@include common/linear

const SIZE: vec3u = vec3u(1u);
const CHANNELS: u32 = 1u;
const BALL: bool = false;
const LIMIT: f32 = 1.0; // squared radius, and a little, so that rounding leaves no voxel on the surface out

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> other: array<f32>;
@group(0) @binding(2) var<storage, read> windows: array<f32>;
@group(0) @binding(3) var<storage, read> counter: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const VOXELS: u32 = SIZE.x * SIZE.y * SIZE.z;

fn inside(place: vec3f, a: vec3f, b: vec3f) -> bool {
  if (BALL) {
    let t = (place - a) * b;
    return dot(t, t) <= LIMIT;
  }
  return all((place >= a) & (place < b));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (counter[0] + group.z) * 6u;
  let a = vec3f(windows[row], windows[row + 1u], windows[row + 2u]);
  let b = vec3f(windows[row + 3u], windows[row + 4u], windows[row + 5u]);
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let v = start + k * 64u;
    if (v >= VOXELS) { return; }
    let line = v / SIZE.z;
    let plane = line / SIZE.y;
    let covered = inside(vec3f(vec3u(plane, line - plane * SIZE.y, v - line * SIZE.z)), a, b);
    for (var c = 0u; c < CHANNELS; c++) {
      let from_scan = c * VOXELS + v;
      let i = (group.z * CHANNELS + c) * VOXELS + v;
      y[i] = epilogue(select(x[from_scan], other[from_scan], covered), i);
    }
  }
}
