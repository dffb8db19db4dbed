// y[i] = epilogue(x[i], i) for i < COUNT: the kernel that elementwise pieces run in when they have no producer to ride on.
// x, y: any shape, the same, flat. Four elements a thread, 64 apart, so that neighbouring threads touch neighbours.
//@include common/linear

const COUNT: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      y[i] = epilogue(x[i], i);
    }
  }
}
