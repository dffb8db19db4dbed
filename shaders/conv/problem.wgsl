// Part of the convolution kernels, pasted before main: the problem, as problemConstants of ops/conv-problem.ts gives it.
// REVERSED = 1 turns the taps round; a number, because the row kernels compute addresses from it.
const N: u32 = 1u;
const GROUPS: u32 = 1u;
const CI: u32 = 1u;
const CO: u32 = 1u;
const IN: vec3u = vec3u(1u);
const OUT: vec3u = vec3u(1u);
const KERNEL: vec3u = vec3u(1u);
const FRONT: vec3i = vec3i(0i);
const W_OUT: u32 = 1u;
const W_IN: u32 = 1u;
const REVERSED: u32 = 0u;
