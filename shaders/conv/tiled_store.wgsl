// Part of the tiled kernels, pasted at the end of main: stores the sums as they are.
  //@paste conv/tiled_sums
  let voxel = vec3u(tile) + vec3u(lx, 0u, lz);
  if ((voxel.x >= OUT.x) | (voxel.z >= OUT.z)) { return; }
  let o = first + 4u * Q * lq;
  let row_y = ((n * GROUPS + g) * CO + o) * PLANE_OUT + (voxel.x * OUT.y + voxel.y) * OUT.z + voxel.z;
  for (var k = 0u; k < min(4u * Q, max(CO, o) - o); k++) {
    for (var j = 0u; j < min(V, OUT.y - voxel.y); j++) {
      let i = row_y + k * PLANE_OUT + j * OUT.z;
      y[i] = epilogue(sums[k * V + j], i);
    }
  }
