// Piece: v where positive, else slope of its channel times v. Tensor [N, CHANNELS, INNER] flat; slope: CHANNELS.
const CHANNELS: u32 = 1u;
const INNER: u32 = 1u;
@group(0) @binding(0) var<storage, read> slope: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return select(v * slope[(i / INNER) % CHANNELS], v, v > 0.0); }
