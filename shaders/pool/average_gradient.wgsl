// Gradient of average pooling, gathered: y[n, c, p] = sum of dy / size over the windows that cover p, in scan order.
// dy [PLANES, OUTPUT]; y [PLANES, INPUT]; vectors are (D, H, W); a window's taps as in pool/average.
//@include common/linear

const COUNT: u32 = 1u;
const INPUT: vec3u = vec3u(1u);
const OUTPUT: vec3u = vec3u(1u);
const KERNEL: vec3u = vec3u(1u);
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const FRONT: vec3u = vec3u(0u);
const BACK: vec3u = vec3u(0u);
const INCLUDE_PAD: bool = true;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

// How many of the taps 0, DILATION, 2 DILATION, ... lie before a distance.
fn taps_before(distance: vec3u) -> vec3u {
  return (distance + DILATION - vec3u(1u)) / DILATION;
}

fn window_size(o: vec3u) -> f32 {
  let start = o * STRIDE;
  var size = min(taps_before(FRONT + INPUT + BACK - start), KERNEL);
  if (!INCLUDE_PAD) {
    size = min(taps_before(max(FRONT + INPUT, start) - start), KERNEL) - taps_before(max(start, FRONT) - start);
  }
  return f32(size.x * size.y * size.z);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= COUNT) { return; }
  let row = i / INPUT.z;
  let slice = row / INPUT.y;
  let base = (slice / INPUT.x) * (OUTPUT.x * OUTPUT.y * OUTPUT.z);
  let place = vec3u(slice % INPUT.x, row % INPUT.y, i % INPUT.z) + FRONT;
  let reach = (KERNEL - vec3u(1u)) * DILATION;
  let begin = (max(place, reach) - reach + STRIDE - vec3u(1u)) / STRIDE;
  let end = min(place / STRIDE + vec3u(1u), OUTPUT);
  var value = 0.0;
  for (var d = begin.x; d < end.x; d++) {
    for (var h = begin.y; h < end.y; h++) {
      for (var w = begin.z; w < end.z; w++) {
        let o = vec3u(d, h, w);
        let is_tap = all((place - o * STRIDE) % DILATION == vec3u(0u));
        value += select(0.0, dy[base + (d * OUTPUT.y + h) * OUTPUT.z + w] / window_size(o), is_tap);
      }
    }
  }
  y[i] = epilogue(value, i);
}
