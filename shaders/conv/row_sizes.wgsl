// Part of the row kernels: sizes that follow from the problem.
const BLOCKS: u32 = (CO + CHANNELS - 1u) / CHANNELS;
const PLANE: u32 = IN.x * IN.y * IN.z;
const END_X: u32 = IN.x;
const TAPS: u32 = KERNEL.x * KERNEL.y * KERNEL.z;
