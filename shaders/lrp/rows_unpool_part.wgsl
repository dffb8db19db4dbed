// conv/rows_unpool with each product of a tap's weight and the voxel x of the output replaced by its positive (NEGATIVE = 1:
// negative) part: y[n, g CO + o, p] = sum over c < CI, taps t of s[n, g CI + c, p + t - FRONT] max(x[n, g CO + o, p] w[g, o, c, t], 0)
// where s is dy at the winners of a max-pool and zero elsewhere. x: as y; everything else as in conv/rows_unpool.
//@include common/linear

//@paste conv/problem
//@paste conv/unpool_constants
const NEGATIVE: u32 = 0u;

const LISTED: u32 = 0u; // 1: only the tiles in tasks

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
//@unroll M 0..LISTED
@group(0) @binding(5) var<storage, read> tasks: array<u32>;
//@end M

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

//@paste conv/unpool_counts
const VALUES: u32 = N * GROUPS * CO * OUT.x * OUT.y * OUT.z;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  //@paste conv/row_task
  //@paste conv/unpool_place
  //@paste lrp/part_begin
  for (var c = 0u; c < CI; c++) {
    let channel = ((n * GROUPS + g) * CI + c) * POOLED.x;
    let weight_c = c * W_IN;
    for (var tx = tx_first; tx < tx_end; tx++) {
      let ix = u32(corner_x + i32(tx));
      let windows = (channel + (ix + POOL_FRONT.x) / POOL_STRIDE.x) * (POOLED.y * POOLED.z);
      let here = u32((i32(ix * IN.y) + corner_y) * i32(IN.z) + corner_z);
      //@paste conv/unpool_loads
      //@paste lrp/row_weights
      //@paste lrp/part_weights
      //@paste lrp/part_back_sums
    }
  }
  //@unroll C 0..CHANNELS
  let values_$(C) = ((((n * GROUPS + g) * CO + min(first + $(C)u, CO - 1u)) * OUT.x + ox) * OUT.y + oy) * OUT.z + oz;
  //@unroll R 0..ROWS
  //@unroll J 0..TILE
  let v_$(C)_$(R)_$(J) = x[min(values_$(C) + $(R * OUT.z + J)u, VALUES - 1u)];
  a_$(C)_$(R)_$(J) = v_$(C)_$(R)_$(J) * select(p_$(C)_$(R)_$(J), a_$(C)_$(R)_$(J), v_$(C)_$(R)_$(J) > 0.0);
  //@end J
  //@end R
  //@end C
  //@paste conv/row_stores
}
