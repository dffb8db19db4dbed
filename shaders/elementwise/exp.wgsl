// Piece: e^v. Beyond 88.7 the result is infinite in float32.
fn apply(v: f32, i: u32) -> f32 { return exp(v); }
