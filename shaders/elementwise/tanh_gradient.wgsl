// Piece: v (1 - y^2), y the output of tanh.
@group(0) @binding(0) var<storage, read> y: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return v * (1.0 - y[i] * y[i]); }
