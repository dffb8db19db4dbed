// Piece: v times (y[i] - y0[i]) / (x[i] - x0[i]), the slope of the line between two points of any elementwise function y of
// x; where they are too near each other for that, `gradient`, v times the function's own slope.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> x0: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> y0: array<f32>;
@group(0) @binding(4) var<storage, read> gradient: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let d = x[i] - x0[i];
  let near = abs(d) <= 1e-3 * (abs(x[i]) + abs(x0[i]));
  return select(v * (y[i] - y0[i]) / select(d, 1.0, near), gradient[i], near);
}
