// As dense/reduce, for Q a multiple of four: y[p, r] = sum over q of a[p, q] b[r, q], b read four words at a time.
// b, the weights of a dense layer, is what this kernel waits for: it is read once for TP rows of a, and each thread has TR
// vectors of it on their way at a time. b: [R, Q / 4] vectors. Each sum has 4 x 64 parts: q modulo 256; then fixed order.
//@include common/linear

const P: u32 = 1u;
const Q: u32 = 4u;
const R: u32 = 1u;
const A_ROW: u32 = 1u;
const A_COLUMN: u32 = 1u;
const TP: u32 = 1u;
const TR: u32 = 1u;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const BLOCKS_R: u32 = (R + TR - 1u) / TR;
// Odd, so that the threads that add up do not meet in a bank.
const PITCH: u32 = 65u;

var<workgroup> lanes: array<f32, PITCH * TP * TR>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups);
  let p0 = task / BLOCKS_R * TP;
  let r0 = task % BLOCKS_R * TR;
  //@unroll I 0..TP
  let row_a_$(I) = min(p0 + $(I)u, P - 1u) * A_ROW;
  //@unroll J 0..TR
  var s_$(I)_$(J) = vec4f();
  //@end J
  //@end I
  //@unroll J 0..TR
  let row_b_$(J) = min(r0 + $(J)u, R - 1u) * (Q / 4u);
  //@end J
  for (var q = lane; q < Q / 4u; q += 64u) {
    //@unroll J 0..TR
    let b_$(J) = b[row_b_$(J) + q];
    //@end J
    //@unroll I 0..TP
    {
      let at = row_a_$(I) + 4u * q * A_COLUMN;
      let value = vec4f(a[at], a[at + A_COLUMN], a[at + 2u * A_COLUMN], a[at + 3u * A_COLUMN]);
      //@unroll J 0..TR
      s_$(I)_$(J) = s_$(I)_$(J) + value * b_$(J);
      //@end J
    }
    //@end I
  }
  //@unroll I 0..TP
  //@unroll J 0..TR
  lanes[$(I * TR + J)u * PITCH + lane] = (s_$(I)_$(J).x + s_$(I)_$(J).y) + (s_$(I)_$(J).z + s_$(I)_$(J).w);
  //@end J
  //@end I
  workgroupBarrier();
  let p = p0 + lane / TR;
  let r = r0 + lane % TR;
  if ((lane < TP * TR) & (p < P) & (r < R)) {
    var value = 0.0;
    for (var l = 0u; l < 64u; l++) { value += lanes[lane * PITCH + l]; }
    let i = p * R + r;
    y[i] = epilogue(value, i);
  }
}
