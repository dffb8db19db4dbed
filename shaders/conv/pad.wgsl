// y = x with zeros between its voxels (UP - 1 of them), FRONT zeros before, and zeros after up to the size OUT.
// x: [PLANES, IN.x, IN.y, IN.z]; y: [PLANES, OUT.x, OUT.y, OUT.z]; planes are samples times channels. FRONT < 0 crops.
// What it gives a convolution: a row kernel that needs no test at the borders, for any padding and any transposed stride.
//@include common/linear

const PLANES: u32 = 1u;
const IN: vec3u = vec3u(1u);
const OUT: vec3u = vec3u(1u);
const FRONT: vec3i = vec3i(0i);
const UP: vec3u = vec3u(1u);

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i >= PLANES * OUT.x * OUT.y * OUT.z) { return; }
    let row = i / OUT.z;
    let at = vec3i(vec3u((row / OUT.y) % OUT.x, row % OUT.y, i % OUT.z)) - FRONT;
    let up = vec3i(UP);
    let source = at / up;
    let inside = all(at >= vec3i(0)) && all(source < vec3i(IN)) && all(source * up == at);
    var value = 0.0;
    if (inside) {
      let s = vec3u(source);
      value = x[(((row / (OUT.x * OUT.y)) * IN.x + s.x) * IN.y + s.y) * IN.z + s.z];
    }
    y[i] = value;
  }
}
