// Gradient of max pooling with windows that do not overlap: each window's dy goes to its winner, and to no other place.
// Only winners are visited: one voxel in eight for the usual pool. y must hold zeros before.
// dy, index [PLANES, OUTPUT] (index as written by pool/max; 0xffffffff: a padding zero won); y [PLANES, INPUT].
//@include common/linear

const COUNT: u32 = 1u; // PLANES * OUTPUT
const OUTPUT: u32 = 1u; // voxels of a pooled plane
const INPUT: u32 = 1u; // voxels of a plane of y

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      let winner = index[i];
      if (winner < INPUT) {
        y[i / OUTPUT * INPUT + winner] = dy[i];
      }
    }
  }
}
