// Random numbers of a scan: a hash of a counter, the scan's number, and seed = [seed, step]. Counters below 2^32 - 16 are
// the scan's values (noise); those above are its own draws. The seed is turned over, so that dropouts that share it draw others.
// PCG4D of Jarzynski and Olano, Hash Functions for GPU Rendering (2020).
fn draw(counter: u32, scan: u32, step: u32, seed: u32) -> vec4u {
  var v = vec4u(counter, scan, step, ~seed) * 1664525u + vec4u(1013904223u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  return v;
}

// Uniform in [0, 1), of the upper 24 bits.
fn unit(bits: u32) -> f32 {
  return f32(bits >> 8u) / 16777216.0;
}
