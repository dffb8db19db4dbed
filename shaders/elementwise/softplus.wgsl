// Piece: log(1 + e^v) = max(v, 0) + log(1 + e^-|v|), where the exponential cannot overflow. Where it is small, 1 + e loses
// its digits, so the logarithm is taken by its series.
fn apply(v: f32, i: u32) -> f32 {
  let e = exp(-abs(v));
  let series = e * (1.0 - e * (0.5 - e * (1.0 / 3.0 - e * 0.25)));
  return max(v, 0.0) + select(log(1.0 + e), series, e < 0.02);
}
