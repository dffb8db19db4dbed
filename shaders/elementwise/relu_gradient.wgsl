// Piece: v where the activation y was positive, else 0. y: the output of relu, same flat index.
@group(0) @binding(0) var<storage, read> y: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return select(0.0, v, y[i] > 0.0); }
