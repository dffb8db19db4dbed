// Part of the row kernels over a max-pool: its windows, and how threads share them.
const POOLED: vec3u = vec3u(1u); // size of y
const POOL: vec3u = vec3u(1u);
const POOL_STRIDE: vec3u = vec3u(1u);
const POOL_FRONT: vec3u = vec3u(0u);
const POOL_ROWS: u32 = 1u; // at most POOLED.y
const POOL_TILE: u32 = 1u; // at most POOLED.z
const AGAIN_Y: u32 = 0u; // windows that the last tile makes a second time
const AGAIN_Z: u32 = 0u;
const BANDS: u32 = (POOLED.y + POOL_ROWS - 1u) / POOL_ROWS;
const TILES: u32 = (POOLED.z + POOL_TILE - 1u) / POOL_TILE;
