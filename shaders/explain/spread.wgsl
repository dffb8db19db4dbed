// Adds rows to a mean and a sum of squared deviations in place (Welford 1962), which keeps the digits of a variance that is
// small beside the mean. Rows of weight 0 do not count. The squares go on top of `total`.
// rows [ROWS, SIZE]; weights [ROWS], 0 or 1; seen [1], the rows before these (0: begin anew); mean, total [SIZE].
// MAGNITUDE: 1 for the rows' absolute values.
//@include common/linear

const SIZE: u32 = 1u;
const ROWS: u32 = 1u;
const MAGNITUDE: u32 = 0u;

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> seen: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> total: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let j = linear_group(group, groups) * 64u + lane;
  if (j >= SIZE) { return; }
  var count = seen[0];
  var average = select(mean[j], 0.0, count == 0.0);
  var squares = select(total[j], 0.0, count == 0.0);
  for (var k = 0u; k < ROWS; k++) {
    let row = rows[k * SIZE + j];
    let v = select(row, abs(row), MAGNITUDE == 1u);
    count += weights[k];
    let before = weights[k] * (v - average);
    average += before / max(count, 1.0);
    squares += before * (v - average);
  }
  mean[j] = average;
  total[j] = squares;
}
