// Weight gradient of a convolution for hardware GPUs, first of two stages (the second sums over chunks, reduce/sum):
//   y[chunk, g CO + o, c, t] = sum over the chunk's voxels p of d[n, g CO + o, p] x[n, g CI + c, p STRIDE + t DILATION - FRONT]
// where a position outside x counts as zero. x: [N, GROUPS CI, IN]; d: [N, GROUPS CO, OUT]; y: [CHUNKS, GROUPS CO, CI, taps].
// A workgroup makes the weights of LO x Q x 4 output and LC input channels, over CHUNK tiles of ROWS x WIDE voxels of a slice
// of d, one after the other. A tile of d, four output channels a vector, and the part of x under its taps are copied to
// workgroup memory. A thread goes along one row of the tile with Q x 4 output channels, one input channel, and TY rows of
// taps of one slice of taps: what it reads serves TY x KERNEL.z x Q x 4 multiply-adds a voxel. At the end the ROWS parts of
// each sum are added in order. The order of sums depends on the shape alone.
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
const FRONT: vec3i = vec3i(0i);
const CHUNKS: u32 = 1u;
const CHUNK: u32 = 1u; // tiles
const ROWS: u32 = 1u; // of a tile
const WIDE: u32 = 1u; // voxels of a row of a tile, a multiple of STEP
const STEP: u32 = 1u; // voxels that a thread takes at a time
const LO: u32 = 1u; // threads along output channels
const LC: u32 = 1u; // threads along input channels
const Q: u32 = 1u; // quads of output channels of a thread
const TY: u32 = 1u; // rows of taps of a thread
const SLOTS: u32 = 1u; // words of x of one channel that a thread copies
const D_SLOTS: u32 = 1u; // vectors of d that a thread copies

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> d: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const BANDS: u32 = (KERNEL.y + TY - 1u) / TY; // groups of rows of taps
const THREADS: u32 = ROWS * BANDS * KERNEL.x * LC * LO;
const BLOCKS_O: u32 = (CO + 4u * Q * LO - 1u) / (4u * Q * LO);
const BLOCKS_C: u32 = (CI + LC - 1u) / LC;
const TILES_Y: u32 = (OUT.y + ROWS - 1u) / ROWS;
const TILES_Z: u32 = (OUT.z + WIDE - 1u) / WIDE;
const TILES: u32 = N * OUT.x * TILES_Y * TILES_Z;
const PLANE_IN: u32 = IN.x * IN.y * IN.z;
const PLANE_OUT: u32 = OUT.x * OUT.y * OUT.z;
// The part of x under a tile: a slice for each slice of taps. Odd pitches, because neighbouring threads take neighbouring rows.
const TALL_X: u32 = (ROWS - 1u) * STRIDE.y + (KERNEL.y - 1u) * DILATION.y + 1u;
const WIDE_X: u32 = (WIDE - 1u) * STRIDE.z + (KERNEL.z - 1u) * DILATION.z + 1u;
const CELLS: u32 = KERNEL.x * TALL_X * WIDE_X;
const X_PITCH: u32 = WIDE_X | 1u;
const CHANNEL_PITCH: u32 = KERNEL.x * TALL_X * X_PITCH;
const D_PITCH: u32 = WIDE | 1u;
const VECTORS: u32 = LO * Q * ROWS * WIDE;

var<workgroup> cells: array<f32, LC * CHANNEL_PITCH>;
// Also where the rows' parts meet at the end, in two halves of a vector a thread.
var<workgroup> vectors: array<vec4f, max(LO * Q * ROWS * D_PITCH, 2u * THREADS)>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  var task = linear_group(group, groups);
  if (task >= CHUNKS * GROUPS * BLOCKS_O * BLOCKS_C) { return; }
  let first_o = task % BLOCKS_O * (4u * Q * LO);
  task /= BLOCKS_O;
  let first_c = task % BLOCKS_C * LC;
  task /= BLOCKS_C;
  let g = task % GROUPS;
  let chunk = task / GROUPS;
  let row = lane % ROWS;
  let role = lane / ROWS;
  let band = role % BANDS;
  let tx = role / BANDS % KERNEL.x;
  let lc = role / (BANDS * KERNEL.x) % LC;
  let lo = role / (BANDS * KERNEL.x * LC);
  //@unroll S 0..SLOTS
  let cell_$(S) = $(S)u * THREADS + lane;
  let part_$(S) = vec3u(cell_$(S) / (TALL_X * WIDE_X), cell_$(S) / WIDE_X % TALL_X, cell_$(S) % WIDE_X);
  //@end S
  //@unroll T 0..TY
  let row_x_$(T) = lc * CHANNEL_PITCH + (tx * TALL_X + row * STRIDE.y + min(band * TY + $(T)u, KERNEL.y - 1u) * DILATION.y) * X_PITCH;
  //@unroll K 0..KERNEL.z
  //@unroll C 0..Q
  var a_$(T)_$(K)_$(C) = vec4f();
  //@end C
  //@end K
  //@end T
  for (var t = chunk * CHUNK; t < min(chunk * CHUNK + CHUNK, TILES); t++) {
    let z0 = t % TILES_Z * WIDE;
    let y0 = t / TILES_Z % TILES_Y * ROWS;
    let ox = t / (TILES_Z * TILES_Y) % OUT.x;
    let n = t / (TILES_Z * TILES_Y * OUT.x);
    let corner = vec3i(vec3u(ox, y0, z0) * STRIDE) - FRONT;
    let x_base = (n * GROUPS * CI + g * CI) * PLANE_IN;
    let d_base = (n * GROUPS * CO + g * CO) * PLANE_OUT + ox * OUT.y * OUT.z;
    workgroupBarrier();
    //@unroll S 0..SLOTS
    if (cell_$(S) < CELLS) {
      let place = corner + vec3i(part_$(S) * vec3u(DILATION.x, 1u, 1u));
      let inside = all((place >= vec3i(0)) & (place < vec3i(IN)));
      let at = x_base + select(0u, u32((place.x * i32(IN.y) + place.y) * i32(IN.z) + place.z), inside);
      let to = (part_$(S).x * TALL_X + part_$(S).y) * X_PITCH + part_$(S).z;
      //@unroll I 0..LC
      var x_$(I) = 0.0;
      if (inside) { x_$(I) = x[at + min(first_c + $(I)u, CI - 1u) * PLANE_IN]; }
      //@end I
      //@unroll I 0..LC
      cells[to + $(I)u * CHANNEL_PITCH] = x_$(I);
      //@end I
    }
    //@end S
    //@unroll S 0..D_SLOTS
    {
      let vector = $(S)u * THREADS + lane;
      if (vector < VECTORS) {
        let z = vector % WIDE;
        let r = vector / WIDE % ROWS;
        let quad = vector / (WIDE * ROWS);
        let o = first_o + 4u * quad;
        var value = vec4f();
        if ((y0 + r < OUT.y) & (z0 + z < OUT.z)) {
          let at = d_base + (y0 + r) * OUT.z + z0 + z;
          let d0 = d[at + min(o, CO - 1u) * PLANE_OUT];
          let d1 = d[at + min(o + 1u, CO - 1u) * PLANE_OUT];
          let d2 = d[at + min(o + 2u, CO - 1u) * PLANE_OUT];
          let d3 = d[at + min(o + 3u, CO - 1u) * PLANE_OUT];
          value = vec4f(d0, d1, d2, d3);
        }
        vectors[(quad * ROWS + r) * D_PITCH + z] = value;
      }
    }
    //@end S
    workgroupBarrier();
    for (var z = 0u; z < WIDE; z += STEP) {
      //@unroll T 0..TY
      //@unroll U 0..(STEP - 1) * STRIDE.z + (KERNEL.z - 1) * DILATION.z + 1
      let v_$(T)_$(U) = cells[row_x_$(T) + z * STRIDE.z + $(U)u];
      //@end U
      //@end T
      //@unroll C 0..Q
      //@unroll S 0..STEP
      {
        let vector = vectors[((lo * Q + $(C)u) * ROWS + row) * D_PITCH + z + $(S)u];
        //@unroll T 0..TY
        //@unroll K 0..KERNEL.z
        a_$(T)_$(K)_$(C) = a_$(T)_$(K)_$(C) + v_$(T)_$(S * STRIDE.z + K * DILATION.z) * vector;
        //@end K
        //@end T
      }
      //@end S
      //@end C
    }
  }
  // Through an array, so that what follows is compiled once and not for each of them.
  var sums: array<vec4f, TY * KERNEL.z * Q>;
  //@unroll T 0..TY
  //@unroll K 0..KERNEL.z
  //@unroll C 0..Q
  sums[$((T * KERNEL.z + K) * Q + C)] = a_$(T)_$(K)_$(C);
  //@end C
  //@end K
  //@end T
  let base = (chunk * GROUPS + g) * CO * CI * TAPS + tx * KERNEL.y * KERNEL.z;
  let c = first_c + lc;
  workgroupBarrier();
  for (var k = 0u; k < TY * KERNEL.z * Q; k++) {
    var whole = sums[k];
    let half = k % 2u * THREADS;
    if (ROWS > 1u) {
      vectors[half + lane] = whole;
      workgroupBarrier();
    }
    // Another row's thread adds up each time, so that they share the work.
    if (row == k % ROWS) {
      if (ROWS > 1u) {
        whole = vectors[half + role * ROWS];
        for (var r = 1u; r < ROWS; r++) { whole = whole + vectors[half + role * ROWS + r]; }
      }
      let ty = band * TY + k / (KERNEL.z * Q);
      let o = first_o + 4u * (lo * Q + k % Q);
      let at = base + c * TAPS + ty * KERNEL.z + k / Q % KERNEL.z;
      if ((ty < KERNEL.y) & (c < CI)) {
        for (var l = 0u; l < min(4u, max(CO, o) - o); l++) { y[at + (o + l) * CI * TAPS] = whole[l]; }
      }
    }
  }
}
