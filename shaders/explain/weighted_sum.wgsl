// Adds rows to a sum in place: total[j] = (0 if seen[0] is 0, else total[j]) + sum over k of weights[k] * g(rows[k, j]),
// where g is the value itself, its absolute value or its square (FORM 0, 1, 2).
// rows [ROWS, SIZE]; weights [ROWS]; seen [1], the rows before these; total [SIZE].
//@include common/linear

const SIZE: u32 = 1u;
const ROWS: u32 = 1u;
const FORM: u32 = 0u;

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> seen: array<f32>;
@group(0) @binding(3) var<storage, read_write> total: array<f32>;

fn form(v: f32) -> f32 {
  if (FORM == 1u) { return abs(v); }
  if (FORM == 2u) { return v * v; }
  return v;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let j = linear_group(group, groups) * 64u + lane;
  if (j >= SIZE) { return; }
  var sum = select(total[j], 0.0, seen[0] == 0.0);
  for (var k = 0u; k < ROWS; k++) {
    sum += weights[k] * form(rows[k * SIZE + j]);
  }
  total[j] = sum;
}
