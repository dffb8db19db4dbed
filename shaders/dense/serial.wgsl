// y = a b^T with one thread for TP x TR sums, for CPU adapters, where threads that add up together have to wait for each other:
//   y[p, r] = sum over q of a[p A_ROW + q A_COLUMN] b[r Q + q]
// y: [P, R]; b: [R, Q]. Four terms an expression, because assignments are dear.
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
const BLOCKS_P: u32 = (P + TP - 1u) / TP;
const FOURS: u32 = Q / 4u * 4u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups) * 64u + lane;
  if (task >= BLOCKS_R * BLOCKS_P) { return; }
  let r0 = task % BLOCKS_R * TR;
  let p0 = task / BLOCKS_R * TP;
  //@unroll I 0..TP
  let row_a_$(I) = min(p0 + $(I)u, P - 1u) * A_ROW;
  //@unroll J 0..TR
  var s_$(I)_$(J) = 0.0;
  //@end J
  //@end I
  //@unroll J 0..TR
  let row_b_$(J) = min(r0 + $(J)u, R - 1u) * Q;
  //@end J
  for (var q = 0u; q < FOURS; q += 4u) {
    //@unroll I 0..TP
    //@unroll K 0..4
    let a_$(I)_$(K) = a[row_a_$(I) + (q + $(K)u) * A_COLUMN];
    //@end K
    //@end I
    //@unroll J 0..TR
    //@unroll K 0..4
    let b_$(J)_$(K) = b[row_b_$(J) + q + $(K)u];
    //@end K
    //@unroll I 0..TP
    s_$(I)_$(J) = s_$(I)_$(J) + a_$(I)_0 * b_$(J)_0 + a_$(I)_1 * b_$(J)_1 + a_$(I)_2 * b_$(J)_2 + a_$(I)_3 * b_$(J)_3;
    //@end I
    //@end J
  }
  for (var q = FOURS; q < Q; q++) {
    //@unroll I 0..TP
    //@unroll J 0..TR
    s_$(I)_$(J) += a[row_a_$(I) + q * A_COLUMN] * b[row_b_$(J) + q];
    //@end J
    //@end I
  }
  //@unroll I 0..TP
  //@unroll J 0..TR
  if ((p0 + $(I)u < P) & (r0 + $(J)u < R)) {
    let i = (p0 + $(I)u) * R + r0 + $(J)u;
    y[i] = epilogue(s_$(I)_$(J), i);
  }
  //@end J
  //@end I
}
