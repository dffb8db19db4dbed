// conv/rows_unpool with each product of a tap's weight and the voxel x of the output replaced by its positive (NEGATIVE = 1:
// negative) part: y[n, g CO + o, p] = sum over c < CI, taps t of s[n, g CI + c, p + t - FRONT] max(x[n, g CO + o, p] w[g, o, c, t], 0)
// where s is dy at the winners of a max-pool and zero elsewhere. x: as y; everything else as in conv/rows_unpool.
//@include common/linear

//@paste conv/problem
const POOLED: vec3u = vec3u(1u);
const POOL_STRIDE: vec3u = vec3u(1u);
const POOL_FRONT: vec3u = vec3u(0u);
const CHANNELS: u32 = 1u;
const ROWS: u32 = 1u; // a multiple of POOL_STRIDE.y
const TILE: u32 = 1u; // a multiple of POOL_STRIDE.z
const LAST_Y: u32 = 0u; // first row of the last tile: a multiple of POOL_STRIDE.y
const LAST_Z: u32 = 0u;
const ROWS_IN: u32 = 1u;
const COLUMNS_IN: u32 = 1u;
const BASE_Y: i32 = 0i; // window of the first row that tile 0 reads
const BASE_Z: i32 = 0i;
const PHASE_Y: u32 = 0u; // and that row's place in its window
const PHASE_Z: u32 = 0u;
const WINDOWS_Y: u32 = 1u; // windows that the rows of a tile touch
const WINDOWS_Z: u32 = 1u;
const END_X: u32 = 1u; // planes from here on are in no window
const NEGATIVE: u32 = 0u;
const AGAIN_Y: u32 = 0u; // rows that the last tile makes a second time
const END_Y: u32 = 1u; // rows of the last tile from here on are outside
const AGAIN_Z: u32 = 0u;
const END_Z: u32 = 1u;

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

const STRIDE: vec3u = vec3u(1u, 1u, 1u);
const DILATION: vec3u = vec3u(1u, 1u, 1u);
const BANDS: u32 = (OUT.y + ROWS - 1u) / ROWS;
const TILES: u32 = (OUT.z + TILE - 1u) / TILE;
const BLOCKS: u32 = (CO + CHANNELS - 1u) / CHANNELS;
const PLANE: u32 = IN.x * IN.y * IN.z;
const VALUES: u32 = N * GROUPS * CO * OUT.x * OUT.y * OUT.z;
const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const TASKS: u32 = N * GROUPS * BLOCKS * OUT.x * BANDS * TILES;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  //@paste conv/row_task
  let tile = task % TILES;
  let band = task / TILES % BANDS;
  let ox = task / (TILES * BANDS) % OUT.x;
  let block = task / (TILES * BANDS * OUT.x) % BLOCKS;
  let g = task / (TILES * BANDS * OUT.x * BLOCKS) % GROUPS;
  let n = task / (TILES * BANDS * OUT.x * BLOCKS * GROUPS);
  let first = block * CHANNELS;
  let oy = min(band * ROWS, LAST_Y);
  let oz = min(tile * TILE, LAST_Z);
  let corner_y = i32(oy) - FRONT.y;
  let corner_z = i32(oz) - FRONT.z;
  //@unroll P 0..WINDOWS_Y
  let place_$(P) = i32(oy / POOL_STRIDE.y) + BASE_Y + $(P)i;
  let row_$(P) = u32(clamp(place_$(P), 0i, i32(POOLED.y) - 1i)) * POOLED.z;
  let inside_$(P) = (place_$(P) >= 0i) & (place_$(P) < i32(POOLED.y));
  //@end P
  //@unroll Q 0..WINDOWS_Z
  let along_$(Q) = i32(oz / POOL_STRIDE.z) + BASE_Z + $(Q)i;
  let column_$(Q) = u32(clamp(along_$(Q), 0i, i32(POOLED.z) - 1i));
  let within_$(Q) = (along_$(Q) >= 0i) & (along_$(Q) < i32(POOLED.z));
  //@end Q
  //@paste conv/row_begin
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
