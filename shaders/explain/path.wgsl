// Points between baselines and scans: y[k, j] = b + alpha[k] * (x[k % SCANS, j] - b), b = baselines[choice[k], j].
// x [SCANS, SIZE]; baselines [any, SIZE]; choice, u32 [ROWS]; alpha [ROWS]; y [ROWS, SIZE].
//@include common/linear

const SIZE: u32 = 1u;
const ROWS: u32 = 1u;
const SCANS: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> baselines: array<f32>;
@group(0) @binding(2) var<storage, read> choice: array<u32>;
@group(0) @binding(3) var<storage, read> alpha: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= SIZE * ROWS) { return; }
  let k = i / SIZE;
  let j = i - k * SIZE;
  let b = baselines[choice[k] * SIZE + j];
  y[i] = epilogue(b + alpha[k] * (x[(k % SCANS) * SIZE + j] - b), i);
}
