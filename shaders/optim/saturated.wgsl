// Whether values have reached the end of f16's range: y[chunk] = 1 where some |x| of a chunk is at least LIMIT, else 0.
// x [COUNT], CHUNK values a workgroup. What is stored as f16 stops at 65504 (src/engine/precision.ts).
//@include common/linear

const COUNT: u32 = 1u;
const CHUNK: u32 = 4096u;
const LIMIT: f32 = 65504.0;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

var<workgroup> largest: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let chunk = linear_group(group, groups);
  let first = chunk * CHUNK;
  var most = 0.0;
  for (var i = first + lane; i < min(first + CHUNK, COUNT); i += 64u) {
    most = max(most, abs(x[i]));
  }
  largest[lane] = most;
  workgroupBarrier();
  if ((lane == 0u) & (first < COUNT)) {
    for (var l = 1u; l < 64u; l++) {
      most = max(most, largest[l]);
    }
    y[chunk] = select(0.0, 1.0, most >= LIMIT);
  }
}
