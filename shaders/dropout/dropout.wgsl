// Piece: v * SCALE, or 0 where the element's random number is below THRESHOLD. The number is a hash of the flat index,
// STREAM, and seed = [seed, step]: PCG4D of Jarzynski and Olano, Hash Functions for GPU Rendering (2020).
const THRESHOLD: u32 = 0u;
const SCALE: f32 = 1.0;
const STREAM: u32 = 0u;
@group(0) @binding(0) var<storage, read> seed: array<u32>;
fn pcg4d(key: vec4u) -> u32 {
  var v = key * 1664525u + vec4u(1013904223u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  return v.w + v.y * v.z;
}
fn apply(v: f32, i: u32) -> f32 {
  return select(v * SCALE, 0.0, pcg4d(vec4u(i, STREAM, seed[1], seed[0])) < THRESHOLD);
}
