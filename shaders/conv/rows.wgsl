// Convolution of a padded volume, register tiles of TILE voxels along a row by CHANNELS output channels a thread:
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, p STRIDE + t DILATION] w[g, o, c, t]
// x: [N, GROUPS CI, IN]; already padded (conv/pad), and long enough along the last axis for whole tiles. y: [N, GROUPS CO, OUT].
// w: one group after the other, strides W_OUT (output channel) and W_IN (input channel), taps innermost; REVERSED turns the
// taps round, so that the same kernel computes data gradients and transposed convolutions.
// Neighbouring threads take neighbouring rows. Loads are what costs on a CPU: CHANNELS * TILE multiply-adds use
// CHANNELS + TILE of them.
//@include common/linear

const N: u32 = 1u;
const GROUPS: u32 = 1u;
const CI: u32 = 1u;
const CO: u32 = 1u;
const IN: vec3u = vec3u(1u);
const OUT: vec3u = vec3u(1u);
const KERNEL: vec3u = vec3u(1u);
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const W_OUT: u32 = 1u;
const W_IN: u32 = 1u;
const REVERSED: bool = false;
const TILE: u32 = 4u;
const CHANNELS: u32 = 4u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const TILES: u32 = (OUT.z + TILE - 1u) / TILE;
const BLOCKS: u32 = (CO + CHANNELS - 1u) / CHANNELS;

fn tap_address(t: u32) -> u32 { return select(t, TAPS - 1u - t, REVERSED); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(vec3u(group.x, group.y, 0u), groups) * 64u + lane;
  if (task >= N * OUT.x * OUT.y * TILES) { return; }
  let block = group.z % BLOCKS;
  let g = group.z / BLOCKS;
  let oy = task % OUT.y;
  let ox = (task / OUT.y) % OUT.x;
  let tile = (task / (OUT.y * OUT.x)) % TILES;
  let n = task / (OUT.y * OUT.x * TILES);
  let first = block * CHANNELS;
  let plane = IN.x * IN.y * IN.z;
  let corner = (n * GROUPS + g) * CI * plane + (ox * STRIDE.x * IN.y + oy * STRIDE.y) * IN.z + tile * TILE * STRIDE.z;
  //@unroll C 0..CHANNELS
  let w_$(C) = g * CO * CI * TAPS + min(first + $(C)u, CO - 1u) * W_OUT;
  //@unroll J 0..TILE
  var a_$(C)_$(J) = 0.0;
  //@end J
  //@end C
  for (var c = 0u; c < CI; c++) {
    for (var tx = 0u; tx < KERNEL.x; tx++) {
      for (var ty = 0u; ty < KERNEL.y; ty++) {
        let row = corner + c * plane + (tx * DILATION.x * IN.y + ty * DILATION.y) * IN.z;
        let tap = (tx * KERNEL.y + ty) * KERNEL.z;
        //@unroll V 0..(TILE - 1) * STRIDE.z + (KERNEL.z - 1) * DILATION.z + 1
        let x_$(V) = x[row + $(V)u];
        //@end V
        //@unroll K 0..KERNEL.z
        {
          let at = c * W_IN + tap_address(tap + $(K)u);
          //@unroll C 0..CHANNELS
          {
            let weight = w[w_$(C) + at];
            //@unroll J 0..TILE
            a_$(C)_$(J) += x_$(J * STRIDE.z + K * DILATION.z) * weight;
            //@end J
          }
          //@end C
        }
        //@end K
      }
    }
  }
  // Sums go through an array, so that the epilogue is compiled once and not for each of them.
  var sums: array<f32, CHANNELS * TILE>;
  //@unroll C 0..CHANNELS
  //@unroll J 0..TILE
  sums[$(C * TILE + J)] = a_$(C)_$(J);
  //@end J
  //@end C
  let row_y = (((n * GROUPS + g) * CO + first) * OUT.x + ox) * OUT.y * OUT.z + oy * OUT.z + tile * TILE;
  let width = min(TILE, OUT.z - tile * TILE);
  for (var c = 0u; c < min(CHANNELS, CO - first); c++) {
    let base = row_y + c * OUT.x * OUT.y * OUT.z;
    for (var j = 0u; j < width; j++) {
      y[base + j] = epilogue(sums[c * TILE + j], base + j);
    }
  }
}
