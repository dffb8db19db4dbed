// Part of the tiled kernels, pasted into main: which tile this workgroup makes, what each thread copies, the sums a_J_C.
  var task = linear_group(group, groups);
  if (task >= N * GROUPS * BLOCKS * TILES.x * TILES.y * TILES.z) { return; }
  // Workgroups that read the same part of x run at the same time.
  let first = task % BLOCKS * 4u * QUADS;
  task /= BLOCKS;
  let tile_index = vec3u(task / (TILES.z * TILES.y) % TILES.x, task / TILES.z % TILES.y, task % TILES.z);
  let tile = vec3i(tile_index * vec3u(LX, V, LZ)) - ORIGIN;
  task /= TILES.x * TILES.y * TILES.z;
  let g = task % GROUPS;
  let n = task / GROUPS;
  let lz = lane % LZ;
  let lx = lane / LZ % LX;
  let lq = lane / (LZ * LX);
  let corner = tile * vec3i(STRIDE) - FRONT;
  let first_plane = (n * GROUPS + g) * CI;
  let w_base = g * CO * CI * TAPS;
  // What this thread copies: where it is in its plane of x (NONE: a zero), and which weights.
  //@unroll S 0..SLOTS
  let cell_$(S) = $(S)u * THREADS + lane;
  let place_$(S) = vec3i(vec3u(cell_$(S) / FACE, cell_$(S) / EXTENT.z % EXTENT.y, cell_$(S) % EXTENT.z)) + corner;
  let inside_$(S) = all((place_$(S) >= vec3i(0)) & (place_$(S) < vec3i(IN))) & (cell_$(S) < CELLS);
  let at_$(S) = select(NONE, u32((place_$(S).x * i32(IN.y) + place_$(S).y) * i32(IN.z) + place_$(S).z), inside_$(S));
  //@end S
  //@unroll S 0..W_SLOTS
  let vector_$(S) = $(S)u * THREADS + lane;
  let tap_$(S) = vector_$(S) % TAPS;
  let quad_$(S) = vector_$(S) / TAPS % QUADS;
  let deep_$(S) = vector_$(S) / (TAPS * QUADS);
  let w_at_$(S) = w_base + deep_$(S) * W_IN + select(tap_$(S), TAPS - 1u - tap_$(S), REVERSED == 1u);
  //@end S
  //@unroll J 0..V
  //@unroll C 0..Q
  var a_$(J)_$(C) = vec4f();
  //@end C
  //@end J
