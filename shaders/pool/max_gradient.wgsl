// Gradient of max pooling, gathered: y[n, c, p] = sum of dy over the windows that cover p and that p won.
// dy, index [PLANES, OUTPUT] (index as written by pool/max); y [PLANES, INPUT]; vectors are (D, H, W).
// One thread an input voxel; windows in scan order, so the sum has a fixed order.
//@include common/linear

const COUNT: u32 = 1u;
const INPUT: vec3u = vec3u(1u);
const OUTPUT: vec3u = vec3u(1u);
const STRIDE: vec3u = vec3u(1u);
const REACH: vec3u = vec3u(0u); // from a window's first tap to its last: (kernel - 1) * dilation
const FRONT: vec3u = vec3u(0u);

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= COUNT) { return; }
  let row = i / INPUT.z;
  let slice = row / INPUT.y;
  let base = (slice / INPUT.x) * (OUTPUT.x * OUTPUT.y * OUTPUT.z);
  let here = i % (INPUT.x * INPUT.y * INPUT.z);
  let place = vec3u(slice % INPUT.x, row % INPUT.y, i % INPUT.z) + FRONT;
  let begin = (max(place, REACH) - REACH + STRIDE - vec3u(1u)) / STRIDE;
  let end = min(place / STRIDE + vec3u(1u), OUTPUT);
  var value = 0.0;
  for (var d = begin.x; d < end.x; d++) {
    for (var h = begin.y; h < end.y; h++) {
      for (var w = begin.z; w < end.z; w++) {
        let o = base + (d * OUTPUT.y + h) * OUTPUT.z + w;
        if (index[o] == here) {
          value += dy[o];
        }
      }
    }
  }
  y[i] = epilogue(value, i);
}
