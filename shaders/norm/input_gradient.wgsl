// Piece: a v + b (x[i] - mean) + c, with the coefficients (a, b, mean, c) of the element's group (norm/gradient_sums).
// Tensor [OUTER, GROUPS, INNER] flat; x: the norm's input, same flat index; coefficients [GROUPS, 4].
const GROUPS: u32 = 1u;
const INNER: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> coefficients: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let at = 4u * ((i / INNER) % GROUPS);
  return coefficients[at] * v + coefficients[at + 1u] * (x[i] - coefficients[at + 2u]) + coefficients[at + 3u];
}
