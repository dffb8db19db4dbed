// y[n] = x[n, labels[n]], 0 where there is no such class. x [ROWS, CLASSES]; labels, y [ROWS].
//@include common/linear
//@include softmax/label

const ROWS: u32 = 1u;
const CLASSES: u32 = 1u;
const FLOAT_LABELS: bool = false;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = linear_group(group, groups) * 64u + lane;
  if (n >= ROWS) { return; }
  let label = class_of(labels[n], FLOAT_LABELS, CLASSES);
  var v = 0.0;
  if (label < CLASSES) {
    v = x[n * CLASSES + label];
  }
  y[n] = epilogue(v, n);
}
