// Gradient of softmax/cross_entropy with respect to the logits: y = dy w[label] / divisor (exp(x - log_sum) - onehot(label)),
// 0 in rows without a valid label. x, y [ROWS, CLASSES]; labels, log_sum [ROWS]; weights [CLASSES]; dy, divisor [1].
//@include common/linear
//@include softmax/label

const ROWS: u32 = 1u;
const CLASSES: u32 = 1u;
const FLOAT_LABELS: bool = false;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> log_sum: array<f32>;
@group(0) @binding(4) var<storage, read> divisor: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= ROWS * CLASSES) { return; }
  let n = i / CLASSES;
  let label = class_of(labels[n], FLOAT_LABELS, CLASSES);
  var v = 0.0;
  if (label < CLASSES) {
    v = dy[0] * weights[label] / divisor[0] * (exp(x[i] - log_sum[n]) - select(0.0, 1.0, i % CLASSES == label));
  }
  y[i] = epilogue(v, i);
}
