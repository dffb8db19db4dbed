// y = a strided reading of x: y[c] = x[OFFSET + sum over axes of c * STRIDE], c the coordinates of y.
// Broadcasting (stride 0), transposing, slicing with steps and flipping (negative stride) are all this.
// y: row-major, its shape padded in front to six axes, A the first three, B the last three. Every index must fall in x.
//@include common/linear

const COUNT: u32 = 1u;
const SHAPE_A: vec3u = vec3u(1u);
const SHAPE_B: vec3u = vec3u(1u);
const STRIDE_A: vec3i = vec3i(0i);
const STRIDE_B: vec3i = vec3i(0i);
const OFFSET: i32 = 0i;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

fn source(i: u32) -> u32 {
  var rest = i;
  let f = i32(rest % SHAPE_B.z); rest /= SHAPE_B.z;
  let e = i32(rest % SHAPE_B.y); rest /= SHAPE_B.y;
  let d = i32(rest % SHAPE_B.x); rest /= SHAPE_B.x;
  let c = i32(rest % SHAPE_A.z); rest /= SHAPE_A.z;
  let b = i32(rest % SHAPE_A.y); rest /= SHAPE_A.y;
  let a = vec3i(i32(rest), b, c) * STRIDE_A + vec3i(d, e, f) * STRIDE_B;
  return u32(OFFSET + a.x + a.y + a.z);
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
