// Piece: (v + w[i]) / (x[i] - x0[i]), 0 where x and x0 are the same: what winners of a max-pool contribute, v those of x
// and w those of x0, as multipliers of what changed there.
@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> x0: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let d = x[i] - x0[i];
  return select((v + w[i]) / select(d, 1.0, d == 0.0), 0.0, d == 0.0);
}
