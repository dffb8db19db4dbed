// Convolution from workgroup memory, for hardware GPUs (up = 1):
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, p STRIDE + t DILATION - FRONT] w[g, o, c, t]
// where a position outside x counts as zero. x: [N, GROUPS CI, IN]; y: [N, GROUPS CO, OUT]; w as in conv/rows.
// A workgroup makes LX x V x LZ voxels of LQ x Q x 4 output channels. DEPTH input channels at a time, the part of x they need,
// borders included, and their weights, four output channels a vector, are copied to workgroup memory; the next ones are on
// their way into registers meanwhile. A thread makes V voxels along H of Q x 4 channels in registers: what it reads of a
// plane of x serves KERNEL.y x V voxels, and a warp reads consecutive words of x and one word of the weights.
// Every sum runs over c, then the taps in order, into one accumulator, so that all tiles give the same bits.
//@include common/linear
//@paste conv/tiled_constants

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

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
  //@paste conv/tiled_store
}
