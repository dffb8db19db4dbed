// Piece: v + shift of its channel. Tensor [N, CHANNELS, INNER] flat; shift: CHANNELS.
const CHANNELS: u32 = 1u;
const INNER: u32 = 1u;
@group(0) @binding(0) var<storage, read> shift: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return v + shift[(i / INNER) % CHANNELS]; }
