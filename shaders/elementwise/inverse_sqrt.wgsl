// Piece: 1 / sqrt(v + EPSILON), for v >= 0.
const EPSILON: f32 = 1e-5;
fn apply(v: f32, i: u32) -> f32 { return 1.0 / sqrt(v + EPSILON); }
