// A label from its 32 bits, a u32 or an f32 that holds an integer: the class, or `classes` where there is no such class.
fn class_of(bits: u32, is_float: bool, classes: u32) -> u32 {
  if (!is_float) { return min(bits, classes); }
  let v = bitcast<f32>(bits);
  // The range is checked once more on the integer, whatever became of a NaN.
  let k = u32(clamp(v, 0.0, f32(classes)));
  return select(classes, min(k, classes), v >= 0.0);
}
