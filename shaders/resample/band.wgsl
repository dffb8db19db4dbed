// A banded matrix applied along one axis: y[outer, o, inner] = sum over t < TAPS of weights[o, t] x[outer, first[o] + t, inner].
// x: [OUTER, SIZE_IN, INNER], y: [OUTER, SIZE_OUT, INNER], weights: [SIZE_OUT, TAPS], first: [SIZE_OUT], first + TAPS <= SIZE_IN.
// Each thread takes one o in four columns (outer, inner), QUARTER apart, so that a weight is loaded once for four sums.
// Neighbouring threads take neighbouring columns, or neighbouring o where INNER is 1: neighbouring addresses either way.
//@include common/linear

const SIZE_IN: u32 = 1u;
const SIZE_OUT: u32 = 1u;
const OUTER: u32 = 1u;
const INNER: u32 = 1u;
const TAPS: u32 = 1u;

const COLUMNS = OUTER * INNER;
const QUARTER = (COLUMNS + 3u) / 4u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> first: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

// Flat index of element k of a column, in an array of the given size along the axis.
fn address(column: u32, k: u32, size: u32) -> u32 {
  return ((column / INNER) * size + k) * INNER + column % INNER;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups) * 64u + lane;
  if (task >= QUARTER * SIZE_OUT) { return; }
  let o = select(task / QUARTER, task % SIZE_OUT, INNER == 1u);
  let column = select(task % QUARTER, task / SIZE_OUT, INNER == 1u) + vec4u(0u, QUARTER, 2u * QUARTER, 3u * QUARTER);
  // Columns past the end repeat the last one; their sums are not stored.
  let safe = min(column, vec4u(COLUMNS - 1u));
  let start = first[o];
  var at = vec4u(
    address(safe.x, start, SIZE_IN),
    address(safe.y, start, SIZE_IN),
    address(safe.z, start, SIZE_IN),
    address(safe.w, start, SIZE_IN),
  );
  var total = vec4f(0.0);
  for (var t = 0u; t < TAPS; t++) {
    total += weights[o * TAPS + t] * vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
    at += INNER;
  }
  for (var k = 0u; k < 4u; k++) {
    if (column[k] < COLUMNS) {
      let i = address(column[k], o, SIZE_OUT);
      y[i] = epilogue(total[k], i);
    }
  }
}
