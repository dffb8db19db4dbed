// Convolution from workgroup memory, for hardware GPUs (up = 1):
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, p STRIDE + t DILATION - FRONT] w[g, o, c, t]
// where a position outside x counts as zero. x: [N, GROUPS CI, IN]; y: [N, GROUPS CO, OUT]; w as in conv/direct.
// A workgroup makes LX x V x LZ voxels of QUADS x 4 output channels. DEPTH input channels at a time, the part of x they need,
// borders included, and their weights, four output channels a vector, are copied to workgroup memory; the next ones are on
// their way into registers meanwhile. A thread makes V voxels along H of Q x 4 channels in registers: what it reads of a
// plane of x serves KERNEL.y x V voxels, and a warp reads consecutive words of x and one word of the weights.
// Every sum runs over c, then the taps in order, into one accumulator, so that all tiles give the same bits.
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
const W_OUT: u32 = 1u;
const W_IN: u32 = 1u;
const REVERSED: bool = false;
const LZ: u32 = 1u; // threads along the last axis
const LX: u32 = 1u; // threads along the first
const LQ: u32 = 1u; // threads along the output channels
const V: u32 = 1u; // voxels of a thread, along the middle axis
const Q: u32 = 1u; // quads of output channels of a thread
const DEPTH: u32 = 1u; // input channels a stage
const X_PITCH: u32 = 1u; // words from one slice of the staged part of x to the next: chosen so that banks do not collide
const SLOTS: u32 = 1u; // words of x of one channel that a thread copies
const W_SLOTS: u32 = 1u; // vectors of weights that a thread copies

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const NONE: u32 = 0xffffffffu;
const THREADS: u32 = LZ * LX * LQ;
const QUADS: u32 = LQ * Q;
const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const BLOCKS: u32 = (CO + 4u * QUADS - 1u) / (4u * QUADS);
const TILES: vec3u = (OUT + vec3u(LX, V, LZ) - 1u) / vec3u(LX, V, LZ);
const EXTENT: vec3u = (vec3u(LX, V, LZ) - 1u) * STRIDE + (KERNEL - 1u) * DILATION + 1u;
const FACE: u32 = EXTENT.y * EXTENT.z;
const CELLS: u32 = EXTENT.x * FACE;
const CHANNEL_PITCH: u32 = EXTENT.x * X_PITCH;
const PLANE_IN: u32 = IN.x * IN.y * IN.z;
const PLANE_OUT: u32 = OUT.x * OUT.y * OUT.z;
// Odd, so that threads that write the weights of neighbouring taps do not meet in a bank.
const W_PITCH: u32 = QUADS | 1u;

var<workgroup> cells: array<f32, DEPTH * CHANNEL_PITCH>;
var<workgroup> weights: array<vec4f, DEPTH * TAPS * W_PITCH>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  var task = linear_group(group, groups);
  if (task >= N * GROUPS * BLOCKS * TILES.x * TILES.y * TILES.z) { return; }
  // Workgroups that read the same part of x run at the same time.
  let first = task % BLOCKS * 4u * QUADS;
  task /= BLOCKS;
  let tile = vec3u(task / (TILES.z * TILES.y) % TILES.x, task / TILES.z % TILES.y, task % TILES.z) * vec3u(LX, V, LZ);
  task /= TILES.x * TILES.y * TILES.z;
  let g = task % GROUPS;
  let n = task / GROUPS;
  let lz = lane % LZ;
  let lx = lane / LZ % LX;
  let lq = lane / (LZ * LX);
  let corner = vec3i(tile * STRIDE) - FRONT;
  let x_base = (n * GROUPS + g) * CI * PLANE_IN;
  let w_base = g * CO * CI * TAPS;
  // What this thread copies: from where (NONE: a zero) ...
  //@unroll S 0..SLOTS
  let cell_$(S) = $(S)u * THREADS + lane;
  let place_$(S) = vec3i(vec3u(cell_$(S) / FACE, cell_$(S) / EXTENT.z % EXTENT.y, cell_$(S) % EXTENT.z)) + corner;
  let inside_$(S) = all((place_$(S) >= vec3i(0)) & (place_$(S) < vec3i(IN))) & (cell_$(S) < CELLS);
  let at_$(S) = select(NONE, u32((place_$(S).x * i32(IN.y) + place_$(S).y) * i32(IN.z) + place_$(S).z), inside_$(S));
  //@end S
  //@unroll S 0..W_SLOTS
  let vector_$(S) = $(S)u * THREADS + lane;
  let tap_$(S) = vector_$(S) % TAPS;
  let quad_$(S) = vector_$(S) / TAPS % QUADS;
  let deep_$(S) = vector_$(S) / (TAPS * QUADS);
  let w_at_$(S) = w_base + deep_$(S) * W_IN + select(tap_$(S), TAPS - 1u - tap_$(S), REVERSED);
  //@end S
  //@unroll J 0..V
  //@unroll C 0..Q
  var a_$(J)_$(C) = vec4f();
  //@end C
  //@end J
  // Step c asks for channels c ..., works on those before, which are in workgroup memory by now, then stores what came.
  for (var c = 0u; c < CI + DEPTH; c += DEPTH) {
    //@unroll D 0..DEPTH
    //@unroll S 0..SLOTS
    var x_$(S)_$(D) = 0.0;
    if ((c + $(D)u < CI) & (at_$(S) != NONE)) { x_$(S)_$(D) = x[x_base + (c + $(D)u) * PLANE_IN + at_$(S)]; }
    //@end S
    //@end D
    //@unroll S 0..W_SLOTS
    var w_$(S) = vec4f();
    if (c + deep_$(S) < CI) {
      let o = first + 4u * quad_$(S);
      let at = w_at_$(S) + c * W_IN;
      let w0 = w[at + min(o, CO - 1u) * W_OUT];
      let w1 = w[at + min(o + 1u, CO - 1u) * W_OUT];
      let w2 = w[at + min(o + 2u, CO - 1u) * W_OUT];
      let w3 = w[at + min(o + 3u, CO - 1u) * W_OUT];
      w_$(S) = vec4f(w0, w1, w2, w3);
    }
    //@end S
    if (c > 0u) {
      for (var d = 0u; d < min(DEPTH, CI + DEPTH - c); d++) {
        for (var tx = 0u; tx < KERNEL.x; tx++) {
          let row = d * CHANNEL_PITCH + (lx * STRIDE.x + tx * DILATION.x) * X_PITCH + lz * STRIDE.z;
          let taps = (d * TAPS + tx * KERNEL.y * KERNEL.z) * W_PITCH + lq * Q;
          //@unroll R 0..(V - 1) * STRIDE.y + (KERNEL.y - 1) * DILATION.y + 1
          //@unroll K 0..KERNEL.z
          let v_$(R)_$(K) = cells[row + $(R)u * EXTENT.z + $(K)u * DILATION.z];
          //@end K
          //@end R
          //@unroll T 0..KERNEL.y
          //@unroll K 0..KERNEL.z
          {
            //@unroll C 0..Q
            let weight_$(C) = weights[taps + $(T * KERNEL.z + K)u * W_PITCH + $(C)u];
            //@unroll J 0..V
            a_$(J)_$(C) = a_$(J)_$(C) + v_$(J * STRIDE.y + T * DILATION.y)_$(K) * weight_$(C);
            //@end J
            //@end C
          }
          //@end K
          //@end T
        }
      }
    }
    workgroupBarrier();
    //@unroll S 0..SLOTS
    if (cell_$(S) < CELLS) {
      let to = cell_$(S) / FACE * X_PITCH + cell_$(S) % FACE;
      //@unroll D 0..DEPTH
      cells[to + $(D)u * CHANNEL_PITCH] = x_$(S)_$(D);
      //@end D
    }
    //@end S
    //@unroll S 0..W_SLOTS
    if (vector_$(S) < DEPTH * TAPS * QUADS) {
      weights[(deep_$(S) * TAPS + tap_$(S)) * W_PITCH + quad_$(S)] = w_$(S);
    }
    //@end S
    workgroupBarrier();
  }
  let voxel = tile + vec3u(lx, 0u, lz);
  if ((voxel.x >= OUT.x) | (voxel.z >= OUT.z)) { return; }
  let row_y = (n * GROUPS + g) * CO * PLANE_OUT + (voxel.x * OUT.y + voxel.y) * OUT.z + voxel.z;
  //@unroll C 0..Q
  //@unroll L 0..4
  {
    let o = first + 4u * (lq * Q + $(C)u) + $(L)u;
    if (o < CO) {
      //@unroll J 0..V
      if (voxel.y + $(J)u < OUT.y) {
        let i = row_y + o * PLANE_OUT + $(J)u * OUT.z;
        y[i] = epilogue(a_$(J)_$(C)[$(L)], i);
      }
      //@end J
    }
  }
  //@end L
  //@end C
}
