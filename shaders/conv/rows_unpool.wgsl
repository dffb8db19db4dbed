// The data gradient of a convolution that a max-pool follows: conv/rows applied to the gradient of the pool's input, which is
// zero but at the winners of its windows and never reaches memory:
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, p + t - FRONT] w[g, o, c, t],   x[..., index[..., q]] = dy[..., q]
// dy, index: [N, GROUPS CI, POOLED] (index as pool/max writes it); x, which is not stored: [N, GROUPS CI, IN]; y and w as in
// conv/rows, with stride and dilation 1. Windows do not overlap and IN is larger than a window along y and z, so that the flat
// position of a voxel outside x is never a winner of the window it would lie in.
//@include common/linear

//@paste conv/problem
//@paste conv/unpool_constants

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

//@paste conv/unpool_counts

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  //@paste conv/row_task
  //@paste conv/unpool_place
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
