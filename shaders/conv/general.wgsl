// Convolution of any geometry, straight from storage, for hardware GPUs:
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, (p STRIDE + t DILATION - FRONT) / UP] w[g, o, c, t]
// where a position outside x, or one that UP does not divide, counts as zero (UP > 1: transposed convolution).
// x: [N, GROUPS CI, IN]; y: [N, GROUPS CO, OUT]; w: one group after the other, strides W_OUT (output channel) and W_IN (input
// channel), taps innermost; REVERSED turns the taps round.
// The voxels of y fall into UP.x UP.y UP.z phases that use the same taps each: a workgroup stays within one phase, so that a
// tap is either used by all of its threads or skipped by all. A thread makes four voxels, a workgroup's width apart, of
// CHANNELS output channels. Sums run over c, then the taps in order, as in conv/tiled.
//@include common/linear

//@paste conv/problem
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const UP: vec3u = vec3u(1u);
const CHANNELS: u32 = 4u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const BLOCKS: u32 = (CO + CHANNELS - 1u) / CHANNELS;
const PLANE_IN: u32 = IN.x * IN.y * IN.z;
const PLANE_OUT: u32 = OUT.x * OUT.y * OUT.z;
const GRID: vec3u = (OUT + UP - 1u) / UP; // voxels of one phase
const COUNT: u32 = N * GRID.x * GRID.y * GRID.z;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(vec3u(group.x, group.y, 0u), groups) * 256u + lane;
  let first = group.z % BLOCKS * CHANNELS;
  let g = group.z / BLOCKS % GROUPS;
  let phase_index = group.z / (BLOCKS * GROUPS);
  let phase = vec3u(phase_index / (UP.z * UP.y), phase_index / UP.z % UP.y, phase_index % UP.z);
  let shift = vec3i(phase * STRIDE) - FRONT;
  //@unroll J 0..4
  let p_$(J) = min(start + $(J * 64)u, COUNT - 1u);
  let q_$(J) = vec3u(p_$(J) / (GRID.y * GRID.z) % GRID.x, p_$(J) / GRID.z % GRID.y, p_$(J) % GRID.z);
  let s_$(J) = vec3i(q_$(J) * STRIDE);
  let n_$(J) = p_$(J) / (GRID.x * GRID.y * GRID.z) * GROUPS + g;
  //@end J
  //@unroll C 0..CHANNELS
  let w_$(C) = g * CO * CI * TAPS + min(first + $(C)u, CO - 1u) * W_OUT;
  var a_$(C) = vec4f();
  //@end C
  for (var c = 0u; c < CI; c++) {
    for (var tx = 0u; tx < KERNEL.x; tx++) {
      let dx = shift.x + i32(tx * DILATION.x);
      if (dx % i32(UP.x) != 0) { continue; }
      for (var ty = 0u; ty < KERNEL.y; ty++) {
        let dy = shift.y + i32(ty * DILATION.y);
        if (dy % i32(UP.y) != 0) { continue; }
        //@unroll J 0..4
        let x_$(J) = s_$(J).x + dx / i32(UP.x);
        let y_$(J) = s_$(J).y + dy / i32(UP.y);
        let in_$(J) = (x_$(J) >= 0) & (x_$(J) < i32(IN.x)) & (y_$(J) >= 0) & (y_$(J) < i32(IN.y));
        let row_$(J) = i32((n_$(J) * CI + c) * PLANE_IN) + (x_$(J) * i32(IN.y) + y_$(J)) * i32(IN.z);
        //@end J
        for (var tz = 0u; tz < KERNEL.z; tz++) {
          let dz = shift.z + i32(tz * DILATION.z);
          if (dz % i32(UP.z) != 0) { continue; }
          var v = vec4f();
          //@unroll J 0..4
          let z_$(J) = s_$(J).z + dz / i32(UP.z);
          if (in_$(J) & (z_$(J) >= 0) & (z_$(J) < i32(IN.z))) { v[$(J)] = x[u32(row_$(J) + z_$(J))]; }
          //@end J
          let tap = (tx * KERNEL.y + ty) * KERNEL.z + tz;
          let at = c * W_IN + select(tap, TAPS - 1u - tap, REVERSED == 1u);
          //@unroll C 0..CHANNELS
          a_$(C) = a_$(C) + v * w[w_$(C) + at];
          //@end C
        }
      }
    }
  }
  //@unroll J 0..4
  {
    let place = q_$(J) * UP + phase;
    if ((start + $(J * 64)u < COUNT) & all(place < OUT)) {
      let voxel = (place.x * OUT.y + place.y) * OUT.z + place.z;
      //@unroll C 0..CHANNELS
      if (first + $(C)u < CO) {
        let i = (n_$(J) * CO + first + $(C)u) * PLANE_OUT + voxel;
        y[i] = epilogue(a_$(C)[$(J)], i);
      }
      //@end C
    }
  }
  //@end J
}
