// In place: running = (1 - momentum) running + momentum * batch, for mean and variance of each channel, as PyTorch does:
// the batch variance enters unbiased, times UNBIASED = n / (n - 1). statistics [CHANNELS, 3] (norm/statistics).
//@include common/linear

const CHANNELS: u32 = 1u;
const UNBIASED: f32 = 1.0;

struct Params { momentum: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> statistics: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> variance: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = linear_group(group, groups) * 64u + lane;
  if (c >= CHANNELS) { return; }
  mean[c] = (1.0 - params.momentum) * mean[c] + params.momentum * statistics[3u * c];
  variance[c] = (1.0 - params.momentum) * variance[c] + params.momentum * statistics[3u * c + 1u] * UNBIASED;
}
