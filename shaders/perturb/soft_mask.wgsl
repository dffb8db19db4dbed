// A mask of CELLS cells at a voxel: stretched by CELLS / (CELLS + 1) of its voxels more than the volume needs, moved back by
// its random shift, trilinear between the centres of cells, the outermost ones repeated (Petsiuk et al. 2018).
// Needs cells, CELLS and CELL (voxels of an unstretched cell), common/draw's functions and SEED.
//@include augment/draw

const COUNT: u32 = CELLS.x * CELLS.y * CELLS.z;

// Voxels by which a mask is moved, from 0 to CELL - 1.
fn mask_shift(mask: u32) -> vec3u {
  let random = draw(0xffffffffu, mask, 0u, SEED);
  return vec3u(u32(unit(random.x) * f32(CELL.x)), u32(unit(random.y) * f32(CELL.y)), u32(unit(random.z) * f32(CELL.z)));
}

fn soft_mask(n: u32, voxel: vec3u, shift: vec3u) -> f32 {
  let stretch = vec3f(CELLS) / vec3f((CELLS + vec3u(1u)) * CELL);
  let position = (vec3f(voxel + shift) + vec3f(0.5)) * stretch - vec3f(0.5);
  let below = floor(position);
  let t = position - below;
  let last = vec3f(CELLS - vec3u(1u));
  let low = vec3u(clamp(below, vec3f(0.0), last));
  let high = vec3u(clamp(below + vec3f(1.0), vec3f(0.0), last));
  let base = n * COUNT;
  let ll = base + (low.x * CELLS.y + low.y) * CELLS.z;
  let lh = base + (low.x * CELLS.y + high.y) * CELLS.z;
  let hl = base + (high.x * CELLS.y + low.y) * CELLS.z;
  let hh = base + (high.x * CELLS.y + high.y) * CELLS.z;
  let before = mix(mix(cells[ll + low.z], cells[lh + low.z], t.y), mix(cells[hl + low.z], cells[hh + low.z], t.y), t.x);
  let after = mix(mix(cells[ll + high.z], cells[lh + high.z], t.y), mix(cells[hl + high.z], cells[hh + high.z], t.y), t.x);
  return mix(before, after, t.z);
}
