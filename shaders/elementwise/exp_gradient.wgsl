// Piece: v y, y the output of exp.
@group(0) @binding(0) var<storage, read> y: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return v * y[i]; }
