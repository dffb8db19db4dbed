// Gradient of softmax/pick: y[n, k] = dy[n] where k = labels[n], else 0. y [ROWS, CLASSES]; labels, dy [ROWS].
//@include common/linear
//@include softmax/label

const ROWS: u32 = 1u;
const CLASSES: u32 = 1u;
const FLOAT_LABELS: bool = false;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= ROWS * CLASSES) { return; }
  let label = class_of(labels[i / CLASSES], FLOAT_LABELS, CLASSES);
  y[i] = epilogue(select(0.0, dy[i / CLASSES], i % CLASSES == label), i);
}
