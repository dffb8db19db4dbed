// Piece: v / s(z[i]) where y[i] has the sign SIGN, else 0; z stabilised as in lrp/ratio.
const EPSILON: f32 = 1e-6;
const SIGN: f32 = 1.0;
@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let d = z[i];
  return select(0.0, v / (d + select(-EPSILON, EPSILON, d >= 0.0)), y[i] * SIGN > 0.0);
}
