// Copies of one scan, each without some groups of its voxels: y[n, i] = x[i] where keep[n, group[i]] is not 0, else fill[i].
// x, fill: [SIZE]; group: [SIZE], each below GROUPS; keep: [COPIES, GROUPS]; y: [COPIES, SIZE]. A thread makes one voxel of
// all copies, so that scan, fill and group are loaded once.
//@include common/linear

const SIZE: u32 = 1u;
const COPIES: u32 = 1u;
const GROUPS: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> fill: array<f32>;
@group(0) @binding(2) var<storage, read> group: array<u32>;
@group(0) @binding(3) var<storage, read> keep: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) place: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(place, groups) * 64u + lane;
  if (i >= SIZE) { return; }
  let scan = x[i];
  let other = fill[i];
  let own = group[i];
  for (var n = 0u; n < COPIES; n++) {
    y[n * SIZE + i] = epilogue(select(other, scan, keep[n * GROUPS + own] != 0u), n * SIZE + i);
  }
}
