// Average pooling: y[n, c, o] = sum of x over the window that starts at o * STRIDE - FRONT and has taps DILATION apart, over
// the number of its taps: those within the padded volume where INCLUDE_PAD is set, else those within x (at least one).
// x [PLANES, INPUT]; y [PLANES, OUTPUT]; vectors are (D, H, W). One thread an output, W fastest.
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

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

// How many of the taps 0, DILATION, 2 DILATION, ... lie before a distance.
fn taps_before(distance: vec3u) -> vec3u {
  return (distance + DILATION - vec3u(1u)) / DILATION;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= COUNT) { return; }
  let row = i / OUTPUT.z;
  let slice = row / OUTPUT.y;
  let base = (slice / OUTPUT.x) * (INPUT.x * INPUT.y * INPUT.z);
  // In coordinates of the padded volume, which are never negative.
  let start = vec3u(slice % OUTPUT.x, row % OUTPUT.y, i % OUTPUT.z) * STRIDE;
  let begin = taps_before(max(start, FRONT) - start);
  let end = min(taps_before(max(FRONT + INPUT, start) - start), KERNEL);
  var value = 0.0;
  for (var d = begin.x; d < end.x; d++) {
    for (var h = begin.y; h < end.y; h++) {
      for (var w = begin.z; w < end.z; w++) {
        let p = start + vec3u(d, h, w) * DILATION - FRONT;
        value += x[base + (p.x * INPUT.y + p.y) * INPUT.z + p.z];
      }
    }
  }
  var size = end - begin;
  if (INCLUDE_PAD) {
    size = min(taps_before(FRONT + INPUT + BACK - start), KERNEL);
  }
  y[i] = epilogue(value / f32(size.x * size.y * size.z), i);
}
