// Sums of a tensor over some axes, one thread a sum: for many short sums. Axes as in sum_tree: K0 R0 K1 R1 K2 R2.
//@include common/linear

const KEEP: vec3u = vec3u(1u);
const REDUCE: vec3u = vec3u(1u);
const SCALE: f32 = 1.0;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let k = linear_group(group, groups) * 64u + lane;
  if (k >= KEEP.x * KEEP.y * KEEP.z) { return; }
  let k2 = k % KEEP.z;
  let k1 = (k / KEEP.z) % KEEP.y;
  let k0 = k / (KEEP.z * KEEP.y);
  var value = 0.0;
  for (var r0 = 0u; r0 < REDUCE.x; r0++) {
    for (var r1 = 0u; r1 < REDUCE.y; r1++) {
      for (var r2 = 0u; r2 < REDUCE.z; r2++) {
        value += x[((((k0 * REDUCE.x + r0) * KEEP.y + k1) * REDUCE.y + r1) * KEEP.z + k2) * REDUCE.z + r2];
      }
    }
  }
  y[k] = epilogue(value * SCALE, k);
}
