// Matrix product whose free axis is contiguous in b: y[p, r] = sum over q of a[p, q] b[q, r].
// a: element (p, q) at p A_ROW + q A_COLUMN; b: [Q, R], row-major; y: [P, R], row-major.
// Neighbouring threads make neighbouring columns; each thread makes TP rows of one column.
//@include common/linear

const P: u32 = 1u;
const Q: u32 = 1u;
const R: u32 = 1u;
const A_ROW: u32 = 1u;
const A_COLUMN: u32 = 1u;
const TP: u32 = 1u;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let r = linear_group(vec3u(group.x, group.y, 0u), groups) * 64u + lane;
  if (r >= R) { return; }
  let p0 = group.z * TP;
  //@unroll I 0..TP
  let row_a_$(I) = min(p0 + $(I)u, P - 1u) * A_ROW;
  var s_$(I) = 0.0;
  //@end I
  for (var q = 0u; q < Q; q++) {
    let value = b[q * R + r];
    //@unroll I 0..TP
    s_$(I) += a[row_a_$(I) + q * A_COLUMN] * value;
    //@end I
  }
  //@unroll I 0..TP
  if (p0 + $(I)u < P) {
    let i = (p0 + $(I)u) * R + r;
    y[i] = epilogue(s_$(I), i);
  }
  //@end I
}
