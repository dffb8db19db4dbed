// Piece: v / (1 + e^-x[i]), x the input of softplus.
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return v / (1.0 + exp(-clamp(x[i], -80.0, 80.0))); }
