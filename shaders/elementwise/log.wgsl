// Piece: natural logarithm of v > 0.
fn apply(v: f32, i: u32) -> f32 { return log(v); }
