// Softmax over classes, y = exp(x - m) / sum exp(x - m), or with LOG its logarithm x - m - log sum exp(x - m),
// m the largest x of the row, so that exp never overflows. x, y: [ROWS, CLASSES, INNER]; one thread a (row, inner).
//@include common/linear

const ROWS: u32 = 1u;
const CLASSES: u32 = 1u;
const INNER: u32 = 1u;
const LOG: bool = false;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = linear_group(group, groups) * 64u + lane;
  if (t >= ROWS * INNER) { return; }
  let start = (t / INNER) * CLASSES * INNER + t % INNER;
  var largest = x[start];
  for (var k = 1u; k < CLASSES; k++) {
    largest = max(largest, x[start + k * INNER]);
  }
  var total = 0.0;
  for (var k = 0u; k < CLASSES; k++) {
    total += exp(x[start + k * INNER] - largest);
  }
  let logarithm = log(total);
  for (var k = 0u; k < CLASSES; k++) {
    let i = start + k * INNER;
    let v = x[i] - largest;
    y[i] = epilogue(select(exp(v) / total, v - logarithm, LOG), i);
  }
}
