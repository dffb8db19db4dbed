// Scans mirrored, shifted and made noisy: y[n, c, v] = x[n, c, mirror(v - shift)] + deviation * normal, and 0 instead of x
// where v - shift lies outside. x, y: [N, CHANNELS, SIZE]; scans: [N], the number of each scan; seed: [seed, step].
// FLIP: the axis that is mirrored in half of the scans, 3 for none; SHIFT: the largest shift along each axis; NOISE: the
// largest deviation. Normals by Box and Muller. Workgroups: along x and y over one scan, along z the scans; four values a
// thread, 64 apart, so that neighbouring threads take neighbouring voxels.
//@include common/linear
//@include augment/draw

const SIZE: vec3u = vec3u(1u);
const CHANNELS: u32 = 1u;
const FLIP: u32 = 3u;
const SHIFT: vec3u = vec3u(0u);
const NOISE: f32 = 0.0;

const VOXELS: u32 = SIZE.x * SIZE.y * SIZE.z;
const COUNT: u32 = CHANNELS * VOXELS;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> seed: array<u32>;
@group(0) @binding(2) var<storage, read> scans: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

// A whole number from -most to most, of 16 bits.
fn within(bits: u32, most: u32) -> i32 {
  return i32(((bits >> 16u) * (2u * most + 1u)) >> 16u) - i32(most);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let scan = scans[group.z];
  let step = seed[1];
  let key = seed[0];
  let own = draw(0xffffffffu, scan, step, key);
  let mirrored = (own.w & 0x80000000u) != 0u;
  let shift = vec3i(within(own.x, SHIFT.x), within(own.y, SHIFT.y), within(own.z, SHIFT.z));
  let deviation = NOISE * unit(draw(0xfffffffeu, scan, step, key).x);
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let v = start + k * 64u;
    if (v >= COUNT) { return; }
    let row = v / SIZE.z;
    let plane = row / SIZE.y;
    let channel = plane / SIZE.x;
    var place = vec3i(vec3u(plane - channel * SIZE.x, row - plane * SIZE.y, v - row * SIZE.z)) - shift;
    let inside = all(place >= vec3i(0)) & all(place < vec3i(SIZE));
    if (FLIP < 3u) {
      place = select(place, vec3i(SIZE) - 1 - place, vec3<bool>(mirrored & (FLIP == 0u), mirrored & (FLIP == 1u), mirrored & (FLIP == 2u)));
    }
    let at = vec3u(clamp(place, vec3i(0), vec3i(SIZE) - 1));
    let moved = x[group.z * COUNT + channel * VOXELS + (at.x * SIZE.y + at.y) * SIZE.z + at.z];
    var value = select(0.0, moved, inside);
    if (NOISE > 0.0) {
      let bits = draw(v, scan, step, key);
      // 1 - unit is in (0, 1], whose logarithm is finite; cos is only exact enough between -pi and pi.
      value += deviation * sqrt(-2.0 * log(1.0 - unit(bits.x))) * cos(6.283185307179586 * (unit(bits.y) - 0.5));
    }
    let i = group.z * COUNT + v;
    y[i] = epilogue(value, i);
  }
}
