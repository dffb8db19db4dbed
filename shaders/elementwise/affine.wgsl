// Piece: FACTOR * v + OFFSET.
const FACTOR: f32 = 1.0;
const OFFSET: f32 = 0.0;
fn apply(v: f32, i: u32) -> f32 { return FACTOR * v + OFFSET; }
