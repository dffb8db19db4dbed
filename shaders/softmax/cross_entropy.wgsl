// Cross-entropy of logits [ROWS, CLASSES] with labels [ROWS]: y[0] = sum of w[label] (log_sum[n] - x[n, label]) / divisor,
// divisor = sum of w[label] where MEAN is set, else 1. Rows without a valid label add nothing; none at all gives 0.
// weights [CLASSES]; log_sum [ROWS] = log sum of exp x[n, :]; divisor [1]. One workgroup, fixed order.
//@include softmax/label

const ROWS: u32 = 1u;
const CLASSES: u32 = 1u;
const FLOAT_LABELS: bool = false;
const MEAN: bool = true;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> log_sum: array<f32>;
@group(0) @binding(5) var<storage, read_write> divisor: array<f32>;

var<workgroup> totals: array<vec2f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var total = vec2f(0.0);
  for (var n = lane; n < ROWS; n += 64u) {
    var largest = x[n * CLASSES];
    for (var k = 1u; k < CLASSES; k++) {
      largest = max(largest, x[n * CLASSES + k]);
    }
    var exponentials = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
      exponentials += exp(x[n * CLASSES + k] - largest);
    }
    let logarithm = log(exponentials);
    log_sum[n] = largest + logarithm;
    let label = class_of(labels[n], FLOAT_LABELS, CLASSES);
    if (label < CLASSES) {
      total += weights[label] * vec2f(logarithm + (largest - x[n * CLASSES + label]), 1.0);
    }
  }
  totals[lane] = total;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (lane < half) {
      totals[lane] += totals[lane + half];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    var d = 1.0;
    if (MEAN && totals[0].y > 0.0) {
      d = totals[0].y;
    }
    divisor[0] = d;
    y[0] = totals[0].x / d;
  }
}
