// In place: the step of seed = [seed, step] is increased by one. One thread.
@group(0) @binding(0) var<storage, read_write> seed: array<u32>;

@compute @workgroup_size(1)
fn main() {
  seed[1] = seed[1] + 1u;
}
