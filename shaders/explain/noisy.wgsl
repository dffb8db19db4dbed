// Noisy copies of one scan: y[k, j] = x[j] + deviation[0] * normal. The normal is a function of j, samples[k], STREAM and
// seed[0] alone, so that it depends neither on the scan nor on how many copies are made at a time. By Box and Muller.
// x [SIZE]; samples, u32 [ROWS]; deviation [1]; seed, u32 [1]; y [ROWS, SIZE].
//@include common/linear
//@include augment/draw

const SIZE: u32 = 1u;
const ROWS: u32 = 1u;
const STREAM: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> samples: array<u32>;
@group(0) @binding(2) var<storage, read> deviation: array<f32>;
@group(0) @binding(3) var<storage, read> seed: array<u32>;
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
  let bits = draw(j, samples[k], STREAM, seed[0]);
  // 1 - unit is in (0, 1], whose logarithm is finite; cos is only exact enough between -pi and pi.
  let normal = sqrt(-2.0 * log(1.0 - unit(bits.x))) * cos(6.283185307179586 * (unit(bits.y) - 0.5));
  y[i] = epilogue(x[j] + deviation[0] * normal, i);
}
