// y[i] = epilogue(VALUE, i) for i < COUNT.
//@include common/linear

const COUNT: u32 = 1u;
const VALUE: f32 = 0.0;

@group(0) @binding(0) var<storage, read_write> y: array<f32>;

//@slot epilogue
fn epilogue(v: f32, i: u32) -> f32 { return v; }
//@end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = linear_group(group, groups) * 256u + lane;
  for (var k = 0u; k < 4u; k++) {
    let i = start + k * 64u;
    if (i < COUNT) {
      y[i] = epilogue(VALUE, i);
    }
  }
}
