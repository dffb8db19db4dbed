// conv/rows for one output channel: with nothing to share among channels, a thread makes TALL rows of TILE voxels, so that
// every loaded voxel serves KERNEL.y rows. This is the data gradient of a first layer, the last kernel of every explanation.
//   y[n, g, p] = sum over c < CI, taps t of x[n, g CI + c, p STRIDE + t DILATION] w[g, c, t]
// x: [N, GROUPS CI, IN], padded for whole tiles along both axes; y: [N, GROUPS, OUT]; w: one group after the other, stride
// W_IN (input channel), taps innermost, REVERSED turns them round.
//@include common/linear

const N: u32 = 1u;
const GROUPS: u32 = 1u;
const CI: u32 = 1u;
const IN: vec3u = vec3u(1u);
const OUT: vec3u = vec3u(1u);
const KERNEL: vec3u = vec3u(1u);
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const W_IN: u32 = 1u;
const REVERSED: bool = false;
const TILE: u32 = 4u;
const TALL: u32 = 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const TILES: u32 = (OUT.z + TILE - 1u) / TILE;
const BANDS: u32 = (OUT.y + TALL - 1u) / TALL;

fn tap_address(t: u32) -> u32 { return select(t, TAPS - 1u - t, REVERSED); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(vec3u(group.x, group.y, 0u), groups) * 64u + lane;
  if (task >= N * OUT.x * BANDS * TILES) { return; }
  let g = group.z;
  let band = task % BANDS;
  let tile = (task / BANDS) % TILES;
  let ox = (task / (BANDS * TILES)) % OUT.x;
  let n = task / (BANDS * TILES * OUT.x);
  let plane = IN.x * IN.y * IN.z;
  let corner = (n * GROUPS + g) * CI * plane + (ox * STRIDE.x * IN.y + band * TALL * STRIDE.y) * IN.z + tile * TILE * STRIDE.z;
  //@unroll R 0..TALL
  //@unroll J 0..TILE
  var a_$(R)_$(J) = 0.0;
  //@end J
  //@end R
  for (var c = 0u; c < CI; c++) {
    for (var tx = 0u; tx < KERNEL.x; tx++) {
      let row = corner + c * plane + tx * DILATION.x * IN.y * IN.z;
      let taps = g * CI * TAPS + c * W_IN;
      let tap = tx * KERNEL.y * KERNEL.z;
      //@unroll U 0..(TALL - 1) * STRIDE.y + (KERNEL.y - 1) * DILATION.y + 1
      //@unroll V 0..(TILE - 1) * STRIDE.z + (KERNEL.z - 1) * DILATION.z + 1
      let x_$(U)_$(V) = x[row + $(U)u * IN.z + $(V)u];
      //@end V
      //@end U
      //@unroll T 0..KERNEL.y
      //@unroll K 0..KERNEL.z
      {
        let weight = w[taps + tap_address(tap + $(T * KERNEL.z + K)u)];
        //@unroll R 0..TALL
        //@unroll J 0..TILE
        a_$(R)_$(J) += x_$(R * STRIDE.y + T * DILATION.y)_$(J * STRIDE.z + K * DILATION.z) * weight;
        //@end J
        //@end R
      }
      //@end K
      //@end T
    }
  }
  // Sums go through an array, so that the epilogue is compiled once and not for each of them.
  var sums: array<f32, TALL * TILE>;
  //@unroll R 0..TALL
  //@unroll J 0..TILE
  sums[$(R * TILE + J)] = a_$(R)_$(J);
  //@end J
  //@end R
  let corner_y = ((n * GROUPS + g) * OUT.x + ox) * OUT.y * OUT.z + band * TALL * OUT.z + tile * TILE;
  let width = min(TILE, OUT.z - tile * TILE);
  for (var r = 0u; r < min(TALL, OUT.y - band * TALL); r++) {
    let base = corner_y + r * OUT.z;
    for (var j = 0u; j < width; j++) {
      y[base + j] = epilogue(sums[r * TILE + j], base + j);
    }
  }
}
