// Convolution that tests its borders, for hardware GPUs: neighbouring threads take neighbouring voxels, so loads coalesce;
// each thread makes POSITIONS voxels (64 apart) of CHANNELS output channels in registers:
//   y[n, g CO + o, p] = sum over c < CI, taps t of x[n, g CI + c, (p STRIDE + t DILATION - FRONT) / UP] w[g, o, c, t]
// where a position outside x, or one that UP does not divide, counts as zero (UP > 1: transposed convolution).
// x: [N, GROUPS CI, IN]; y: [N, GROUPS CO, OUT]; w as in conv/rows.
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
const UP: vec3u = vec3u(1u);
const W_OUT: u32 = 1u;
const W_IN: u32 = 1u;
const REVERSED: bool = false;
const POSITIONS: u32 = 4u;
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

fn tap_address(t: u32) -> u32 { return select(t, TAPS - 1u - t, REVERSED); }

// Where tap t reads along one axis, or -1. Tests are joined by &, not &&: SwiftShader's compile time doubles with each branch.
fn source(p: u32, t: u32, stride: u32, dilation: u32, front: i32, up: u32, size: u32) -> i32 {
  let at = i32(p * stride + t * dilation) - front;
  let s = at / i32(up);
  return select(-1, s, (at >= 0) & (s * i32(up) == at) & (s < i32(size)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(vec3u(group.x, group.y, 0u), groups) * 64u * POSITIONS + lane;
  let block = group.z % BLOCKS;
  let g = group.z / BLOCKS;
  let first = block * CHANNELS;
  //@unroll C 0..CHANNELS
  let w_$(C) = g * CO * CI * TAPS + min(first + $(C)u, CO - 1u) * W_OUT;
  //@unroll J 0..POSITIONS
  var a_$(C)_$(J) = 0.0;
  //@end J
  //@end C
  //@unroll J 0..POSITIONS
  let p_$(J) = min(start + $(J)u * 64u, N * PLANE_OUT - 1u);
  let n_$(J) = p_$(J) / PLANE_OUT * GROUPS + g;
  let ox_$(J) = p_$(J) / (OUT.y * OUT.z) % OUT.x;
  let oy_$(J) = p_$(J) / OUT.z % OUT.y;
  let oz_$(J) = p_$(J) % OUT.z;
  //@end J
  for (var tx = 0u; tx < KERNEL.x; tx++) {
    for (var ty = 0u; ty < KERNEL.y; ty++) {
      for (var tz = 0u; tz < KERNEL.z; tz++) {
        let tap = tap_address((tx * KERNEL.y + ty) * KERNEL.z + tz);
        //@unroll J 0..POSITIONS
        let sx_$(J) = source(ox_$(J), tx, STRIDE.x, DILATION.x, FRONT.x, UP.x, IN.x);
        let sy_$(J) = source(oy_$(J), ty, STRIDE.y, DILATION.y, FRONT.y, UP.y, IN.y);
        let sz_$(J) = source(oz_$(J), tz, STRIDE.z, DILATION.z, FRONT.z, UP.z, IN.z);
        let in_$(J) = (sx_$(J) >= 0) & (sy_$(J) >= 0) & (sz_$(J) >= 0);
        let s_$(J) = n_$(J) * CI * PLANE_IN + select(0u, (u32(sx_$(J)) * IN.y + u32(sy_$(J))) * IN.z + u32(sz_$(J)), in_$(J));
        //@end J
        for (var c = 0u; c < CI; c++) {
          //@unroll J 0..POSITIONS
          let x_$(J) = select(0.0, x[s_$(J) + c * PLANE_IN], in_$(J));
          //@end J
          //@unroll C 0..CHANNELS
          {
            let weight = w[w_$(C) + c * W_IN + tap];
            //@unroll J 0..POSITIONS
            a_$(C)_$(J) += x_$(J) * weight;
            //@end J
          }
          //@end C
        }
      }
    }
  }
  //@unroll C 0..CHANNELS
  if (first + $(C)u < CO) {
    //@unroll J 0..POSITIONS
    if (start + $(J)u * 64u < N * PLANE_OUT) {
      let i = (n_$(J) * CO + first + $(C)u) * PLANE_OUT + p_$(J) % PLANE_OUT;
      y[i] = epilogue(a_$(C)_$(J), i);
    }
    //@end J
  }
  //@end C
}
