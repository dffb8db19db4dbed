// The data gradient of a convolution through the max-pool after it, as conv/tiled does it: x is never in memory. It is zero but
// for the winners of the pool's windows, which have the gradient of the pooled value:
//   x[n, c, p] = dy[n, c, window of p] where index[n, c, window of p] = p, else 0
// dy, index: [N, GROUPS CI, POOLED], index as written by pool/max; windows do not overlap. A word of workgroup memory costs two
// loads, and those of a window are the same, so that a cache serves all but the first.
//@include common/linear
//@paste conv/tiled_constants
const POOLED: vec3u = vec3u(1u);
const POOL_STRIDE: vec3u = vec3u(1u);
const POOL_FRONT: vec3i = vec3i(0i);

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const PLANE_POOLED: u32 = POOLED.x * POOLED.y * POOLED.z;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  //@paste conv/tiled_begin
  //@unroll S 0..SLOTS
  // Voxels behind the last window have none.
  let window_$(S) = vec3u(max(place_$(S) + POOL_FRONT, vec3i(0))) / POOL_STRIDE;
  let pooled_$(S) = (window_$(S).x * POOLED.y + window_$(S).y) * POOLED.z + window_$(S).z;
  let from_$(S) = select(NONE, pooled_$(S), inside_$(S) & all(window_$(S) < POOLED));
  //@end S
  for (var c = 0u; c < CI + DEPTH; c += DEPTH) {
    //@unroll D 0..DEPTH
    //@unroll S 0..SLOTS
    var x_$(S)_$(D) = 0.0;
    if ((c + $(D)u < CI) & (from_$(S) != NONE)) {
      let i = (first_plane + c + $(D)u) * PLANE_POOLED + from_$(S);
      x_$(S)_$(D) = select(0.0, dy[i], index[i] == at_$(S));
    }
    //@end S
    //@end D
    //@paste conv/tiled_step
  }
  //@paste conv/tiled_store
}
