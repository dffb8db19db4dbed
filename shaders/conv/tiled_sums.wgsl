// Part of the tiled kernels, pasted after the loop: the sums in an array, so that what happens to them is compiled once and
// not for each of them. Channel k of a thread's first, voxel j of it: sums[k * V + j].
  var sums: array<f32, 4u * Q * V>;
  //@unroll C 0..Q
  //@unroll J 0..V
  //@unroll L 0..4
  sums[$((4 * C + L) * V + J)] = a_$(J)_$(C)[$(L)];
  //@end L
  //@end J
  //@end C
