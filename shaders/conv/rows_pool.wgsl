// A convolution (conv/rows) and the max-pool that follows it in one kernel: the convolution's own output never reaches memory.
//   y[n, m, p] = epilogue(stage(max over the window of p of conv[n, m, p POOL_STRIDE - POOL_FRONT + k])), index: the winner's
// flat position in the plane of conv, as pool/max writes it. What came between convolution and pool (a shift, an activation)
// must not decrease, so that it may as well come after the pool, at an eighth of the places: it fills the slot `stage`.
// Windows do not overlap (POOL <= POOL_STRIDE). A thread makes POOL_ROWS x POOL_TILE windows of CHANNELS output channels.
// Where ZERO is 1, padding within PADDED counts as zeros after the stage (ClinicaDL); else it never wins.
//@include common/linear
//@include pool/padding

//@paste conv/problem
//@paste conv/row_tiles
//@paste conv/pool_windows
const PADDED: vec3u = vec3u(1u); // POOL_FRONT + OUT + back padding
const PARTIAL: u32 = 1u; // 0: no window reaches outside OUT
const ZERO: u32 = 0u;
const NONE: u32 = 0xffffffffu;

const LISTED: u32 = 0u; // 1: only the tiles in tasks

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> index: array<u32>;
//@unroll M 0..LISTED
@group(0) @binding(4) var<storage, read> tasks: array<u32>;
//@end M

//@slot stage
fn stage(v: f32, i: u32) -> f32 { return v; }
//@end

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

//@paste conv/row_sizes
const TASKS: u32 = N * GROUPS * BLOCKS * POOLED.x * BANDS * TILES;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  //@paste conv/row_task
  //@paste conv/pool_place
  //@unroll R 0..ROWS
  let has_row_$(R) = (oy + $(R)i >= 0i) & (oy + $(R)i < i32(OUT.y));
  //@end R
  //@unroll J 0..TILE
  let has_column_$(J) = (oz + $(J)i >= 0i) & (oz + $(J)i < i32(OUT.z));
  //@end J
  //@unroll C 0..CHANNELS
  //@unroll P 0..POOL_ROWS
  //@unroll Q 0..POOL_TILE
  var best_$(C)_$(P)_$(Q) = -3.4028234e38;
  var winner_$(C)_$(P)_$(Q) = NONE;
  //@end Q
  //@end P
  //@end C
  for (var a = 0u; a < POOL.x; a++) {
    //@paste conv/pool_plane
    for (var c = 0u; c < CI; c++) {
      let channel = ((n * GROUPS + g) * CI + c) * PLANE;
      let weight_c = c * W_IN;
      for (var tx = tx_first; tx < tx_end; tx++) {
        let plane = channel + u32(corner_x + i32(tx * DILATION.x)) * (IN.y * IN.z);
        //@paste conv/row_loads
        //@paste conv/row_sums
      }
    }
    let here = u32((plane_out * i32(OUT.y) + oy) * i32(OUT.z) + oz);
    //@unroll C 0..CHANNELS
    //@unroll P 0..POOL_ROWS
    //@unroll Q 0..POOL_TILE
    {
      let best_0 = best_$(C)_$(P)_$(Q);
      let winner_0 = winner_$(C)_$(P)_$(Q);
      //@unroll B 0..POOL.y
      //@unroll E 0..POOL.z
      let v_$(B * POOL.z + E) = a_$(C)_$(P * POOL_STRIDE.y + B)_$(Q * POOL_STRIDE.z + E);
      let wins_$(B * POOL.z + E) = ((v_$(B * POOL.z + E) > best_$(B * POOL.z + E)) | is_nan(v_$(B * POOL.z + E)))
      //@unroll M 0..PARTIAL
        & has_row_$(P * POOL_STRIDE.y + B) & has_column_$(Q * POOL_STRIDE.z + E)
      //@end M
      ;
      let best_$(B * POOL.z + E + 1) = select(best_$(B * POOL.z + E), v_$(B * POOL.z + E), wins_$(B * POOL.z + E));
      let winner_$(B * POOL.z + E + 1) = select(winner_$(B * POOL.z + E), here + $((P * POOL_STRIDE.y + B) * OUT.z + Q * POOL_STRIDE.z + E)u, wins_$(B * POOL.z + E));
      //@end E
      //@end B
      best_$(C)_$(P)_$(Q) = best_$(POOL.y * POOL.z);
      winner_$(C)_$(P)_$(Q) = winner_$(POOL.y * POOL.z);
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
      //@paste conv/row_store_pool
    }
    //@end P
    //@unroll P AGAIN_Y..POOL_ROWS
    //@paste conv/row_store_pool
    //@end P
  }
  //@end C
}

fn store(best: f32, winner: u32, i: u32, window: vec3u) {
  let value = stage(best, i);
  var by_padding = false;
  //@unroll M 0..ZERO
  by_padding = padding_wins(value, window * POOL_STRIDE, window * POOL_STRIDE + POOL, POOL_FRONT, OUT, PADDED);
  //@end M
  y[i] = epilogue(select(value, 0.0, by_padding), i);
  index[i] = select(winner, NONE, by_padding);
}
