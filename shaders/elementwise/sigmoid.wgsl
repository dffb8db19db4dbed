// Piece: 1 / (1 + exp(-v)). Beyond +-80 the result is 0 or 1 to float32, and exp is kept from overflowing.
fn apply(v: f32, i: u32) -> f32 { return 1.0 / (1.0 + exp(-clamp(v, -80.0, 80.0))); }
