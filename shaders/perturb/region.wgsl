// A batch of inputs out of one scan, each changed within one region: y[n] = other where labels are the region's, else x.
// x, other: [CHANNELS, VOXELS]; labels: [VOXELS]; regions: [rows], of which entry n has row counter[0] + n; y: [N, CHANNELS, VOXELS].
// Workgroups: along x and y over one volume, along z the batch.
//@include common/linear

const VOXELS: u32 = 1u;
const CHANNELS: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> other: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> regions: array<u32>;
@group(0) @binding(4) var<storage, read> counter: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let wanted = regions[counter[0] + group.z];
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let v = start + k * 64u;
    if (v >= VOXELS) { return; }
    let covered = labels[v] == wanted;
    for (var c = 0u; c < CHANNELS; c++) {
      let from_scan = c * VOXELS + v;
      let i = (group.z * CHANNELS + c) * VOXELS + v;
      y[i] = epilogue(select(x[from_scan], other[from_scan], covered), i);
    }
  }
}
