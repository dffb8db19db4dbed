// Piece: (v - mean) / sqrt(variance + epsilon) * gamma + beta. Tensor [OUTER, GROUPS, INNER] flat.
// statistics [GROUPS, 3] (norm/statistics); gamma, beta: CHANNELS, the channel of a group is group % CHANNELS.
const GROUPS: u32 = 1u;
const INNER: u32 = 1u;
const CHANNELS: u32 = 1u;
@group(0) @binding(0) var<storage, read> statistics: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let g = (i / INNER) % GROUPS;
  let c = g % CHANNELS;
  return (v - statistics[3u * g]) * (statistics[3u * g + 2u] * gamma[c]) + beta[c];
}
