// A convolution (conv/tiled) and the max-pool that follows it in one kernel: the convolution's own output never reaches memory.
//   y[n, m, p] = epilogue(stage(max over the window of p of conv[n, m, p POOL_STRIDE - POOL_FRONT + k])), index: the winner's
// flat position in the plane of conv, as pool/max writes it. What came between convolution and pool (a shift, an activation)
// must not decrease, so that it may as well come after the pool, at an eighth of the places: it fills the slot `stage`.
// Windows do not overlap (POOL <= POOL_STRIDE), and a workgroup makes whole ones: POOL_STRIDE divides LX, V and LZ. The sums of
// one channel a thread at a time pass through workgroup memory, where another thread finds the winner of a window.
// Where ZERO is set, padding within PADDED counts as zeros after the stage; else it never wins.
//@include common/linear
//@include pool/padding
//@paste conv/tiled_constants
const POOLED: vec3u = vec3u(1u); // size of y
const POOL: vec3u = vec3u(1u);
const POOL_STRIDE: vec3u = vec3u(1u);
const POOL_FRONT: vec3u = vec3u(0u);
const PADDED: vec3u = vec3u(1u); // POOL_FRONT + OUT + back padding
const ZERO: bool = false;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> index: array<u32>;

//@slot stage
fn stage(v: f32, i: u32) -> f32 { return v; }
//@end

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const PLANE_POOLED: u32 = POOLED.x * POOLED.y * POOLED.z;
const BLOCK: vec3u = vec3u(LX, V, LZ) / POOL_STRIDE; // windows of a workgroup
const WINDOWS: u32 = BLOCK.x * BLOCK.y * BLOCK.z;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  //@paste conv/tiled_begin
  for (var c = 0u; c < CI + DEPTH; c += DEPTH) {
    //@unroll D 0..DEPTH
    //@unroll S 0..SLOTS
    var x_$(S)_$(D) = 0.0;
    if ((c + $(D)u < CI) & (at_$(S) != NONE)) { x_$(S)_$(D) = x[(first_plane + c + $(D)u) * PLANE_IN + at_$(S)]; }
    //@end S
    //@end D
    //@paste conv/tiled_step
  }
  //@paste conv/tiled_sums
  for (var k = 0u; k < 4u * Q; k++) {
    workgroupBarrier();
    for (var j = 0u; j < V; j++) { cells[((lq * LX + lx) * V + j) * LZ + lz] = sums[k * V + j]; }
    workgroupBarrier();
    find_winners(lane, tile_index * BLOCK, (n * GROUPS + g) * CO, first + k);
  }
}

// The winners of a tile's windows, from `begin` on, of channel o of each LQ: what they are is in workgroup memory.
fn find_winners(lane: u32, begin: vec3u, first_plane: u32, first: u32) {
  for (var k = lane; k < LQ * WINDOWS; k += THREADS) {
    let inner = vec3u(k / (BLOCK.z * BLOCK.y) % BLOCK.x, k / BLOCK.z % BLOCK.y, k % BLOCK.z);
    let window = begin + inner;
    let o = first + k / WINDOWS * 4u * Q;
    if (any(window >= POOLED) | (o >= CO)) { continue; }
    let corner = vec3i(window * POOL_STRIDE) - vec3i(POOL_FRONT);
    var best = -3.4028234e38;
    var winner = NONE;
    for (var a = 0u; a < POOL.x; a++) {
      for (var b = 0u; b < POOL.y; b++) {
        for (var e = 0u; e < POOL.z; e++) {
          let place = corner + vec3i(vec3u(a, b, e));
          let at = inner * POOL_STRIDE + vec3u(a, b, e);
          let v = cells[((k / WINDOWS * LX + at.x) * V + at.y) * LZ + at.z];
          let wins = ((v > best) | is_nan(v)) & all(place >= vec3i(0)) & all(place < vec3i(OUT));
          best = select(best, v, wins);
          winner = select(winner, u32((place.x * i32(OUT.y) + place.y) * i32(OUT.z) + place.z), wins);
        }
      }
    }
    let i = (first_plane + o) * PLANE_POOLED + (window.x * POOLED.y + window.y) * POOLED.z + window.z;
    let value = stage(best, i);
    let by_padding = ZERO & padding_wins(value, window * POOL_STRIDE, window * POOL_STRIDE + POOL, POOL_FRONT, OUT, PADDED);
    y[i] = epilogue(select(value, 0.0, by_padding), i);
    index[i] = select(winner, NONE, by_padding);
  }
}
