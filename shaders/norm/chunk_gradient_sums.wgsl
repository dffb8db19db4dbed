// Sums over chunks of a group of dy and of dy * xhat, xhat = (x - mean) / sqrt(variance + epsilon).
// x, dy [OUTER, GROUPS, INNER]; statistics [GROUPS, 3] (norm/statistics); parts [GROUPS, CHUNKS, 2]. One workgroup a chunk.
//@include common/linear
//@include norm/tree

const OUTER: u32 = 1u;
const GROUPS: u32 = 1u;
const INNER: u32 = 1u;
const CHUNKS: u32 = 1u;
const CHUNK: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> statistics: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups);
  let valid = task < GROUPS * CHUNKS;
  let g = min(task / CHUNKS, GROUPS - 1u);
  let first = (task % CHUNKS) * CHUNK;
  let last = select(first, min(first + CHUNK, OUTER * INNER), valid);
  let mean = statistics[3u * g];
  let scale = statistics[3u * g + 2u];
  var value = vec2f(0.0);
  for (var r = first + lane; r < last; r += 64u) {
    let i = ((r / INNER) * GROUPS + g) * INNER + r % INNER;
    let v = dy[i];
    value += vec2f(v, v * ((x[i] - mean) * scale));
  }
  let total = tree_sum(value, lane);
  if (lane == 0u && valid) {
    parts[2u * task] = total.x;
    parts[2u * task + 1u] = total.y;
  }
}
