// y = x broadcast: x has size 1 along the axes where X_STRIDE is 0. Both row-major; shapes padded to six axes in front.
//@include common/linear

const COUNT: u32 = 1u;
const SHAPE_A: vec3u = vec3u(1u);
const SHAPE_B: vec3u = vec3u(1u);
const STRIDE_A: vec3u = vec3u(0u);
const STRIDE_B: vec3u = vec3u(0u);

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

fn source(i: u32) -> u32 {
  var rest = i;
  let f = rest % SHAPE_B.z; rest /= SHAPE_B.z;
  let e = rest % SHAPE_B.y; rest /= SHAPE_B.y;
  let d = rest % SHAPE_B.x; rest /= SHAPE_B.x;
  let c = rest % SHAPE_A.z; rest /= SHAPE_A.z;
  let b = rest % SHAPE_A.y; rest /= SHAPE_A.y;
  return rest * STRIDE_A.x + b * STRIDE_A.y + c * STRIDE_A.z + d * STRIDE_B.x + e * STRIDE_B.y + f * STRIDE_B.z;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      y[i] = epilogue(x[source(i)], i);
    }
  }
}
