// Convolution, register tiles of ROWS x TILE voxels of a plane by CHANNELS output channels a thread:
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, p STRIDE + t DILATION - FRONT] w[g, o, c, t]
// where what lies outside x counts as zero. x: [N, GROUPS CI, IN]; y: [N, GROUPS CO, OUT]; w: one group after the other,
// strides W_OUT (output channel) and W_IN (input channel), taps innermost; REVERSED = 1 turns the taps round, so that the
// same kernel computes data gradients. Each sum runs over input channels, then taps, in order.
// Loads are what costs on a CPU: a plane of taps needs ROWS_IN * COLUMNS_IN + CHANNELS * taps of them for
// CHANNELS * ROWS * TILE * taps multiply-adds. The last tile of a row or column is moved back inside; what it
// computes a second time is not stored.
//@include common/linear

//@paste conv/problem
//@paste conv/row_tiles
const AGAIN_Y: u32 = 0u; // rows that the last tile makes a second time
const END_Y: u32 = 1u; // rows of the last tile from here on are outside
const AGAIN_Z: u32 = 0u;
const END_Z: u32 = 1u;

const LISTED: u32 = 0u; // 1: only the tiles in tasks

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
//@unroll M 0..LISTED
@group(0) @binding(3) var<storage, read> tasks: array<u32>;
//@end M

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const BANDS: u32 = (OUT.y + ROWS - 1u) / ROWS;
const TILES: u32 = (OUT.z + TILE - 1u) / TILE;
//@paste conv/row_sizes
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
  let oy = min(band * ROWS, OUT.y - ROWS);
  let oz = min(tile * TILE, OUT.z - TILE);
  let first = block * CHANNELS;
  let corner_y = i32(oy * STRIDE.y) - FRONT.y;
  let corner_z = i32(oz * STRIDE.z) - FRONT.z;
  //@paste conv/row_places
  //@paste conv/row_begin
  for (var c = 0u; c < CI; c++) {
    let channel = ((n * GROUPS + g) * CI + c) * PLANE;
    let weight_c = c * W_IN;
    for (var tx = tx_first; tx < tx_end; tx++) {
      let plane = channel + u32(corner_x + i32(tx * DILATION.x)) * (IN.y * IN.z);
      //@paste conv/row_loads
      //@paste conv/row_sums
    }
  }
  //@paste conv/row_stores
}
