// How a coarse mask lies over a volume: a cell covers CELL voxels along each axis; the value at a voxel is trilinear
// between cell centres (edges repeat). `shift` moves the mask against the volume by whole voxels (jitter).
struct Between {
  low: u32,      // cell before the voxel
  high: u32,     // cell after it
  weight: f32,   // of `high`; `low` has the rest
}

fn between(voxel: i32, shift: i32, cells: u32) -> Between {
  let last = i32(cells) - 1;
  if (CELL == 1u) {
    let at = u32(clamp(voxel + shift, 0, last));
    return Between(at, at, 0.0);
  }
  let position = (f32(voxel + shift) + 0.5) / f32(CELL) - 0.5;
  let below = floor(position);
  let low = i32(below);
  return Between(u32(clamp(low, 0, last)), u32(clamp(low + 1, 0, last)), position - below);
}

// Weight of a cell in the value at a voxel: the transpose of `between`.
fn share(voxel: i32, shift: i32, cells: u32, cell: u32) -> f32 {
  let b = between(voxel, shift, cells);
  return select(0.0, 1.0 - b.weight, b.low == cell) + select(0.0, b.weight, b.high == cell);
}

// First and last voxel that a cell may have a share in; border cells serve everything beyond them.
fn reach(cell: u32, shift: i32, cells: u32, voxels: u32) -> vec2i {
  let margin = select(i32(CELL) / 2 + 1, 0, CELL == 1u);
  let start = i32(cell * CELL) - margin - shift;
  let stop = i32(cell * CELL + CELL) - 1 + margin - shift;
  let low = select(max(start, 0), 0, cell == 0u);
  let high = select(min(stop, i32(voxels) - 1), i32(voxels) - 1, cell == cells - 1u);
  return vec2i(low, high);
}

// Shift of a step along one axis, uniform in [-jitter, jitter]: a hash of seed, step and axis (PCG).
fn jitter_shift(seed: u32, step: u32, axis: u32, jitter: u32) -> i32 {
  var state = (seed * 747796405u + step * 2891336453u + axis * 277803737u) * 747796405u + 2891336453u;
  state = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  state = (state >> 22u) ^ state;
  return i32(state % (2u * jitter + 1u)) - i32(jitter);
}

fn shift_of(params_seed: u32, step: u32, jitter: u32) -> vec3i {
  return vec3i(
    jitter_shift(params_seed, step, 0u, jitter),
    jitter_shift(params_seed, step, 1u, jitter),
    jitter_shift(params_seed, step, 2u, jitter),
  );
}
