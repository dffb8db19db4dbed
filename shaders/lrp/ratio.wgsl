// Piece: v / s(z[i]), z stabilised: z + EPSILON sgn(z) with sgn(0) = 1; where ZEROS is 1, only exact zeros are moved.
const EPSILON: f32 = 1e-6;
const ZEROS: u32 = 0u;
@group(0) @binding(0) var<storage, read> z: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let d = z[i];
  return v / (d + select(select(-EPSILON, EPSILON, d >= 0.0), select(0.0, EPSILON, d == 0.0), ZEROS == 1u));
}
