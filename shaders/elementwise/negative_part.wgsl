// Piece: min(v, 0).
fn apply(v: f32, i: u32) -> f32 { return min(v, 0.0); }
