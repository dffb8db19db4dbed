// Piece: v where x[i] is positive, else slope of its channel times v. x: the input of prelu.
const CHANNELS: u32 = 1u;
const INNER: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> slope: array<f32>;
fn apply(v: f32, i: u32) -> f32 { return select(v * slope[(i / INNER) % CHANNELS], v, x[i] > 0.0); }
