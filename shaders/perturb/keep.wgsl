// Keeps what the network says of a batch and moves on to the next: scores[counter[0] + n] = values[n], counter[0] += N.
// values: [N, CLASSES]; scores: [rows, CLASSES], rows at least counter[0] + N. One thread: there are few numbers, and the
// counter may move only after all of them.

const N: u32 = 1u;
const CLASSES: u32 = 1u;

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> counter: array<u32>;

@compute @workgroup_size(1)
fn main() {
  let first = counter[0] * CLASSES;
  for (var k = 0u; k < N * CLASSES; k++) {
    scores[first + k] = values[k];
  }
  counter[0] = counter[0] + N;
}
