// 1 - exp(-z) for z >= 0; near 0 by its series, because the difference would lose the digits.
fn one_minus_exp(z: f32) -> f32 {
  if (z > 0.5) { return 1.0 - exp(-min(z, 80.0)); }
  return z * (1.0 - z / 2.0 * (1.0 - z / 3.0 * (1.0 - z / 4.0 * (1.0 - z / 5.0 * (1.0 - z / 6.0 * (1.0 - z / 7.0 * (1.0 - z / 8.0)))))));
}
