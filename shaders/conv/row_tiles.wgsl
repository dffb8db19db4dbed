// Part of the row kernels: their tiles of ROWS x TILE outputs by CHANNELS channels, and what such a tile reads of x.
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const CHANNELS: u32 = 1u;
const ROWS: u32 = 1u; // (POOL_ROWS - 1) POOL_STRIDE.y + POOL.y
const TILE: u32 = 1u; // (POOL_TILE - 1) POOL_STRIDE.z + POOL.z
const ROWS_IN: u32 = 1u; // rows of x that a tile reads
const COLUMNS_IN: u32 = 1u;
const LOW_Y: u32 = 0u; // rows of a tile from LOW_Y to HIGH_Y are never outside x
const HIGH_Y: u32 = 1u;
const LOW_Z: u32 = 0u;
const HIGH_Z: u32 = 1u;
