// Piece: v times what the scan has more than its baseline, v * (x[i] - baselines[choice[k], j]), i = k SIZE + j.
// x [ROWS, SIZE]; baselines [any, SIZE]; choice, u32 [ROWS].
const SIZE: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> baselines: array<f32>;
@group(0) @binding(2) var<storage, read> choice: array<u32>;
fn apply(v: f32, i: u32) -> f32 {
  let k = i / SIZE;
  return v * (x[i] - baselines[choice[k] * SIZE + i - k * SIZE]);
}
