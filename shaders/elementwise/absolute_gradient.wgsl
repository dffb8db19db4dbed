// Piece: v * sign(x[i]), 0 at x = 0.
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return v * sign(x[i]); }
