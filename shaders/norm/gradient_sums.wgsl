// Totals of norm/chunk_gradient_sums, and what norm/input_gradient needs of them. One workgroup a group.
// parts [GROUPS, CHUNKS, 2]; statistics [GROUPS, 3]; gamma: CHANNELS, the channel of a group is group % CHANNELS.
// sum_dy, sum_dy_xhat: GROUPS. coefficients [GROUPS, 4] = a, b, mean, c with dx = a dy + b (x - mean) + c, where
// dx = gamma r (dy - sum_dy / TOTAL - xhat sum_dy_xhat / TOTAL), r = 1 / sqrt(variance + epsilon) (Ioffe and Szegedy 2015).
//@include common/linear
//@include norm/tree

const GROUPS: u32 = 1u;
const CHUNKS: u32 = 1u;
const CHANNELS: u32 = 1u;
const TOTAL: u32 = 1u;

@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read> statistics: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> sum_dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> sum_dy_xhat: array<f32>;
@group(0) @binding(5) var<storage, read_write> coefficients: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let g = linear_group(group, groups);
  let chunks = select(0u, CHUNKS, g < GROUPS);
  var value = vec2f(0.0);
  for (var k = lane; k < chunks; k += 64u) {
    value += vec2f(parts[2u * (g * CHUNKS + k)], parts[2u * (g * CHUNKS + k) + 1u]);
  }
  let total = tree_sum(value, lane);
  if (lane == 0u && g < GROUPS) {
    let scale = statistics[3u * g + 2u];
    let a = gamma[g % CHANNELS] * scale;
    sum_dy[g] = total.x;
    sum_dy_xhat[g] = total.y;
    coefficients[4u * g] = a;
    coefficients[4u * g + 1u] = -a * scale * (total.y / f32(TOTAL));
    coefficients[4u * g + 2u] = statistics[3u * g];
    coefficients[4u * g + 3u] = -a * (total.x / f32(TOTAL));
  }
}
