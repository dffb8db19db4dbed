// multiply_add in half precision: a = a m + b in f16, the ceiling of kernels that compute in it. Needs shader-f16.
// x: [2], m and b; y: one value a thread. 8 CHAINS DEPTH ROUNDS operations a thread; see multiply_add for why it is so.
enable f16;
//@include common/linear

const ROUNDS: u32 = 1u;
const CHAINS: u32 = 2u;
const DEPTH: u32 = 16u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m = vec4h(f16(x[0]));
  let b = vec4h(f16(x[1]));
  //@unroll C 0..CHAINS
  var a_$(C) = vec4h(f16(lane), 1.0, 2.0, 3.0) + $(C).0h;
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
  var total = vec4h(0.0);
  //@unroll C 0..CHAINS
  total += a_$(C);
  //@end C
  y[linear_group(group, groups) * 64u + lane] = f32(total.x + total.y + total.z + total.w);
}
