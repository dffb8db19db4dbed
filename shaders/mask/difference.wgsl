// Piece: v (x - fill), the gradient with respect to the upsampled mask, given that with respect to the masked image.
// x: the scan; fill: FILL values, 1 or all.
const FILL: u32 = 1u;
const TISSUE: bool = false; // true: voxels where the scan is 0 are left alone, as in mask/apply
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> fill: array<f32>;
fn apply(v: f32, i: u32) -> f32 {
  let kept = x[i];
  return select(v * (kept - fill[select(0u, i, FILL > 1u)]), 0.0, TISSUE & (kept == 0.0));
}
