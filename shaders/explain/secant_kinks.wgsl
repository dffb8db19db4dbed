// Piece: v times the slope of the line between two points of f(x) = slope * x + (1 - slope) * clamp(x, LOW, HIGH): relu and
// its leaky relatives (LOW 0, HIGH the largest number), and clamp (slope 0). Where the points are one: f's own slope.
// x, x0: the two inputs, same flat index; slope [CHANNELS].
const CHANNELS: u32 = 1u;
const INNER: u32 = 1u;
const LOW: f32 = 0.0;
const HIGH: f32 = 3.4028234e38;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> x0: array<f32>;
@group(0) @binding(2) var<storage, read> slope: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let a = x[i];
  let b = x0[i];
  let inside = select(0.0, 1.0, (a > LOW) & (a < HIGH));
  // Where both are inside this is 1 to the last bit, however close they are.
  let share = select((clamp(a, LOW, HIGH) - clamp(b, LOW, HIGH)) / select(a - b, 1.0, a == b), inside, a == b);
  let s = slope[(i / INNER) % CHANNELS];
  return v * (s + (1.0 - s) * share);
}
