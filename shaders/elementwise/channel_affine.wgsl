// Piece: v * scale + shift of its channel. Tensor [N, CHANNELS, INNER] flat; scale, shift: CHANNELS.
const CHANNELS: u32 = 1u;
const INNER: u32 = 1u;
@group(0) @binding(0) var<storage, read> scale: array<f32>;
@group(0) @binding(1) var<storage, read> shift: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let c = (i / INNER) % CHANNELS;
  return v * scale[c] + shift[c];
}
