// One operand of a concatenation copied to its place: y[outer, START + k, inner] = x[outer, k, inner] for k < SIZE.
// x: [OUTER, SIZE, INNER], y: [OUTER, TOTAL, INNER], with ROW = SIZE * INNER, ROWS = TOTAL * INNER, FIRST = START * INNER.
// No epilogue: each launch writes only a part of y.
//@include common/linear

const COUNT: u32 = 1u;
const ROW: u32 = 1u;
const ROWS: u32 = 1u;
const FIRST: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      y[(i / ROW) * ROWS + FIRST + i % ROW] = x[i];
    }
  }
}
