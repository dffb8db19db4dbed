// Sets state[3] to 1 where the loss is infinite or not a number, and leaves it otherwise. loss [1]; state [4]
// (optim/counter). By the exponent's bits, because a shader's arithmetic need not know such numbers. One thread.
@group(0) @binding(0) var<storage, read> loss: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let value = loss[0];
  let exponent = bitcast<u32>(value) & 0x7f800000u;
  state[3] = select(state[3], 1.0, exponent == 0x7f800000u);
}
