// y = x set into a larger box filled with VALUE: y[FRONT + c * STEP] = x[c] for the coordinates c of x, else VALUE.
// STEP > 1 leaves gaps between the elements of x: the adjoint of slicing with steps.
// Both row-major; shapes padded in front to six axes, A the first three, B the last three.
//@include common/linear

const COUNT: u32 = 1u;
const SHAPE_A: vec3u = vec3u(1u);
const SHAPE_B: vec3u = vec3u(1u);
const SIZE_A: vec3u = vec3u(1u);
const SIZE_B: vec3u = vec3u(1u);
const FRONT_A: vec3u = vec3u(0u);
const FRONT_B: vec3u = vec3u(0u);
const STEP_A: vec3u = vec3u(1u);
const STEP_B: vec3u = vec3u(1u);
const VALUE: f32 = 0.0;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

fn padded(i: u32) -> f32 {
  var rest = i;
  let f = rest % SHAPE_B.z; rest /= SHAPE_B.z;
  let e = rest % SHAPE_B.y; rest /= SHAPE_B.y;
  let d = rest % SHAPE_B.x; rest /= SHAPE_B.x;
  let c = rest % SHAPE_A.z; rest /= SHAPE_A.z;
  let b = rest % SHAPE_A.y; rest /= SHAPE_A.y;
  // In front of x the unsigned difference wraps to a number larger than any size.
  let p = vec3u(rest, b, c) - FRONT_A;
  let q = vec3u(d, e, f) - FRONT_B;
  let m = p / STEP_A;
  let n = q / STEP_B;
  if (any(m >= SIZE_A) || any(n >= SIZE_B) || any(m * STEP_A != p) || any(n * STEP_B != q)) { return VALUE; }
  return x[((((m.x * SIZE_A.y + m.y) * SIZE_A.z + m.z) * SIZE_B.x + n.x) * SIZE_B.y + n.y) * SIZE_B.z + n.z];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      y[i] = epilogue(padded(i), i);
    }
  }
}
