// y = x with zeros between its voxels (UP - 1 of them), FRONT zeros before, and zeros after up to the size OUT.
// x: [PLANES, IN.x, IN.y, IN.z]; y: [PLANES, OUT.x, OUT.y, OUT.z]; planes are samples times channels. FRONT < 0 crops.
// What it gives a convolution: a row kernel that needs no test at the borders, for any padding and any transposed stride.
// A workgroup fills 256 voxels of one slice, so that only one division a voxel is left.

const PLANES: u32 = 1u;
const IN: vec3u = vec3u(1u);
const OUT: vec3u = vec3u(1u);
const FRONT: vec3i = vec3i(0i);
const UP: vec3u = vec3u(1u);

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let slice = group.z * groups.y + group.y;
  if (slice >= PLANES * OUT.x) { return; }
  let plane = slice / OUT.x;
  let d = i32(slice % OUT.x) - FRONT.x;
  let source_d = d / i32(UP.x);
  let slice_inside = (d >= 0) & (source_d * i32(UP.x) == d) & (source_d < i32(IN.x));
  let base = select(0u, (plane * IN.x + u32(source_d)) * IN.y * IN.z, slice_inside);
  for (var k = 0u; k < 4u; k++) {
    let i = group.x * 256u + k * 64u + lane;
    if (i >= OUT.y * OUT.z) { return; }
    let row = i / OUT.z;
    let h = i32(row) - FRONT.y;
    let w = i32(i - row * OUT.z) - FRONT.z;
    var source_h = h;
    var source_w = w;
    var inside = slice_inside & (h >= 0) & (w >= 0);
    if (UP.y > 1u || UP.z > 1u) {
      source_h = h / i32(UP.y);
      source_w = w / i32(UP.z);
      inside = inside & (source_h * i32(UP.y) == h) & (source_w * i32(UP.z) == w);
    }
    inside = inside & (source_h < i32(IN.y)) & (source_w < i32(IN.z));
    let at = select(0u, base + u32(source_h) * IN.z + u32(source_w), inside);
    y[slice * OUT.y * OUT.z + i] = select(0.0, x[at], inside);
  }
}
