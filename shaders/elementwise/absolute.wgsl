// Piece: |v|.
fn apply(v: f32, i: u32) -> f32 { return abs(v); }
