// Adds a batch of masks to the totals, weighted by the network's answers and unweighted:
// totals[0] += sum over n of values[n, target] m_n, totals[1] += sum over n of m_n; masks from number MASKS on do not count.
// values: [N, CLASSES]; cells: see perturb/cells; counter: [next mask, target, masking], not moved yet; totals: [2, SIZE].
// Workgroups: along x and y over the volume.
//@include common/linear
//@include perturb/soft_mask

const SIZE: vec3u = vec3u(1u);
const CELLS: vec3u = vec3u(1u);
const CELL: vec3u = vec3u(1u);
const SEED: u32 = 0u;
const N: u32 = 1u;
const MASKS: u32 = 1u;
const CLASSES: u32 = 1u;

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> cells: array<f32>;
@group(0) @binding(2) var<storage, read> counter: array<u32>;
@group(0) @binding(3) var<storage, read_write> totals: array<f32>;

const VOXELS: u32 = SIZE.x * SIZE.y * SIZE.z;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let v = linear_group(group, groups) * 64u + lane;
  let first = counter[0];
  if (v >= VOXELS || counter[2] == 0u || first >= MASKS) { return; }
  let line = v / SIZE.z;
  let plane = line / SIZE.y;
  let voxel = vec3u(plane, line - plane * SIZE.y, v - line * SIZE.z);
  var weighted = 0.0;
  var plain = 0.0;
  for (var n = 0u; n < min(N, MASKS - first); n++) {
    let m = soft_mask(n, voxel, mask_shift(first + n));
    weighted = weighted + values[n * CLASSES + counter[1]] * m;
    plain = plain + m;
  }
  totals[v] = totals[v] + weighted;
  totals[VOXELS + v] = totals[VOXELS + v] + plain;
}
