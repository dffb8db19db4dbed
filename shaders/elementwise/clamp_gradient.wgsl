// Piece: v where x[i] is within [LOW, HIGH], else 0.
const LOW: f32 = 0.0;
const HIGH: f32 = 1.0;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return select(0.0, v, x[i] >= LOW && x[i] <= HIGH); }
