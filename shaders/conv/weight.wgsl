// Weight gradient of a convolution, first of two stages (the second sums over chunks, reduce/sum):
//   y[chunk, o, c, t] = sum over the rows r of the chunk, voxels p of the row, of d[n, g CO + o, p] x[n, g CI + c, p STRIDE + t DILATION]
// x: [N, GROUPS CI, IN], padded so that every tap is inside; d: [N, GROUPS CO, OUT.x, OUT.y, D_ROW], rows padded with zeros
// to D_ROW, a multiple of STEP. y: [CHUNKS, GROUPS, CO, CI, taps] by the strides Y_OUT (output channel) and Y_IN.
// One thread makes a block of TO x TI channels for the taps of one kernel row, over the rows of one chunk; no barrier, because
// CPU adapters pay dearly for them.
//@include common/linear

const N: u32 = 1u;
const GROUPS: u32 = 1u;
const CI: u32 = 1u;
const CO: u32 = 1u;
const IN: vec3u = vec3u(1u);
const OUT: vec3u = vec3u(1u);
const D_ROW: u32 = 4u;
const KERNEL: vec3u = vec3u(1u);
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const Y_OUT: u32 = 1u;
const Y_IN: u32 = 1u;
const CHUNKS: u32 = 1u;
const CHUNK: u32 = 1u;
const STEP: u32 = 4u;
const TO: u32 = 1u;
const TI: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const BLOCKS_O: u32 = (CO + TO - 1u) / TO;
const BLOCKS_I: u32 = (CI + TI - 1u) / TI;
const ROWS: u32 = N * OUT.x * OUT.y;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  var task = linear_group(vec3u(group.x, group.y, 0u), groups) * 64u + lane;
  let ty = task % KERNEL.y;
  task /= KERNEL.y;
  let tx = task % KERNEL.x;
  task /= KERNEL.x;
  let i0 = (task % BLOCKS_I) * TI;
  task /= BLOCKS_I;
  let o0 = (task % BLOCKS_O) * TO;
  task /= BLOCKS_O;
  let g = task % GROUPS;
  let chunk = task / GROUPS;
  if (chunk >= CHUNKS) { return; }
  let plane_x = IN.x * IN.y * IN.z;
  let plane_d = OUT.x * OUT.y * D_ROW;
  //@unroll O 0..TO
  //@unroll I 0..TI
  //@unroll K 0..KERNEL.z
  var a_$(O)_$(I)_$(K) = 0.0;
  //@end K
  //@end I
  //@end O
  for (var r = chunk * CHUNK; r < min((chunk + 1u) * CHUNK, ROWS); r++) {
    let oy = r % OUT.y;
    let ox = (r / OUT.y) % OUT.x;
    let n = r / (OUT.y * OUT.x);
    let row_x = ((ox * STRIDE.x + tx * DILATION.x) * IN.y + oy * STRIDE.y + ty * DILATION.y) * IN.z;
    let row_d = (ox * OUT.y + oy) * D_ROW;
    //@unroll I 0..TI
    let x_row_$(I) = (n * GROUPS * CI + g * CI + min(i0 + $(I)u, CI - 1u)) * plane_x + row_x;
    //@end I
    //@unroll O 0..TO
    let d_row_$(O) = (n * GROUPS * CO + g * CO + min(o0 + $(O)u, CO - 1u)) * plane_d + row_d;
    //@end O
    for (var z = 0u; z < D_ROW; z += STEP) {
      //@unroll O 0..TO
      //@unroll S 0..STEP
      let d_$(O)_$(S) = d[d_row_$(O) + z + $(S)u];
      //@end S
      //@end O
      //@unroll I 0..TI
      {
        //@unroll V 0..(STEP - 1) * STRIDE.z + (KERNEL.z - 1) * DILATION.z + 1
        let x_$(V) = x[x_row_$(I) + z * STRIDE.z + $(V)u];
        //@end V
        //@unroll O 0..TO
        //@unroll K 0..KERNEL.z
        //@unroll S 0..STEP
        a_$(O)_$(I)_$(K) += d_$(O)_$(S) * x_$(S * STRIDE.z + K * DILATION.z);
        //@end S
        //@end K
        //@end O
      }
      //@end I
    }
  }
  let base = (chunk * GROUPS + g) * CO * CI * TAPS + (tx * KERNEL.y + ty) * KERNEL.z;
  //@unroll O 0..TO
  //@unroll I 0..TI
  if ((o0 + $(O)u < CO) & (i0 + $(I)u < CI)) {
    //@unroll K 0..KERNEL.z
    y[base + (o0 + $(O)u) * Y_OUT + (i0 + $(I)u) * Y_IN + $(K)u] = a_$(O)_$(I)_$(K);
    //@end K
  }
  //@end I
  //@end O
}
