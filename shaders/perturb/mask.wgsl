// A batch of inputs out of one scan under random masks: y[n] = other + m_n (x - other). x, other: [CHANNELS, SIZE];
// cells: see perturb/cells; counter: [next mask, target, masking], where masking 0 leaves the scan as it is; y: [N, CHANNELS, SIZE].
// Workgroups: along x and y over one volume, along z the batch.
//@include common/linear
//@include perturb/soft_mask

const SIZE: vec3u = vec3u(1u);
const CHANNELS: u32 = 1u;
const CELLS: vec3u = vec3u(1u);
const CELL: vec3u = vec3u(1u);
const SEED: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> other: array<f32>;
@group(0) @binding(2) var<storage, read> cells: array<f32>;
@group(0) @binding(3) var<storage, read> counter: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const VOXELS: u32 = SIZE.x * SIZE.y * SIZE.z;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let shift = mask_shift(counter[0] + group.z);
  let masking = counter[2] != 0u;
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let v = start + k * 64u;
    if (v >= VOXELS) { return; }
    let line = v / SIZE.z;
    let plane = line / SIZE.y;
    let m = soft_mask(group.z, vec3u(plane, line - plane * SIZE.y, v - line * SIZE.z), shift);
    for (var c = 0u; c < CHANNELS; c++) {
      let from_scan = c * VOXELS + v;
      let i = (group.z * CHANNELS + c) * VOXELS + v;
      let kept = x[from_scan];
      let gone = other[from_scan];
      y[i] = epilogue(select(kept, gone + m * (kept - gone), masking), i);
    }
  }
}
