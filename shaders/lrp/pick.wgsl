// y[i] = epilogue(x at the winner of window i, i), or 0 where padding won: what a max-pool does to x if the winners are given.
// x [PLANES, INPUT]; index, y [PLANES, OUTPUT] (index as written by pool/max).
//@include common/linear

const COUNT: u32 = 1u; // PLANES * OUTPUT
const OUTPUT: u32 = 1u; // voxels of a pooled plane
const INPUT: u32 = 1u; // voxels of a plane of x

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      let winner = index[i];
      let value = select(0.0, x[i / OUTPUT * INPUT + min(winner, INPUT - 1u)], winner < INPUT);
      y[i] = epilogue(value, i);
    }
  }
}
