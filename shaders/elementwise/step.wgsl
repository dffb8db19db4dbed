// Piece: 1 where v is positive, else 0.
fn apply(v: f32, i: u32) -> f32 { return select(0.0, 1.0, v > 0.0); }
