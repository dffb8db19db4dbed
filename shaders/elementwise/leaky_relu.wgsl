// Piece: v where positive, else SLOPE * v.
const SLOPE: f32 = 0.01;
fn apply(v: f32, i: u32) -> f32 { return select(SLOPE * v, v, v > 0.0); }
