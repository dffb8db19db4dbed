// Piece: v y (1 - y), y the output of sigmoid.
@group(0) @binding(0) var<storage, read> y: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return v * y[i] * (1.0 - y[i]); }
