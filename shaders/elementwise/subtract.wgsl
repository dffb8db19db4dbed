// Piece: v - b[i].
@group(0) @binding(0) var<storage, read> b: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return v - b[i]; }
