// As dense/columns, for R a multiple of four and a long sum: y[p, r] = sum over q of a[p, q] b[q, r], b read four words at a
// time. The data gradient of a dense layer: b, the weights, is read once for TP rows. A workgroup makes 64 columns; 16 slices
// of its threads take every 16th row of b, so that a layer of few columns still keeps many loads on their way. The slices are
// added in order. b: [Q, R / 4] vectors.
//@include common/linear

const P: u32 = 1u;
const Q: u32 = 1u;
const R: u32 = 4u;
const A_ROW: u32 = 1u;
const A_COLUMN: u32 = 1u;
const TP: u32 = 1u; // at most 4

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

var<workgroup> parts: array<f32, TP * 16u * 64u>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let r0 = linear_group(vec3u(group.x, group.y, 0u), groups) * 64u;
  let p0 = group.z * TP;
  let quad = lane % 16u;
  let slice = lane / 16u;
  let column = min(r0 / 4u + quad, R / 4u - 1u);
  //@unroll I 0..TP
  let row_a_$(I) = min(p0 + $(I)u, P - 1u) * A_ROW;
  var s_$(I) = vec4f();
  //@end I
  for (var q = slice; q < Q; q += 16u) {
    let value = b[q * (R / 4u) + column];
    //@unroll I 0..TP
    s_$(I) = s_$(I) + a[row_a_$(I) + q * A_COLUMN] * value;
    //@end I
  }
  //@unroll I 0..TP
  //@unroll K 0..4
  parts[($(I * 16)u + slice) * 64u + 4u * quad + $(K)u] = s_$(I)[$(K)];
  //@end K
  //@end I
  workgroupBarrier();
  let p = p0 + lane / 64u;
  let r = r0 + lane % 64u;
  if ((lane < 64u * TP) & (p < P) & (r < R)) {
    let at = lane / 64u * 1024u + lane % 64u;
    var value = parts[at];
    for (var s = 1u; s < 16u; s++) { value += parts[at + s * 64u]; }
    let i = p * R + r;
    y[i] = epilogue(value, i);
  }
}
