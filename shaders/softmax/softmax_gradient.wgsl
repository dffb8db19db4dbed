// Gradient of softmax from its output p: y = p (dy - sum of dy p), or with LOG of log-softmax from its output p:
// y = dy - exp(p) sum of dy. All tensors [ROWS, CLASSES, INNER]; one thread a (row, inner).
//@include common/linear

const ROWS: u32 = 1u;
const CLASSES: u32 = 1u;
const INNER: u32 = 1u;
const LOG: bool = false;

@group(0) @binding(0) var<storage, read> p: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = linear_group(group, groups) * 64u + lane;
  if (t >= ROWS * INNER) { return; }
  let start = (t / INNER) * CLASSES * INNER + t % INNER;
  var total = 0.0;
  for (var k = 0u; k < CLASSES; k++) {
    let i = start + k * INNER;
    total += dy[i] * select(p[i], 1.0, LOG);
  }
  for (var k = 0u; k < CLASSES; k++) {
    let i = start + k * INNER;
    var v = p[i] * (dy[i] - total);
    if (LOG) {
      v = dy[i] - exp(p[i]) * total;
    }
    y[i] = epilogue(v, i);
  }
}
