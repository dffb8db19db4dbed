// Statistics of each group from its chunks (norm/chunk_moments), merged by Chan, Golub and LeVeque's formula (1983).
// parts [GROUPS, CHUNKS, 2]; y [GROUPS, 3] = mean, variance (biased, over TOTAL elements), 1 / sqrt(variance + EPSILON).
// One workgroup a group.
//@include common/linear
//@include norm/tree

const GROUPS: u32 = 1u;
const CHUNKS: u32 = 1u;
const CHUNK: u32 = 1u;
const TOTAL: u32 = 1u;
const EPSILON: f32 = 1e-5;

@group(0) @binding(0) var<storage, read> parts: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn chunk_size(k: u32) -> f32 { return f32(min(CHUNK, TOTAL - k * CHUNK)); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let g = linear_group(group, groups);
  let chunks = select(0u, CHUNKS, g < GROUPS);
  // Means are averaged as differences from the first one, which keeps their digits when they are large.
  let origin = parts[2u * min(g, GROUPS - 1u) * CHUNKS];
  var value = 0.0;
  for (var k = lane; k < chunks; k += 64u) {
    value += chunk_size(k) * (parts[2u * (g * CHUNKS + k)] - origin);
  }
  let offset = tree_sum(vec2f(value, 0.0), lane).x / f32(TOTAL);
  value = 0.0;
  for (var k = lane; k < chunks; k += 64u) {
    let deviation = parts[2u * (g * CHUNKS + k)] - origin - offset;
    value += parts[2u * (g * CHUNKS + k) + 1u] + chunk_size(k) * deviation * deviation;
  }
  let variance = tree_sum(vec2f(value, 0.0), lane).x / f32(TOTAL);
  if (lane == 0u && g < GROUPS) {
    y[3u * g] = origin + offset;
    y[3u * g + 1u] = variance;
    y[3u * g + 2u] = 1.0 / sqrt(variance + EPSILON);
  }
}
