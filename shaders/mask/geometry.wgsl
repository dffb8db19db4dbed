// How a coarse mask lies over a volume: a cell covers CELL voxels along each axis; the value at a voxel is trilinear
// between cell centres (edges repeat). Jitter moves the mask against the volume by whole voxels. Every kernel finds the same cells, because places
// are integers. Needs the constants CELL and JITTERED, Params with seed and jitter, and the masks' counter (see mask/apply).
const HALF: i32 = i32(CELL) / 2;
// A multiple of CELL larger than any jitter (64) and half a cell.
const BEFORE: i32 = (96 / i32(CELL) + 1) * i32(CELL);

// The last cell whose centre is not behind a voxel, of which `place` is the index plus the jitter; -1 before the first.
fn cell_below(place: i32) -> i32 {
  return i32(u32(place - HALF + BEFORE) / CELL) - BEFORE / i32(CELL);
}

// Where a voxel lies between the centre of a cell (0) and that of the next (1).
fn between(place: i32, below: i32) -> f32 {
  return (f32(place - below * i32(CELL)) + 0.5) * (1.0 / f32(CELL)) - 0.5;
}

fn within(cell: i32, cells: u32) -> u32 { return u32(clamp(cell, 0, i32(cells) - 1)); }

// Jitter of a mask in its present step; none where the mask is not running.
fn shift_along(axis: u32, entry: u32) -> i32 {
  if (!JITTERED) { return 0; }
  return select(0, jitter_shift(params.seed, counter[entry * 4u], axis, params.jitter), counter[entry * 4u + 1u] == 0u);
}

// Shift of a step along one axis, uniform in [-jitter, jitter]: a hash of seed, step and axis (PCG).
fn jitter_shift(seed: u32, step: u32, axis: u32, jitter: u32) -> i32 {
  var state = (seed * 747796405u + step * 2891336453u + axis * 277803737u) * 747796405u + 2891336453u;
  state = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  state = (state >> 22u) ^ state;
  return i32(state % (2u * jitter + 1u)) - i32(jitter);
}
