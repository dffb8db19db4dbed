// Piece: v limited to [LOW, HIGH].
const LOW: f32 = 0.0;
const HIGH: f32 = 1.0;
fn apply(v: f32, i: u32) -> f32 { return clamp(v, LOW, HIGH); }
