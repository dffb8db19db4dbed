// Piece: x (y - beta) v / s((x - mean) y), iNNvestigate's relevance through a batch norm y = (x - mean) scale + beta.
// x, y: [N, CHANNELS, INNER]; mean, beta: CHANNELS.
const CHANNELS: u32 = 1u;
const INNER: u32 = 1u;
const EPSILON: f32 = 1e-7;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let c = (i / INNER) % CHANNELS;
  let a = x[i];
  let b = y[i];
  let d = (a - mean[c]) * b;
  return a * (b - beta[c]) * v / (d + select(-EPSILON, EPSILON, d >= 0.0));
}
