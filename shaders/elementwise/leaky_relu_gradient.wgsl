// Piece: v where the activation y was positive, else SLOPE * v. y: the output of leaky_relu (SLOPE >= 0), same flat index.
const SLOPE: f32 = 0.01;
@group(0) @binding(0) var<storage, read> y: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return select(SLOPE * v, v, y[i] > 0.0); }
