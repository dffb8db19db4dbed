// By its bits: a compiler may assume that v != v is false.
fn is_nan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }

// True where a zero of the padding is the largest of a window (from begin to end in the padded volume), `value` being the
// largest of the others. Front padding comes first in scan order, so it wins ties.
fn padding_wins(value: f32, begin: vec3u, end: vec3u, front: vec3u, size: vec3u, padded: vec3u) -> bool {
  let in_front = any(begin < front);
  let behind = any((end > front + size) & (front + size < padded));
  return !is_nan(value) & ((in_front & (value <= 0.0)) | (behind & (value < 0.0)));
}
