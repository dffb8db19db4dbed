// Mean and sum of squared deviations (from that mean) of chunks of a group; norm/statistics merges them.
// x is [OUTER, GROUPS, INNER]; group g holds its OUTER * INNER elements, cut into CHUNKS chunks of CHUNK (the last shorter).
// parts [GROUPS, CHUNKS, 2]. One workgroup a chunk, which passes over its few elements twice: no E[x^2] - E[x]^2.
//@include common/linear
//@include norm/tree

const OUTER: u32 = 1u;
const GROUPS: u32 = 1u;
const INNER: u32 = 1u;
const CHUNKS: u32 = 1u;
const CHUNK: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> parts: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups);
  let valid = task < GROUPS * CHUNKS;
  let g = task / CHUNKS;
  let first = (task % CHUNKS) * CHUNK;
  let last = select(first, min(first + CHUNK, OUTER * INNER), valid);
  var value = 0.0;
  for (var r = first + lane; r < last; r += 64u) {
    value += x[((r / INNER) * GROUPS + g) * INNER + r % INNER];
  }
  let mean = tree_sum(vec2f(value, 0.0), lane).x / f32(max(last - first, 1u));
  value = 0.0;
  for (var r = first + lane; r < last; r += 64u) {
    let deviation = x[((r / INNER) * GROUPS + g) * INNER + r % INNER] - mean;
    value += deviation * deviation;
  }
  let squares = tree_sum(vec2f(value, 0.0), lane).x;
  if (lane == 0u && valid) {
    parts[2u * task] = mean;
    parts[2u * task + 1u] = squares;
  }
}
