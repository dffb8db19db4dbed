// Sum of a pair of values over the 64 threads of a workgroup, in a fixed order; every thread receives it.
var<workgroup> tree_values: array<vec2f, 64>;

fn tree_sum(value: vec2f, lane: u32) -> vec2f {
  tree_values[lane] = value;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (lane < half) {
      tree_values[lane] += tree_values[lane + half];
    }
    workgroupBarrier();
  }
  let total = tree_values[0];
  workgroupBarrier();
  return total;
}
