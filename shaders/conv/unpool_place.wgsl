// Part of the data gradients through a max-pool, pasted into main: which outputs the thread makes, and the windows it reads.
  let tile = task % TILES;
  let band = task / TILES % BANDS;
  let ox = task / (TILES * BANDS) % OUT.x;
  let block = task / (TILES * BANDS * OUT.x) % BLOCKS;
  let g = task / (TILES * BANDS * OUT.x * BLOCKS) % GROUPS;
  let n = task / (TILES * BANDS * OUT.x * BLOCKS * GROUPS);
  let first = block * CHANNELS;
  let oy = min(band * ROWS, LAST_Y);
  let oz = min(tile * TILE, LAST_Z);
  let corner_y = i32(oy) - FRONT.y;
  let corner_z = i32(oz) - FRONT.z;
  //@unroll P 0..WINDOWS_Y
  let place_$(P) = i32(oy / POOL_STRIDE.y) + BASE_Y + $(P)i;
  let row_$(P) = u32(clamp(place_$(P), 0i, i32(POOLED.y) - 1i)) * POOLED.z;
  let inside_$(P) = (place_$(P) >= 0i) & (place_$(P) < i32(POOLED.y));
  //@end P
  //@unroll Q 0..WINDOWS_Z
  let along_$(Q) = i32(oz / POOL_STRIDE.z) + BASE_Z + $(Q)i;
  let column_$(Q) = u32(clamp(along_$(Q), 0i, i32(POOLED.z) - 1i));
  let within_$(Q) = (along_$(Q) >= 0i) & (along_$(Q) < i32(POOLED.z));
  //@end Q
  //@paste conv/row_begin
