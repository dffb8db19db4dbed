// Random cells of a batch of masks: 1 with probability KEEP, else 0. cells: [N, COUNT]; counter: [next mask, target, masking];
// a mask's draws depend on its number, counter[0] + n, and the seed alone.
// Workgroups: along x and y over one mask's cells, 64 each; along z the batch.
//@include common/linear
//@include augment/draw

const COUNT: u32 = 1u;
const KEEP: f32 = 0.5;
const SEED: u32 = 0u;

@group(0) @binding(0) var<storage, read> counter: array<u32>;
@group(0) @binding(1) var<storage, read_write> cells: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i < COUNT) {
    let chance = unit(draw(i, counter[0] + group.z, 0u, SEED).x);
    cells[group.z * COUNT + i] = select(0.0, 1.0, chance < KEEP);
  }
}
