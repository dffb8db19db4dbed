// Matrix product whose contracted axis is contiguous in b: y[p, r] = sum over q of a[p, q] b[r, q].
// a: element (p, q) at p A_ROW + q A_COLUMN; b: [R, Q], row-major; y: [P, R], row-major.
// A workgroup makes TP x TR sums: its lanes stride along q (b, the weight matrix, is read once per TP rows and coalesced),
// then one lane adds up the 64 parts of each sum. Fixed order, one barrier.
//@include common/linear

const P: u32 = 1u;
const Q: u32 = 1u;
const R: u32 = 1u;
const A_ROW: u32 = 1u;
const A_COLUMN: u32 = 1u;
const TP: u32 = 1u;
const TR: u32 = 1u;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const BLOCKS_R: u32 = (R + TR - 1u) / TR;

var<workgroup> lanes: array<f32, 64u * TP * TR>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups);
  let p0 = task / BLOCKS_R * TP;
  let r0 = task % BLOCKS_R * TR;
  //@unroll I 0..TP
  let row_a_$(I) = min(p0 + $(I)u, P - 1u) * A_ROW;
  //@unroll J 0..TR
  var s_$(I)_$(J) = 0.0;
  //@end J
  //@end I
  //@unroll J 0..TR
  let row_b_$(J) = min(r0 + $(J)u, R - 1u) * Q;
  //@end J
  for (var q = lane; q < Q; q += 64u) {
    //@unroll I 0..TP
    let a_$(I) = a[row_a_$(I) + q * A_COLUMN];
    //@end I
    //@unroll J 0..TR
    {
      let value = b[row_b_$(J) + q];
      //@unroll I 0..TP
      s_$(I)_$(J) += a_$(I) * value;
      //@end I
    }
    //@end J
  }
  //@unroll I 0..TP
  //@unroll J 0..TR
  lanes[$(I * TR + J)u * 64u + lane] = s_$(I)_$(J);
  //@end J
  //@end I
  workgroupBarrier();
  let p = p0 + lane / TR;
  let r = r0 + lane % TR;
  if (lane < TP * TR && p < P && r < R) {
    var value = 0.0;
    for (var l = 0u; l < 64u; l++) {
      value += lanes[lane * 64u + l];
    }
    let i = p * R + r;
    y[i] = epilogue(value, i);
  }
}
