// What is positive (NEGATIVE = 1: negative) of a convolution's products, summed at the winners of a max-pool over it:
//   y[n, m, p] = epilogue(sum over c, taps of max(x w, 0) at the voxel index[n, m, p] of the convolution's output)
// Operands and constants as in conv/rows_pool, but for the index, which is read. Every voxel is computed, as there: looking
// up the voxels around each winner would cost more loads than this does arithmetic. 0 where padding won.
//@include common/linear

//@paste conv/problem
//@paste conv/row_tiles
//@paste conv/pool_windows
const NEGATIVE: u32 = 0u;
const SIGNED: u32 = 1u; // 0: x is never negative

const LISTED: u32 = 0u; // 1: only the tiles in tasks

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
//@unroll M 0..LISTED
@group(0) @binding(4) var<storage, read> tasks: array<u32>;
//@end M

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

//@paste conv/row_sizes
const TASKS: u32 = N * GROUPS * BLOCKS * POOLED.x * BANDS * TILES;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  //@paste conv/row_task
  //@paste conv/pool_place
  //@unroll C 0..CHANNELS
  //@unroll P 0..POOL_ROWS
  //@unroll Q 0..POOL_TILE
  let k_$(C)_$(P)_$(Q) = index[((((n * GROUPS + g) * CO + min(first + $(C)u, CO - 1u)) * POOLED.x + px) * POOLED.y + py + $(P)u) * POOLED.z + pz + $(Q)u];
  var share_$(C)_$(P)_$(Q) = 0.0;
  //@end Q
  //@end P
  //@end C
  for (var a = 0u; a < POOL.x; a++) {
    //@paste conv/pool_plane
    //@paste lrp/part_begin
    for (var c = 0u; c < CI; c++) {
      let channel = ((n * GROUPS + g) * CI + c) * PLANE;
      let weight_c = c * W_IN;
      for (var tx = tx_first; tx < tx_end; tx++) {
        let plane = channel + u32(corner_x + i32(tx * DILATION.x)) * (IN.y * IN.z);
        //@paste conv/row_loads
        //@paste lrp/row_weights
        //@paste lrp/part_weights
        //@paste lrp/part_sums
      }
    }
    let here = u32((plane_out * i32(OUT.y) + oy) * i32(OUT.z) + oz);
    //@unroll C 0..CHANNELS
    //@unroll P 0..POOL_ROWS
    //@unroll Q 0..POOL_TILE
    {
      let share_0 = share_$(C)_$(P)_$(Q);
      //@unroll B 0..POOL.y
      //@unroll E 0..POOL.z
      let share_$(B * POOL.z + E + 1) = select(share_$(B * POOL.z + E), p_$(C)_$(P * POOL_STRIDE.y + B)_$(Q * POOL_STRIDE.z + E), k_$(C)_$(P)_$(Q) == here + $((P * POOL_STRIDE.y + B) * OUT.z + Q * POOL_STRIDE.z + E)u);
      //@end E
      //@end B
      share_$(C)_$(P)_$(Q) = share_$(POOL.y * POOL.z);
    }
    //@end Q
    //@end P
    //@end C
  }
  //@unroll C 0..CHANNELS
  if (first + $(C)u < CO) {
    let base = ((((n * GROUPS + g) * CO + first + $(C)u) * POOLED.x + px) * POOLED.y + py) * POOLED.z + pz;
    //@unroll P 0..AGAIN_Y
    if (band + 1u < BANDS) {
      //@paste lrp/part_store_y
    }
    //@end P
    //@unroll P AGAIN_Y..POOL_ROWS
    //@paste lrp/part_store_y
    //@end P
  }
  //@end C
}
