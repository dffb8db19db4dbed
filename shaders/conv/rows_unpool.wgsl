// The data gradient of a convolution that a max-pool follows: conv/rows applied to the gradient of the pool's input, which is
// zero but at the winners of its windows and never reaches memory:
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, p + t - FRONT] w[g, o, c, t],   x[..., index[..., q]] = dy[..., q]
// dy, index: [N, GROUPS CI, POOLED] (index as pool/max writes it); x, which is not stored: [N, GROUPS CI, IN]; y and w as in
// conv/rows, with stride and dilation 1. Windows do not overlap and IN is larger than a window along y and z, so that the flat
// position of a voxel outside x is never a winner of the window it would lie in.
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
const AGAIN_Y: u32 = 0u; // rows that the last tile makes a second time
const END_Y: u32 = 1u; // rows of the last tile from here on are outside
const AGAIN_Z: u32 = 0u;
const END_Z: u32 = 1u;

const LISTED: u32 = 0u; // 1: only the tiles in tasks

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
//@unroll M 0..LISTED
@group(0) @binding(4) var<storage, read> tasks: array<u32>;
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
  for (var c = 0u; c < CI; c++) {
    let channel = ((n * GROUPS + g) * CI + c) * POOLED.x;
    let weight_c = c * W_IN;
    for (var tx = tx_first; tx < tx_end; tx++) {
      let ix = u32(corner_x + i32(tx));
      let windows = (channel + (ix + POOL_FRONT.x) / POOL_STRIDE.x) * (POOLED.y * POOLED.z);
      let here = u32((i32(ix * IN.y) + corner_y) * i32(IN.z) + corner_z);
      //@paste conv/unpool_loads
      //@paste conv/row_sums
    }
  }
  //@paste conv/row_stores
}
