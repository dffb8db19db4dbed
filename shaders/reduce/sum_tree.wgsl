// Sums of a tensor over some axes, one workgroup a sum (or a chunk of one): y[k * CHUNKS + chunk] = sum over r of x.
// The axes are gathered into six alternating groups, kept and reduced: K0 R0 K1 R1 K2 R2 (sizes; 1 where absent).
// Fixed order: each thread strides through its chunk, then eights of eights in workgroup memory (two barriers: a CPU adapter
// pays dearly for each). Deterministic.
//@include common/linear

const KEEP: vec3u = vec3u(1u);
const REDUCE: vec3u = vec3u(1u);
const CHUNKS: u32 = 1u;
const CHUNK: u32 = 1u;
const SCALE: f32 = 1.0;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<f32, 64>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

fn address(k: u32, r: u32) -> u32 {
  let k2 = k % KEEP.z;
  let k1 = (k / KEEP.z) % KEEP.y;
  let k0 = k / (KEEP.z * KEEP.y);
  let r2 = r % REDUCE.z;
  let r1 = (r / REDUCE.z) % REDUCE.y;
  let r0 = r / (REDUCE.z * REDUCE.y);
  return ((((k0 * REDUCE.x + r0) * KEEP.y + k1) * REDUCE.y + r1) * KEEP.z + k2) * REDUCE.z + r2;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let task = linear_group(group, groups);
  let total = REDUCE.x * REDUCE.y * REDUCE.z;
  let sums = KEEP.x * KEEP.y * KEEP.z;
  let k = task / CHUNKS;
  let first = (task % CHUNKS) * CHUNK;
  var value = 0.0;
  if (k < sums) {
    for (var r = first + lane; r < min(first + CHUNK, total); r += 64u) {
      value += x[address(k, r)];
    }
  }
  partial[lane] = value;
  workgroupBarrier();
  if (lane < 8u) {
    var eight = partial[lane * 8u];
    for (var l = 1u; l < 8u; l++) {
      eight += partial[lane * 8u + l];
    }
    partial[lane * 8u] = eight;
  }
  workgroupBarrier();
  if (lane == 0u && k < sums) {
    var all = partial[0];
    for (var l = 8u; l < 64u; l += 8u) {
      all += partial[l];
    }
    y[task] = epilogue(all * SCALE, task);
  }
}
