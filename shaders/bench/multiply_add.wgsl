// Multiply-adds in registers, a = a m + b: the ceiling of every kernel that computes.
// DEPTH of them make one expression, because a CPU adapter pays for each assignment; CHAINS vectors of four do not wait for
// each other; all of it ROUNDS times: 8 CHAINS DEPTH ROUNDS operations a thread.
// x: [2], m and b, read so that nothing can be worked out at compile time; with 0 < m < 1 the values settle at b / (1 - m).
// y: one value a thread, the sum of all, so that nothing can be left out.
//@include common/linear

const ROUNDS: u32 = 1u;
const CHAINS: u32 = 2u;
const DEPTH: u32 = 16u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m = vec4f(x[0]);
  let b = vec4f(x[1]);
  //@unroll C 0..CHAINS
  var a_$(C) = vec4f(f32(lane), 1.0, 2.0, 3.0) + $(C).0;
  //@end C
  for (var r = 0u; r < ROUNDS; r++) {
    //@unroll C 0..CHAINS
    a_$(C) =
      //@unroll D 0..DEPTH
      (
      //@end D
      a_$(C)
      //@unroll D 0..DEPTH
      * m + b)
      //@end D
      ;
    //@end C
  }
  var total = vec4f(0.0);
  //@unroll C 0..CHAINS
  total += a_$(C);
  //@end C
  y[linear_group(group, groups) * 64u + lane] = total.x + total.y + total.z + total.w;
}
