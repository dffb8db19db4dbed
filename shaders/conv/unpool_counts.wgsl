// Part of the data gradients through a max-pool: sizes that follow from the problem.
const STRIDE: vec3u = vec3u(1u, 1u, 1u);
const DILATION: vec3u = vec3u(1u, 1u, 1u);
const BANDS: u32 = (OUT.y + ROWS - 1u) / ROWS;
const TILES: u32 = (OUT.z + TILE - 1u) / TILE;
const BLOCKS: u32 = (CO + CHANNELS - 1u) / CHANNELS;
const PLANE: u32 = IN.x * IN.y * IN.z;
const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const TASKS: u32 = N * GROUPS * BLOCKS * OUT.x * BANDS * TILES;
