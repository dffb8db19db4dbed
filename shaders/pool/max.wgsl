// Max pooling: y[n, c, o] = the largest x[n, c, o * STRIDE - FRONT + k * DILATION] over the taps k of the window, and
// index = the winner's flat position in its D * H * W plane (0xffffffff where a padding zero won).
// x [PLANES, INPUT]; y, index [PLANES, OUTPUT], all vectors are (D, H, W). One thread an output, W fastest.
// The first of equal taps in scan order wins; a NaN wins over everything (the last NaN), as in PyTorch.
// Taps outside x are skipped; where ZERO is set, those within the padded volume count as zeros. No window is empty.
//@include common/linear
//@include pool/padding

const COUNT: u32 = 1u;
const INPUT: vec3u = vec3u(1u);
const OUTPUT: vec3u = vec3u(1u);
const KERNEL: vec3u = vec3u(1u);
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const FRONT: vec3u = vec3u(0u);
const PADDED: vec3u = vec3u(1u); // FRONT + INPUT + back padding
const INSIDE: bool = false; // no window reaches outside x
const ZERO: bool = false;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> index: array<u32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= COUNT) { return; }
  let row = i / OUTPUT.z;
  let slice = row / OUTPUT.y;
  let base = (slice / OUTPUT.x) * (INPUT.x * INPUT.y * INPUT.z);
  // Coordinates before the first voxel wrap around to large numbers, which fail the test against INPUT.
  let start = vec3u(slice % OUTPUT.x, row % OUTPUT.y, i % OUTPUT.z) * STRIDE - FRONT;
  var best = 0.0;
  var winner = NONE;
  if (INSIDE) {
    winner = (start.x * INPUT.y + start.y) * INPUT.z + start.z;
    best = x[base + winner];
    for (var a = 0u; a < KERNEL.x; a++) {
      for (var b = 0u; b < KERNEL.y; b++) {
        let row_x = ((start.x + a * DILATION.x) * INPUT.y + start.y + b * DILATION.y) * INPUT.z + start.z;
        for (var c = 0u; c < KERNEL.z; c++) {
          let place = row_x + c * DILATION.z;
          let v = x[base + place];
          let better = (v > best) | is_nan(v);
          best = select(best, v, better);
          winner = select(winner, place, better);
        }
      }
    }
    y[i] = epilogue(best, i);
    index[i] = winner;
    return;
  }
  var first = true;
  for (var a = 0u; a < KERNEL.x; a++) {
    let d = start.x + a * DILATION.x;
    let d_inside = INSIDE || d < INPUT.x;
    if (!d_inside && (!ZERO || d + FRONT.x >= PADDED.x)) { continue; }
    for (var b = 0u; b < KERNEL.y; b++) {
      let h = start.y + b * DILATION.y;
      let h_inside = d_inside && (INSIDE || h < INPUT.y);
      if (!h_inside && (!ZERO || h + FRONT.y >= PADDED.y)) { continue; }
      for (var c = 0u; c < KERNEL.z; c++) {
        let w = start.z + c * DILATION.z;
        let inside = h_inside && (INSIDE || w < INPUT.z);
        if (!inside && (!ZERO || w + FRONT.z >= PADDED.z)) { continue; }
        var v = 0.0;
        var place = NONE;
        if (inside) {
          place = (d * INPUT.y + h) * INPUT.z + w;
          v = x[base + place];
        }
        if (first || v > best || is_nan(v)) {
          best = v;
          winner = place;
          first = false;
        }
      }
    }
  }
  y[i] = epilogue(best, i);
  index[i] = winner;
}
