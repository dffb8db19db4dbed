// Piece: v where positive, else ALPHA (exp(v) - 1). The exponent is never positive, so exp cannot overflow.
const ALPHA: f32 = 1.0;
fn apply(v: f32, i: u32) -> f32 { return select(ALPHA * (exp(min(v, 0.0)) - 1.0), v, v > 0.0); }
