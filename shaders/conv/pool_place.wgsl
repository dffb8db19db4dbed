// Part of the row kernels over a max-pool, pasted into main: which windows and channels the thread makes, and what it reads.
  let tile = task % TILES;
  let band = task / TILES % BANDS;
  let px = task / (TILES * BANDS) % POOLED.x;
  let block = task / (TILES * BANDS * POOLED.x) % BLOCKS;
  let g = task / (TILES * BANDS * POOLED.x * BLOCKS) % GROUPS;
  let n = task / (TILES * BANDS * POOLED.x * BLOCKS * GROUPS);
  let first = block * CHANNELS;
  let py = min(band * POOL_ROWS, POOLED.y - POOL_ROWS);
  let pz = min(tile * POOL_TILE, POOLED.z - POOL_TILE);
  // Of the first convolution row and voxel of the tile; before 0 in front padding.
  let oy = i32(py * POOL_STRIDE.y) - i32(POOL_FRONT.y);
  let oz = i32(pz * POOL_STRIDE.z) - i32(POOL_FRONT.z);
  let corner_y = oy * i32(STRIDE.y) - FRONT.y;
  let corner_z = oz * i32(STRIDE.z) - FRONT.z;
  //@paste conv/row_places
