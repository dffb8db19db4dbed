// Part of the tiled kernels, pasted before main: constants, and the part of x and the weights in workgroup memory.
//@paste conv/problem
const STRIDE: vec3u = vec3u(1u);
const DILATION: vec3u = vec3u(1u);
const LZ: u32 = 1u; // threads along the last axis
const LX: u32 = 1u; // threads along the first
const LQ: u32 = 1u; // threads along the output channels
const V: u32 = 1u; // voxels of a thread, along the middle axis
const Q: u32 = 1u; // quads of output channels of a thread
const DEPTH: u32 = 1u; // input channels a stage
const X_PITCH: u32 = 1u; // words from one slice of the staged part of x to the next: chosen so that banks do not collide
const SLOTS: u32 = 1u; // words of x of one channel that a thread copies
const W_SLOTS: u32 = 1u; // vectors of weights that a thread copies
const TILES: vec3u = vec3u(1u); // workgroups along each axis
const ORIGIN: vec3i = vec3i(0i); // voxels of the first tile that lie before y
const SPARE: u32 = 0u; // words of workgroup memory that the kernel needs after the sums are done

const NONE: u32 = 0xffffffffu;
const THREADS: u32 = LZ * LX * LQ;
const QUADS: u32 = LQ * Q;
const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
const BLOCKS: u32 = (CO + 4u * QUADS - 1u) / (4u * QUADS);
const EXTENT: vec3u = (vec3u(LX, V, LZ) - 1u) * STRIDE + (KERNEL - 1u) * DILATION + 1u;
const FACE: u32 = EXTENT.y * EXTENT.z;
const CELLS: u32 = EXTENT.x * FACE;
const CHANNEL_PITCH: u32 = EXTENT.x * X_PITCH;
const PLANE_IN: u32 = IN.x * IN.y * IN.z;
const PLANE_OUT: u32 = OUT.x * OUT.y * OUT.z;
// Odd, so that threads that write the weights of neighbouring taps do not meet in a bank.
const W_PITCH: u32 = QUADS | 1u;

var<workgroup> cells: array<f32, max(DEPTH * CHANNEL_PITCH, SPARE)>;
var<workgroup> weights: array<vec4f, DEPTH * TAPS * W_PITCH>;
